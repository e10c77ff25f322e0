//! Keys of GnuPG: a recipe is the commands that people type, and how the key is exported at last.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use intraware_tests::support::gpg::Gnupg;

use crate::room::{Room, USER};

/// How a key is made and exported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    /// Arguments of `gpg`, a line for each command. USER stands for a user ID, KEY for the key's fingerprint,
    /// SUB and OLD for those of its newest and its first subkey. Lines in capitals are the steps of [`step`].
    pub(crate) steps: &'static [&'static str],
    pub(crate) export: Export,
    pub(crate) passphrase: &'static str,
}

/// What becomes the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Export {
    /// The whole key, armored.
    Whole,
    /// The whole key as bytes.
    Binary,
    /// Armored, with the line ends of Windows and a text above.
    Crlf,
    /// The key without the secret of its primary part.
    Subkeys,
    /// The key without any secret.
    Public,
    /// Half of it.
    Truncated,
    /// All keys that there are.
    All,
}

/// Makes a key in a new home directory, which is returned since commands may have to be typed there.
pub(crate) fn make(recipe: &Recipe, room: &Room) -> Gnupg {
    let gnupg = Gnupg::new();
    recipe.steps.iter().for_each(|line| step(&gnupg, line, recipe.passphrase));
    export(&gnupg, recipe, room);
    gnupg
}

/// Exports what a recipe has made, and signs with it if GnuPG does.
pub(crate) fn export(gnupg: &Gnupg, recipe: &Recipe, room: &Room) {
    let key = fingerprints(gnupg).first().cloned().expect("a key was made");
    let secret = gnupg.export_secret(&key, recipe.passphrase);
    let secret = match recipe.export {
        Export::Whole => secret,
        Export::Binary => output(gnupg, &["--export-secret-keys", &key], recipe.passphrase, "").stdout,
        Export::Crlf => {
            let text = String::from_utf8(secret).expect("armor is ASCII");
            format!("The key of the build service:\r\n\r\n{}", text.replace('\n', "\r\n")).into_bytes()
        }
        Export::Subkeys => gnupg.export_secret_subkeys(&key, recipe.passphrase),
        Export::Public => gnupg.export_public(&key),
        Export::Truncated => secret[..secret.len() / 2].to_vec(),
        Export::All => output(gnupg, &["--armor", "--export-secret-keys"], recipe.passphrase, "").stdout,
    };
    room.write("secret", &secret);
    room.write("public", &gnupg.export_public(&key));
    let payload = room.at("payload");
    let payload = payload.to_str().expect("a path is text");
    let signed = output(
        gnupg,
        &["--armor", "--local-user", &key, "--output", "-", "--detach-sign", payload],
        recipe.passphrase,
        "",
    );
    if signed.status.success() {
        room.write("signature", &signed.stdout);
    }
}

/// Does one step of a recipe.
fn step(gnupg: &Gnupg, line: &str, passphrase: &str) {
    let known = fingerprints(gnupg);
    let key = known.first().map_or("", String::as_str);
    match line {
        "REVOKE" => return gnupg.revoke(key),
        // As typed into --edit-key; the reason is none.
        "REVOKE NEWEST SUBKEY" => {
            let newest = known.len() - 1;
            let typed = format!("key {newest}\nrevkey\ny\n0\n\ny\nsave\n");
            let done = output(gnupg, &["--command-fd", "0", "--edit-key", key], passphrase, &typed);
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            return;
        }
        _ => {}
    }
    let word = |word| match word {
        "USER" => USER,
        "KEY" => key,
        "SUB" => known.last().map_or("", String::as_str),
        "OLD" => known.get(1).map_or("", String::as_str),
        "OTHER" => "Another <another@builds.example>",
        word => word,
    };
    let words: Vec<&str> = line.split(' ').map(word).collect();
    let done = output(gnupg, &words, passphrase, "");
    assert!(done.status.success(), "gpg {line}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Returns the fingerprints of the first key and of its parts, in the order in which they were made.
pub(crate) fn fingerprints(gnupg: &Gnupg) -> Vec<String> {
    keys(gnupg).into_iter().next().unwrap_or_default()
}

/// Returns the fingerprints of all secret keys, each with those of its parts.
pub(crate) fn keys(gnupg: &Gnupg) -> Vec<Vec<String>> {
    let listed = output(gnupg, &["--with-colons", "--list-secret-keys"], "", "");
    let mut keys: Vec<Vec<String>> = Vec::new();
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        let fields: Vec<&str> = line.split(':').collect();
        match (fields[0], fields.get(9)) {
            ("sec", _) => keys.push(Vec::new()),
            ("fpr", Some(fingerprint)) => {
                keys.last_mut().expect("it is of a key").push((*fingerprint).to_owned())
            }
            _ => {}
        }
    }
    keys
}

/// Runs `gpg` and returns what came of it.
pub(crate) fn output(gnupg: &Gnupg, arguments: &[&str], passphrase: &str, typed: &str) -> Output {
    let mut gpg = Command::new("gpg");
    gpg.arg("--homedir").arg(gnupg.home()).args(["--yes", "--no-tty", "--pinentry-mode", "loopback"]);
    if typed.is_empty() {
        gpg.arg("--batch");
    }
    gpg.args(["--passphrase", passphrase]).args(arguments).env("LC_ALL", "C.UTF-8");
    let mut child = gpg
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("gpg is installed");
    // It may have ended before it reads.
    let _ = child.stdin.take().expect("a pipe").write_all(typed.as_bytes());
    child.wait_with_output().expect("gpg ends")
}
