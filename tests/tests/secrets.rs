//! No secret comes out, whatever goes well or wrong.
//!
//! Each secret that the programs are given is planted as a canary. Then everything they leave is searched for
//! it, as it is and as headers and URLs write it: what they print at every level of talkativeness, the
//! command lines of all processes while they run, the spool, the site, the log, the caches. The one place for
//! an access token is its cache.

use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use intraware_tests::support::ftpd::{Kind, Security};
use intraware_tests::support::salesforce::{App, Fault, On};
use intraware_tests::support::sshd::Access;
use intraware_tests::tree::Tree;
use intraware_tests::{Bench, Key, Program, Run, Running};
use rustix::process::Signal;
use serde_json::json;

/// A bench and all that its programs have shown so far.
struct Watched {
    bench: Bench,
    canaries: Vec<Canary>,
    runs: Vec<Run>,
    processes: usize,
}

/// A secret, and the forms in which it could come out.
struct Canary {
    what: String,
    forms: Vec<Vec<u8>>,
}

impl Canary {
    fn new(what: &str, secret: &str) -> Self {
        let bytes = secret.as_bytes();
        assert!(bytes.len() >= 8, "too short to be told from chance: {what}");
        // In base64 a text looks different at each of three offsets; what is left out depends on its
        // neighbours.
        let in_base64 = (0..3).map(|offset| {
            let encoded = STANDARD.encode([&vec![b'x'; offset][..], bytes].concat());
            let begin = (offset * 8).div_ceil(6);
            let end = (offset + bytes.len()) * 8 / 6;
            encoded.as_bytes()[begin..end].to_vec()
        });
        let in_url: String = bytes
            .iter()
            .map(|byte| match byte {
                b if b.is_ascii_alphanumeric() || b"-_.~".contains(b) => char::from(*b).to_string(),
                b => format!("%{b:02X}"),
            })
            .collect();
        let forms = [bytes.to_vec(), in_url.replace("%20", "+").into_bytes(), in_url.into_bytes()];
        Self { what: what.to_owned(), forms: forms.into_iter().chain(in_base64).collect() }
    }

    /// Takes the long lines of a private key file.
    fn of_key(what: &str, file: &Path) -> Vec<Self> {
        let text = fs::read_to_string(file).expect("a key file");
        let lines: Vec<_> = text.lines().filter(|line| line.len() >= 60 && !line.contains(' ')).collect();
        assert!(!lines.is_empty(), "{what} has no body");
        lines
            .into_iter()
            .map(|line| Self { what: what.to_owned(), forms: vec![line.as_bytes().to_vec()] })
            .collect()
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
    }
}

impl Watched {
    fn new(bench: Bench, canaries: Vec<Canary>) -> Self {
        Self { bench, canaries, runs: Vec::new(), processes: 0 }
    }

    /// Runs a program and watches the command lines of all processes meanwhile.
    fn run(&mut self, program: Program, arguments: &[&str]) -> &Run {
        let mut running = Running::start(self.bench.command(program, arguments));
        let own = running.pid().as_raw_nonzero().get();
        loop {
            self.look_at_processes(own);
            if running.ends_within(Duration::from_millis(5)) {
                break;
            }
        }
        self.runs.push(running.wait());
        &self.runs[self.runs.len() - 1]
    }

    /// Looks at the command lines of a process and of those that it has started.
    fn look_at_processes(&mut self, own: i32) {
        let mut family = vec![own];
        let all = fs::read_dir("/proc").expect("/proc");
        let all = all.filter_map(|process| process.ok()?.file_name().to_str()?.parse().ok());
        family.extend(all.filter(|pid| parent(*pid) == Some(own)));
        for pid in family {
            // One that ends while one looks has nothing to show any more.
            let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { continue };
            self.processes += usize::from(!line.is_empty());
            if let Some(canary) = self.canaries.iter().find(|canary| canary.is_in(&line)) {
                panic!("{} is in a process list: {}", canary.what, String::from_utf8_lossy(&line));
            }
        }
    }

    /// Runs everything there is to run, in all the ways of saying more.
    fn say_all(&mut self, build: &str) {
        let json = ["--log-format", "json", "-vv"];
        for arguments in [
            &["check"][..],
            &["config"],
            &["config", "--json"],
            &["status"],
            &["status", "--json"],
            &["why", build],
            &["run", "--dry-run"],
            &["run", "--dry-run", "--json"],
            &["run", "--json"],
            &["run", "--build", build],
            &["hold", build, "--reason", "a reason"],
            &["unhold", build],
            &["retry", build],
            &["log"],
            &["log", "--json"],
        ] {
            self.run(Program::Manage, arguments);
            self.run(Program::Manage, &[&json, arguments].concat());
            self.run(Program::Manage, &[&["-vv", "--color", "always"], arguments].concat());
        }
        for arguments in
            [&["check"][..], &["status"], &["status", "--json"], &["run", "--dry-run", "--json"], &["run"]]
        {
            self.run(Program::Upload, arguments);
            self.run(Program::Upload, &[&json, arguments].concat());
        }
    }

    /// Searches everything that was shown or left, and returns how many outputs that were.
    #[track_caller]
    fn search(&self) -> usize {
        for run in &self.runs {
            for canary in &self.canaries {
                let is_clean = !canary.is_in(run.stdout.as_bytes()) && !canary.is_in(run.stderr.as_bytes());
                assert!(is_clean, "{} is said by {run:?}", canary.what);
            }
        }
        let places = ["spool", "home", "builds1", "var"].map(|name| self.bench.path(name));
        let site = self.bench.site_file("");
        let tree = Tree::read(places.iter().chain([&site]).map(PathBuf::as_path));
        let token_cache = self.bench.path("var");
        for canary in &self.canaries {
            let allowed = |path: &&Path| canary.what == TOKEN && path.starts_with(&token_cache);
            let found: Vec<&Path> = canary.forms.iter().flat_map(|form| tree.holding(form)).collect();
            let found: Vec<&Path> = found.into_iter().filter(|path| !allowed(path)).collect();
            assert!(found.is_empty(), "{} is in {found:?}", canary.what);
        }
        assert!(self.processes > 0, "no process was looked at");
        self.runs.len()
    }
}

/// Returns the process that has started another, the number behind its state in proc(5).
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

const TOKEN: &str = "the access token";

fn write_secret(path: &Path, secret: &str) {
    fs::write(path, secret).expect("a secret file");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("chmod");
}

fn fill(dir: &Path) {
    fs::write(dir.join("name"), dir.display().to_string()).expect("a file");
    let noise: Vec<u8> = (0..400_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(dir.join("table"), noise).expect("a file");
}

/// A bench whose programs need every kind of secret: a password login at Salesforce, a signing key and an SSH
/// key behind passphrases.
fn full_of_secrets() -> Watched {
    let app = App::default();
    let passphrase = "ssh-passphrase 41/D7+";
    let mut bench = Bench::builder()
        .salesforce()
        .sshd(Access::Shell)
        .key(Key::ProtectedEd25519)
        .set_site("connect_timeout_s", 5)
        .build();
    let key = bench.sshd().protected_key(passphrase, "aes256-ctr");
    for (name, secret) in [("password.secret", app.password.as_str()), ("ssh.secret", passphrase)] {
        write_secret(&bench.path("etc").join(name), secret);
    }
    let etc = |name: &str| bench.path("etc").join(name).to_str().expect("text").to_owned();
    let (password, ssh) = (etc("password.secret"), etc("ssh.secret"));
    bench.set("records.salesforce.auth", "password");
    bench.set("records.salesforce.username", app.username);
    // Taken from a program, as from a password store.
    bench.set("records.salesforce.password.command", json!(["/bin/cat", password]));
    bench.set_site("private_key", key.to_str().expect("text"));
    bench.set_site("passphrase.file", ssh);
    let mut canaries = vec![
        Canary::new("the client secret", &app.client_secret),
        Canary::new("the password", &app.password),
        Canary::new("the signing key's passphrase", Key::ProtectedEd25519.passphrase()),
        Canary::new("the SSH key's passphrase", passphrase),
        // The server gives out tokens of this form, each with a number in it.
        Canary::new(TOKEN, "00D5g000001Test!AQ"),
    ];
    canaries.extend(Canary::of_key("the signing key", &bench.path("etc/signing-key.asc")));
    canaries.extend(Canary::of_key("the SSH key", &key));
    Watched::new(bench, canaries)
}

#[test]
fn no_secret_comes_out_of_runs_that_go_well() {
    let mut watched = full_of_secrets();
    for name in ["p1", "p2"] {
        watched.bench.add_build(name, name, fill);
    }
    for _ in 0..2 {
        watched.run(Program::Manage, &["-vv", "run"]);
        watched.run(Program::Upload, &["-vv", "--log-format", "json", "run"]);
    }
    watched.say_all("p1");
    watched.bench.deliver();
    ["p1", "p2"].iter().for_each(|name| watched.bench.assert_delivered(name));
    let outputs = watched.search();
    assert!(outputs > 50, "{outputs} outputs");
    let cached = Tree::read([&*watched.bench.path("var")]);
    assert!(!cached.holding(b"00D5g000001Test!AQ").is_empty(), "the canary of the token is none");
}

#[test]
fn no_secret_comes_out_of_runs_that_go_wrong() {
    let mut watched = full_of_secrets();
    watched.bench.add_build("p1", "p1", fill);
    let etc = watched.bench.path("etc");
    let read = |name: &str| fs::read_to_string(etc.join(name)).expect("a secret file");
    let secrets = ["client.secret", "password.secret", "signing-key.secret", "ssh.secret"]
        .map(|name| (name, read(name)));
    for (name, right) in &secrets {
        // A secret that is nearly right is one too.
        write_secret(&etc.join(name), &format!("{right}-2F8C"));
        watched.bench.salesforce().expire_sessions();
        watched.say_all("p1");
        assert!(watched.runs.iter().rev().take(80).any(|run| run.status == 77), "{name} is used");
        fs::set_permissions(etc.join(name), Permissions::from_mode(0o644)).expect("chmod");
        watched.run(Program::Manage, &["-vv", "run"]);
        watched.run(Program::Upload, &["-vv", "check"]);
        write_secret(&etc.join(name), right);
    }
    watched.search();
}

#[test]
fn no_secret_comes_out_when_the_server_repeats_it() {
    let mut watched = full_of_secrets();
    watched.bench.add_build("p1", "p1", fill);
    watched.run(Program::Manage, &["run"]);
    for what in 0..6 {
        order_echo(&watched.bench, what);
        let run = watched.run(Program::Manage, &["-vv", "run"]);
        assert_ne!(run.status, 0, "echo {what} has no effect: {run:?}");
        order_echo(&watched.bench, what);
        watched.run(Program::Manage, &["check"]);
        order_echo(&watched.bench, what);
        watched.run(Program::Manage, &["--log-format", "json", "status"]);
    }
    watched.search();
}

/// Has the server answer with what comes with a request, the session that is kept now among it, in one of six
/// ways.
fn order_echo(bench: &Bench, what: u32) {
    let app = App::default();
    let token = format!("Authorization: Bearer {}", access_token(bench));
    let form = format!("grant_type=password&client_secret={}&password={}", app.client_secret, app.password);
    let refusal = json!([{ "errorCode": "X", "message": token }]).to_string();
    let login_refusal = json!({ "error": "invalid_grant", "error_description": form }).to_string();
    let (on, fault) = match what {
        0 => (On::Query, Fault::Answer(400, refusal)),
        1 => (On::Query, Fault::Answer(500, format!("<html>{token}</html>"))),
        2 => (On::Query, Fault::Answer(200, format!("<html>{token}</html>"))),
        3 => (On::Login, Fault::Answer(400, login_refusal)),
        4 => (On::Login, Fault::Answer(200, json!({ "access_token": app.password }).to_string())),
        _ => (On::Login, Fault::Answer(500, form)),
    };
    if on == On::Login {
        bench.salesforce().expire_sessions();
    }
    bench.salesforce().clear_faults();
    bench.salesforce().inject(fault, on, 0, 1000);
}

/// Returns the access token in the cache.
fn access_token(bench: &Bench) -> String {
    let caches = fs::read_dir(bench.path("var")).expect("the cache").map(|file| file.expect("a file").path());
    let texts = caches.map(|file| fs::read_to_string(file).expect("a cache"));
    let values = texts.map(|text| serde_json::from_str::<serde_json::Value>(&text).expect("JSON"));
    let token = values.filter_map(|value| value["access_token"].as_str().map(str::to_owned)).next();
    token.expect("a token in the cache")
}

#[test]
fn a_private_key_for_salesforce_and_a_password_for_the_site_do_not_come_out() {
    let mut bench = Bench::builder().salesforce().sshd(Access::Shell).build();
    let key = bench.path("etc/sfdc.key");
    let made = std::process::Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048").output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl genrsa (is it installed?)");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("chmod");
    let password = "site-password=5&B0";
    write_secret(&bench.path("etc/site.secret"), password);
    bench.add_build("p1", "p1", fill);
    bench.manage(&["run"]).expect_silence();
    // Neither is accepted: the server was not told of the key, and sshd takes no passwords.
    let etc = |name: &str| bench.path("etc").join(name).to_str().expect("text").to_owned();
    let (site, sfdc) = (etc("site.secret"), etc("sfdc.key"));
    bench.set("records.salesforce.auth", "jwt-bearer");
    bench.set("records.salesforce.username", "intraware@example.com");
    bench.set("records.salesforce.private_key", sfdc);
    bench.set_site("private_key", "");
    bench.set_site("password.file", site);
    let mut canaries =
        vec![Canary::new("the site's password", password), Canary::new(TOKEN, "00D5g000001Test!AQ")];
    canaries.extend(Canary::of_key("the private key for Salesforce", &key));
    let mut watched = Watched::new(bench, canaries);
    watched.bench.salesforce().expire_sessions();
    watched.say_all("p1");
    watched.run(Program::Manage, &["-vv", "run"]).clone().expect(77);
    watched.run(Program::Upload, &["-vv", "run", "--job", "p1"]).clone().expect(77);
    watched.search();
}

#[test]
fn a_password_for_an_ftp_site_does_not_come_out() {
    let bench = Bench::builder().ftpd(Kind::Vsftpd, Security::Plain).build();
    let right = bench.ftpd().password();
    let netrc_password = "netrc-password=6&C1";
    let netrc = bench.path("etc/netrc");
    let text =
        format!("machine 127.0.0.1 login upload password {netrc_password}\nmachine x unknown {right}\n");
    write_secret(&netrc, &text);
    bench.add_build("p1", "p1", fill);
    let canaries =
        vec![Canary::new("the site's password", right), Canary::new("the password in netrc", netrc_password)];
    let mut watched = Watched::new(bench, canaries);
    watched.say_all("p1");
    watched.bench.add_build("p2", "p2", fill);
    watched.run(Program::Manage, &["-vv", "run"]).clone().expect(0);
    // A netrc file that makes no sense, then one that does, with a password that is wrong.
    watched.bench.unset_site("password.file");
    watched.bench.set_site("netrc", netrc.to_str().expect("text"));
    watched.run(Program::Upload, &["-vv", "run"]).clone().expect(78);
    write_secret(&netrc, text.lines().next().expect("a line"));
    watched.say_all("p2");
    watched.run(Program::Upload, &["-vv", "run", "--job", "p2"]).clone().expect(77);
    let right = format!("machine 127.0.0.1 login upload password {right}\n");
    write_secret(&netrc, &right);
    watched.run(Program::Upload, &["-vv", "run", "--job", "p2"]).clone().expect(0);
    watched.search();
}

#[test]
fn a_crash_leaves_no_core_file() {
    let bench = Bench::builder().sshd(Access::Shell).build();
    bench.add_build("p1", "p1", |dir| fs::write(dir.join("noise"), vec![7; 50_000_000]).expect("a file"));
    let mut manage = bench.spawn_manage(&["run"]);
    let work = bench.path("spool/work");
    while fs::read_dir(&work).expect("work").count() == 0 {
        assert!(manage.is_alive(), "it was too quick: {:?}", manage.wait());
        std::thread::yield_now();
    }
    let limits =
        fs::read_to_string(format!("/proc/{}/limits", manage.pid().as_raw_nonzero())).expect("limits");
    let core =
        limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit of core files");
    assert_eq!(core.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"]);
    manage.signal(Signal::ABORT);
    manage.wait().expect(-6);
    let dirs = ["home", "spool", "var", "etc"].map(|name| bench.path(name));
    let tree = Tree::read(dirs.iter().map(PathBuf::as_path));
    let is_core = |path: &&Path| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"core"));
    assert_eq!(tree.files().filter(is_core).count(), 0);
    bench.deliver();
}
