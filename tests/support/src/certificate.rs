//! A certificate authority of our own, made anew for each server, and what it has signed for this host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run;

/// The files of an authority and of a server at `127.0.0.1` or `localhost`.
#[derive(Debug)]
pub struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// Makes keys and certificates in an existing directory.
    pub fn make(dir: &Path) -> Self {
        let this = Self { dir: dir.to_owned() };
        this.issue("ca", "/CN=test authority", &[]);
        this.issue("server", "/CN=127.0.0.1", &["subjectAltName=IP:127.0.0.1,DNS:localhost"]);
        this.issue("elsewhere", "/CN=elsewhere.example", &["subjectAltName=DNS:elsewhere.example"]);
        this
    }

    /// Returns the authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// Returns the server's key and certificate, or those of the host `elsewhere.example`, in one file.
    pub fn identity(&self, of: &str) -> PathBuf {
        self.file(&format!("{of}.both"))
    }

    /// Has a certificate made for a host of this name, and returns it with its key in one file.
    pub fn host(&self, name: &str) -> PathBuf {
        self.issue(name, &format!("/CN={name}"), &[&format!("subjectAltName=DNS:{name}")]);
        self.identity(name)
    }

    /// Returns the SHA-256 of a certificate as `openssl x509 -fingerprint` prints it.
    pub fn fingerprint(&self, of: &str) -> String {
        let shown = run(Command::new("openssl")
            .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
            .arg(self.file(&format!("{of}.pem"))));
        shown.trim().split_once('=').expect("a fingerprint").1.to_owned()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn issue(&self, name: &str, subject: &str, extensions: &[&str]) {
        let (key, certificate) = (self.file(&format!("{name}.key")), self.file(&format!("{name}.pem")));
        let mut command = Command::new("openssl");
        command
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate);
        if !extensions.is_empty() {
            command.arg("-CA").arg(self.authority()).arg("-CAkey").arg(self.file("ca.key"));
            command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        }
        for extension in extensions {
            command.args(["-addext", extension]);
        }
        run(&mut command);
        let text = |path: &Path| fs::read_to_string(path).expect("what openssl has made");
        let both = self.identity(name);
        fs::write(&both, text(&key) + &text(&certificate)).expect("both in one file");
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&both, own).expect("a file of its own");
    }
}
