//! Has a key made by whoever makes keys of its kind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use intraware_tests::support::gpg::Gnupg;

use crate::gpg;
use crate::kind::{Kind, Maker};
use crate::room::{PASSPHRASE, Room};

/// Where the makers are installed.
#[derive(Debug, Clone)]
pub(crate) struct Makers {
    pub(crate) dir: PathBuf,
    /// An sq that Debian 12 has not, which some remedies need.
    pub(crate) new_sq: Option<PathBuf>,
}

impl Makers {
    /// Makes a key, and returns the home directory of GnuPG that has it, if that is its maker.
    pub(crate) fn make(&self, kind: &Kind, room: &Room) -> Option<Gnupg> {
        match kind.maker {
            Maker::Gpg(recipe) => return Some(gpg::make(&recipe, room)),
            Maker::OldGpg => self.old_gpg(kind.own_name(), room),
            Maker::Sq(arguments) => self.sq(arguments, room),
            Maker::Sqop(arguments) => self.sqop(arguments, room),
            Maker::OpenPgpJs => {
                let mut command = Command::new("node");
                command.env("NODE_PATH", self.dir.join("node/node_modules")).arg(script("openpgpjs_keys.js"));
                run(command.arg(kind.own_name()).arg(room.dir()));
            }
            Maker::PgPy => self.python("pgpy_keys.py", kind, room),
            Maker::PySequoia => self.python("pysequoia_keys.py", kind, room),
            Maker::Rpgp => {
                let program = self.dir.join("rpgp/release/rpgp-keys");
                run(Command::new(program).arg(kind.own_name()).arg(room.dir()));
            }
        }
        room.close("secret");
        None
    }

    /// Returns the path of a program from Debian that is not installed.
    pub(crate) fn debian(&self, program: &str) -> PathBuf {
        self.dir.join("debian/usr/bin").join(program)
    }

    fn python(&self, name: &str, kind: &Kind, room: &Room) {
        run(Command::new(self.dir.join("venv/bin/python"))
            .arg(script(name))
            .arg(kind.own_name())
            .arg(room.dir()));
    }

    fn sq(&self, arguments: &[&str], room: &Room) {
        let sq = self.debian("sq");
        let generate = || {
            let mut command = Command::new(&sq);
            command.args(["--force", "key", "generate", "--export"]).arg(room.at("secret")).args(arguments);
            command
        };
        run(&mut generate());
        let mut extract = Command::new(&sq);
        extract.args(["key", "extract-cert", "--output"]).args([room.at("public"), room.at("secret")]);
        run(&mut extract);
        let mut sign = Command::new(&sq);
        sign.args(["sign", "--detached", "--signer-key"]).arg(room.at("secret")).arg("--output");
        // One that is expired or has no part for it signs nothing.
        try_to(sign.args([room.at("signature"), room.at("payload")]));
    }

    fn sqop(&self, arguments: &[&str], room: &Room) {
        let sqop = self.debian("sqop");
        let mut generate = Command::new(&sqop);
        generate.arg("generate-key").args(arguments.iter().filter(|word| **word != "LOCKED"));
        if arguments.contains(&"LOCKED") {
            generate.arg("--with-key-password").arg(room.at("passphrase"));
        }
        room.write("secret", &run(&mut generate));
        room.write("public", &piped(Command::new(&sqop).arg("extract-cert"), &room.at("secret")));
        let mut sign = Command::new(&sqop);
        sign.arg("sign").arg("--with-key-password").arg(room.at("passphrase")).arg(room.at("secret"));
        room.write("signature", &piped(&mut sign, &room.at("payload")));
    }

    fn old_gpg(&self, name: &str, room: &Room) {
        let home = room.at("gnupg1");
        fs::create_dir(&home).expect("a directory");
        let subkey = if name == "rsa4096" {
            ""
        } else {
            "Subkey-Type: RSA\nSubkey-Length: 3072\nSubkey-Usage: sign\n"
        };
        // Of a key without a passphrase it exports no subkeys alone: it skips them, and ends with status 0.
        let locked = if name == "subkey-alone" { PASSPHRASE } else { "" };
        let passphrase = if locked.is_empty() { String::new() } else { format!("Passphrase: {locked}\n") };
        let spec = format!(
            "Key-Type: RSA\nKey-Length: 4096\nKey-Usage: sign\n{subkey}Name-Real: Build Signing\n\
             Name-Email: signing@builds.example\nExpire-Date: 0\n{passphrase}%commit\n"
        );
        room.write("spec", spec.as_bytes());
        let gpg = |arguments: &[&str]| {
            let mut command = Command::new(self.debian("gpg1"));
            command.arg("--homedir").arg(&home).args(["--batch", "--quiet", "--no-tty"]);
            command.args(["--passphrase", locked]);
            run(command.args(["--cert-digest-algo", "SHA1", "--digest-algo", "SHA512"]).args(arguments))
        };
        // With that option it makes keys, and signs nothing.
        gpg(&["--quick-random", "--gen-key", room.at("spec").to_str().expect("a path is text")]);
        let whole = if name == "subkey-alone" { "--export-secret-subkeys" } else { "--export-secret-keys" };
        room.write("secret", &gpg(&["--armor", whole]));
        if whole == "--export-secret-subkeys" {
            room.write("whole", &gpg(&["--armor", "--export-secret-keys"]));
        }
        room.write("public", &gpg(&["--armor", "--export"]));
        let payload = room.at("payload");
        let payload = payload.to_str().expect("a path is text");
        room.write("signature", &gpg(&["--armor", "--output", "-", "--detach-sign", payload]));
    }
}

/// Returns the path of one of our scripts that call another's library.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("third_party").join(name)
}

/// Runs a command, which must succeed, and returns what it wrote.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn try_to(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
}

fn piped(command: &mut Command, input: &Path) -> Vec<u8> {
    let input = fs::File::open(input).expect("a file");
    let output = command.stdin(input).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
