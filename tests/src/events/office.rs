//! What is around an installation: Salesforce, the site, cron, people who make builds, and whoever gets the
//! mail.

use std::cell::RefCell;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use intraware_tests::support::certificate::Certificates;
use intraware_tests::support::dice::noise;
use intraware_tests::support::salesforce::{App, Options, Salesforce, public_key};
use serde_json::{Value, json};

use crate::door::Door;
use crate::installation::{self, BUILDS, CHECKOUT};
use crate::mail::{self, Mail};
use crate::shell::as_root;

/// The host of the company's Salesforce, and the site's.
pub(crate) const INSTANCE: &str = "example.my.salesforce.com";
pub(crate) const SITE: &str = "intraware.example";
/// The site's directory.
pub(crate) const INCOMING: &str = "/incoming";

const OBJECT: &str = "Build__c";
const STATUS: &str = "Magma_Intraware_Upload__c";
const DETAIL: &str = "Magma_Intraware_Upload_Detail__c";

/// Two runs of cron and a bit: when nothing has come until then, nothing comes.
pub(crate) const TWO_RUNS: Duration = Duration::from_secs(130);
/// From preparing to Completed, when each run that has to do something waits for the next full minute:
/// `manage`, `upload`, and `manage`, which may look just before `upload` is done.
pub(crate) const CYCLE: Duration = Duration::from_secs(5 * 60);

/// The office, with an installation that works.
pub(crate) struct Office {
    pub(crate) salesforce: Salesforce,
    pub(crate) door: RefCell<Door>,
    sshd: RefCell<Option<Daemon>>,
    _cron: Daemon,
}

/// A process that is killed when it is dropped.
struct Daemon(Child);

impl Office {
    /// Opens it: everything around the installation, the installation itself, and then cron.
    pub(crate) fn open(files: &Path) -> Self {
        mail::set_up();
        installation::prepare(files);
        let salesforce = start_salesforce();
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 443));
        let door = Door::open(at, SocketAddr::from((Ipv4Addr::LOCALHOST, salesforce.port())));
        make_site();
        let sshd = start_sshd("host_ed25519");
        installation::install();
        fs::create_dir_all("/var/spool/cron/crontabs").expect("cron's directory");
        let mut cron = Command::new("/usr/sbin/cron");
        cron.arg("-f").env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let cron = Daemon::start(cron, "/kept/cron.log");
        Self { salesforce, door: RefCell::new(door), sshd: RefCell::new(Some(sshd)), _cron: cron }
    }

    /// Has a build made, of so many bytes that cannot be compressed, and a record of it.
    pub(crate) fn add_build(&self, name: &str, size: usize) -> PathBuf {
        let dir = Path::new(BUILDS).join("blast/5.1").join(name);
        fs::create_dir_all(&dir).expect("a build");
        let seed = name.bytes().map(u64::from).sum();
        fs::write(dir.join("content"), noise(seed, size)).expect("a build");
        self.add_record(name, &dir);
        dir
    }

    /// Has a record made.
    pub(crate) fn add_record(&self, name: &str, dir: &Path) {
        let record = json!({ "Name": name, "Build_Path__c": dir, "build_type__c": "Patch Build" });
        self.salesforce.create(OBJECT, record);
    }

    /// Changes a record, as people do.
    pub(crate) fn edit(&self, name: &str, field: &str, value: &Value) {
        let id = self.record(name)["Id"].as_str().expect("an id").to_owned();
        self.salesforce.edit(OBJECT, &id, json!({ field: value }));
    }

    /// Sets the status of a record to empty, as the recipes say.
    pub(crate) fn empty_status(&self, name: &str) {
        self.edit(name, STATUS, &Value::Null);
    }

    /// Sets the status of a record to this.
    pub(crate) fn set_status(&self, name: &str, status: &str) {
        self.edit(name, STATUS, &json!(status));
    }

    fn record(&self, name: &str) -> Value {
        let mut records = self.salesforce.records(OBJECT).into_iter();
        records.find(|record| record["Name"] == name).unwrap_or_else(|| panic!("no record is called {name}"))
    }

    /// Returns the status of a build's record.
    pub(crate) fn status(&self, name: &str) -> String {
        self.record(name)[STATUS].as_str().unwrap_or_default().to_owned()
    }

    /// Returns the detail of a build's record.
    pub(crate) fn detail(&self, name: &str) -> String {
        self.record(name)[DETAIL].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a build is Completed, and returns how long it took.
    pub(crate) fn completed(&self, name: &str, within: Duration) -> Result<Duration, String> {
        let began = Instant::now();
        wait_until(within, || self.status(name) == "Completed")
            .ok_or_else(|| {
                let (status, detail) = (self.status(name), self.detail(name));
                format!("{name} is {status:?} ({detail}) after {} s", began.elapsed().as_secs())
            })
            .and_then(|()| self.look_at_site(name).map(|()| began.elapsed()))
    }

    /// The site has what the record says.
    fn look_at_site(&self, name: &str) -> Result<(), String> {
        let payload = payload(name);
        let record = self.record(name);
        let text = as_root(&format!("md5sum < '{0}' && stat -c %s '{0}'", payload.display())).said;
        let (md5, size) = (record["MD5_Digest__c"].as_str(), record["Payload_Size__c"].as_f64());
        let is_right = text.starts_with(md5.unwrap_or("nothing"))
            && text.lines().nth(1).and_then(|size| size.parse().ok()) == size;
        if is_right { Ok(()) } else { Err(format!("{name} is Completed, and the site has {}", text.trim())) }
    }

    /// Ends the site's server, or starts it again, with this host key.
    pub(crate) fn site_down(&self) {
        self.sshd.borrow_mut().take();
    }

    /// Starts the site's server again, with this host key.
    pub(crate) fn site_up(&self, host_key: &str) {
        self.sshd.borrow_mut().replace(start_sshd(host_key));
    }
}

/// Returns where a build's payload is at the site.
pub(crate) fn payload(name: &str) -> PathBuf {
    Path::new(INCOMING).join("blast/5.1").join(name).join(format!("{name}.tar.gz"))
}

/// Waits until this holds; `None` if it does not in time.
pub(crate) fn wait_until(within: Duration, mut holds: impl FnMut() -> bool) -> Option<()> {
    let began = Instant::now();
    while began.elapsed() < within {
        if holds() {
            return Some(());
        }
        thread::sleep(Duration::from_millis(200));
    }
    None
}

/// Waits for a message with these words.
pub(crate) fn wait_for_mail(words: &str, within: Duration) -> Result<Mail, String> {
    let mut found = None;
    wait_until(within, || {
        found = mail::all().into_iter().find(|mail| mail.line(words).is_some());
        found.is_some()
    });
    found.ok_or_else(|| {
        let seen: Vec<_> = mail::all().into_iter().map(|mail| mail.body).collect();
        format!("no message says {words:?}, of {}: {}", seen.len(), seen.concat().replace('\n', " / "))
    })
}

fn start_salesforce() -> Salesforce {
    let dir = Path::new("/srv/salesforce");
    fs::create_dir(dir).expect("a directory");
    let certificates = Certificates::make(dir);
    let identity = fs::read(certificates.host(INSTANCE)).expect("a certificate");
    let key = fs::read(Path::new(CHECKOUT).join("sfdc.key")).expect("the app's key");
    let options = Options {
        app: App { public_key: Some(public_key(&key)), ..App::default() },
        port: 0,
        tls: Some((identity.clone(), identity)),
        public_url: Some(format!("https://{INSTANCE}")),
    };
    fs::create_dir_all("/etc/intraware").expect("a directory");
    fs::copy(certificates.authority(), "/etc/intraware/proxy-ca.pem").expect("a certificate");
    as_root("chmod 644 /etc/intraware/proxy-ca.pem").expect("chmod");
    Salesforce::start(options).expect("a server")
}

/// Makes the site's account and directory. A locked account could not log in.
fn make_site() {
    let made = format!(
        "useradd --system --uid 871 --create-home --home-dir /home/upload --shell /bin/sh upload
         usermod -p '*' upload
         install -d -o upload -m 0755 {INCOMING}
         install -d -o upload -m 0700 /home/upload/.ssh
         mkdir -p /run/sshd /srv/sshd
         for key in host_ed25519 other_ed25519; do ssh-keygen -q -t ed25519 -N '' -f /srv/sshd/$key; done"
    );
    as_root(&made).expect("a site");
}

fn start_sshd(host_key: &str) -> Daemon {
    let config = format!(
        "HostKey /srv/sshd/{host_key}\nPidFile none\nUsePAM no\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\n"
    );
    fs::write("/srv/sshd/config", config).expect("a configuration");
    let mut sshd = Command::new("/usr/sbin/sshd");
    sshd.args(["-D", "-e", "-f", "/srv/sshd/config"]);
    let daemon = Daemon::start(sshd, "/kept/sshd.log");
    let is_up = || TcpStream::connect((Ipv4Addr::LOCALHOST, 22)).is_ok();
    wait_until(Duration::from_secs(30), is_up).expect("sshd listens");
    daemon
}

impl Daemon {
    fn start(mut command: Command, log: &str) -> Self {
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let twin = log.try_clone().expect("a second descriptor");
        command.stdin(Stdio::null()).stdout(log).stderr(twin);
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended is as dead as wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
