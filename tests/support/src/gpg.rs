//! Keys made by a real GnuPG, in a home directory that is thrown away.
//!
//! Tests take their keys from here rather than from files in the repository: what an operator exports
//! today is what must work, and no secret key, however worthless, lies in the sources.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A GnuPG home directory with its own agent; both end when it is dropped.
pub struct Gnupg {
    home: TempDir,
}

/// How a key is made.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec<'a> {
    /// As `gpg --quick-gen-key` takes it, for instance `rsa4096` or `ed25519`.
    pub algorithm: &'a str,
    /// `sign` or `cert`.
    pub usage: &'a str,
    /// `never`, or when the key expires, as `gpg` takes it.
    pub expires: &'a str,
    /// Empty for none.
    pub passphrase: &'a str,
    /// The time that `gpg` believes it is, as `20200101T000000`.
    pub made_at: Option<&'a str>,
    /// The digest of the key's self-signatures.
    pub self_signed_with: &'a str,
}

impl Default for KeySpec<'_> {
    fn default() -> Self {
        Self {
            algorithm: "ed25519",
            usage: "sign",
            expires: "never",
            passphrase: "",
            made_at: None,
            self_signed_with: "SHA512",
        }
    }
}

impl Default for Gnupg {
    fn default() -> Self {
        Self::new()
    }
}

impl Gnupg {
    /// Makes an empty home directory.
    pub fn new() -> Self {
        let home = tempfile::Builder::new().prefix("gpg-").tempdir().expect("a temporary directory");
        std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o700)).expect("chmod");
        Self { home }
    }

    /// Returns the home directory.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Makes a key and returns its fingerprint.
    pub fn make_key(&self, spec: &KeySpec<'_>) -> String {
        let mut gpg = self.gpg_at(spec);
        gpg.args(["--quick-gen-key", "Build Signing <signing@builds.example>"]);
        gpg.args([spec.algorithm, spec.usage, spec.expires]);
        let listing = succeed(&mut gpg, b"");
        created(&listing).expect("gpg says which key it has made")
    }

    /// Adds a subkey of another kind to a key and returns nothing, since only the key as a whole is exported.
    pub fn add_subkey(&self, fingerprint: &str, spec: &KeySpec<'_>) {
        let mut gpg = self.gpg_at(spec);
        gpg.args(["--quick-add-key", fingerprint, spec.algorithm, spec.usage, spec.expires]);
        succeed(&mut gpg, b"");
    }

    /// Extends a key as `gpg --quick-set-expire` does: the primary key, and then all subkeys.
    pub fn extend(&self, fingerprint: &str, period: &str) {
        self.run(&["--quick-set-expire", fingerprint, period]);
        self.run(&["--quick-set-expire", fingerprint, period, "*"]);
    }

    /// Runs `gpg` with these arguments, which must succeed.
    pub fn run(&self, arguments: &[&str]) {
        succeed(self.gpg("").args(arguments), b"");
    }

    /// Revokes a key with the certificate that `gpg` made together with it.
    pub fn revoke(&self, fingerprint: &str) {
        let path = self.home().join("openpgp-revocs.d").join(format!("{fingerprint}.rev"));
        let text = std::fs::read_to_string(path).expect("gpg has made a revocation certificate");
        // A colon before the armor keeps people from importing it by accident.
        self.import(text.replace(":-----BEGIN", "-----BEGIN").as_bytes());
    }

    /// Exports the whole key with its secrets, as the operator would.
    pub fn export_secret(&self, fingerprint: &str, passphrase: &str) -> Vec<u8> {
        self.export("--export-secret-keys", fingerprint, passphrase)
    }

    /// Exports the key with the secrets of its subkeys only.
    pub fn export_secret_subkeys(&self, fingerprint: &str, passphrase: &str) -> Vec<u8> {
        self.export("--export-secret-subkeys", fingerprint, passphrase)
    }

    /// Exports the public key.
    pub fn export_public(&self, fingerprint: &str) -> Vec<u8> {
        self.export("--export", fingerprint, "")
    }

    /// Imports keys or revocations.
    pub fn import(&self, exported: &[u8]) {
        succeed(self.gpg("").arg("--import"), exported);
    }

    /// Runs `gpg --verify` and returns whether it succeeded, with all it said.
    pub fn verify(&self, signature: &Path, payload: &Path) -> (bool, String) {
        let mut gpg = self.gpg("");
        gpg.args(["--status-fd", "1", "--verify"]).args([signature, payload]);
        let output = run(&mut gpg, b"");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    fn export(&self, what: &str, fingerprint: &str, passphrase: &str) -> Vec<u8> {
        let exported = succeed(self.gpg(passphrase).args(["--armor", what, fingerprint]), b"");
        assert!(!exported.is_empty(), "gpg {what} {fingerprint} has exported nothing");
        exported
    }

    fn gpg_at(&self, spec: &KeySpec<'_>) -> Command {
        let mut gpg = self.gpg(spec.passphrase);
        gpg.args(["--status-fd", "1", "--cert-digest-algo", spec.self_signed_with]);
        if let Some(time) = spec.made_at {
            gpg.args(["--faked-system-time", time]);
        }
        gpg
    }

    fn gpg(&self, passphrase: &str) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.home());
        gpg.args(["--batch", "--yes", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", passphrase]);
        gpg.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
        gpg
    }
}

impl Drop for Gnupg {
    fn drop(&mut self) {
        let mut stop = Command::new("gpgconf");
        stop.arg("--homedir").arg(self.home()).args([OsStr::new("--kill"), OsStr::new("all")]);
        // Nothing to do about it here; an agent without its home directory ends by itself.
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Finds the fingerprint in gpg's status lines.
fn created(listing: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(listing);
    let line = text.lines().find_map(|line| line.strip_prefix("[GNUPG:] KEY_CREATED "))?;
    line.split(' ').nth(1).map(str::to_owned)
}

fn succeed(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let output = run(command, input);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn run(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} (is it installed?): {error}"));
    // What is given to gpg is shorter than a pipe holds, so that nobody waits for anybody.
    child.stdin.take().expect("stdin is a pipe").write_all(input).expect("gpg reads its input");
    child.wait_with_output().expect("gpg ends")
}
