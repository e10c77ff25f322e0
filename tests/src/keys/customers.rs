//! What customers verify with: GnuPG's `gpg` and `gpgv`, and `sqv`, with nothing but the public key.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use intraware_tests::support::gpg::Gnupg;

use crate::gpg;

/// The names of the programs, in the order of the answers.
pub(crate) const PROGRAMS: [&str; 3] = ["gpg", "gpgv", "sqv"];

/// Returns for each of the programs whether it takes the signature for good.
pub(crate) fn ask(public: &Path, signature: &Path, payload: &Path) -> [bool; 3] {
    let customer = Gnupg::new();
    let text = |path: &Path| path.to_str().expect("a path is text").to_owned();
    // It may refuse the key; then it does not verify.
    gpg::output(&customer, &["--import", &text(public)], "", "");
    let (is_done, said) = customer.verify(signature, payload);
    let by_gpg = is_done && said.contains("[GNUPG:] GOODSIG");

    let keyring = customer.home().join("customer.gpg");
    let dearmored =
        gpg::output(&customer, &["--output", &text(&keyring), "--dearmor", &text(public)], "", "");
    if !dearmored.status.success() {
        fs::copy(public, &keyring).expect("a key");
    }
    let gpgv = succeeds(Command::new("gpgv").arg("--keyring").args([&keyring, signature, payload]));
    let sqv = succeeds(Command::new("sqv").arg("--keyring").args([public, signature, payload]));
    [by_gpg, gpgv, sqv]
}

fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.expect("gpgv and sqv are installed").success()
}
