//! Keys that cannot sign: what `gpg` is to do, done as the message says.

use std::fs;
use std::path::Path;
use std::time::Duration;

use intraware_tests::support::gpg::{Gnupg, KeySpec};
use intraware_tests::{Bench, Run, Running};

use super::{commands, fill, shell};

/// Installs what was exported as the signing key.
fn install(bench: &Bench, exported: &[u8]) {
    let key = bench.path("etc/signing-key.asc");
    fs::write(&key, exported).expect("the key");
    super::set_mode(&key, 0o600);
}

/// Types all commands of `gpg` that a run names, in the order in which it names them, where the key's owner
/// keeps it, and installs what they export.
fn obey(bench: &Bench, gnupg: &Gnupg, run: &Run) {
    let typed: Vec<String> =
        commands(&run.stderr).into_iter().filter(|command| command.starts_with("gpg ")).collect();
    assert!(!typed.is_empty(), "{run:?}");
    // At the terminal, where the owner types an empty passphrase.
    let answers = "batch\npinentry-mode loopback\npassphrase-file /dev/null\n";
    fs::write(gnupg.home().join("gpg.conf"), answers).expect("options of gpg");
    for line in typed {
        let mut command = shell(bench, &line);
        command.env("GNUPGHOME", gnupg.home()).current_dir(gnupg.home());
        Running::start(command).wait().expect(0);
    }
    let exported = gnupg.home().join("signing-key.asc");
    if exported.exists() {
        assert!(is_private(&exported), "a secret that others can read");
        install(bench, &fs::read(exported).expect("what was exported"));
    }
}

fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).expect("a file").mode() & 0o077 == 0
}

fn let_it_expire() {
    std::thread::sleep(Duration::from_millis(2500));
}

fn bench() -> Bench {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill);
    bench
}

#[test]
fn newcomer_b1_an_expired_subkey_is_extended_as_the_message_says_and_its_primary_stays_at_home() {
    let (bench, gnupg) = (bench(), Gnupg::new());
    let key = gnupg.make_key(&KeySpec { usage: "cert", ..KeySpec::default() });
    gnupg.add_subkey(&key, &KeySpec { expires: "seconds=2", ..KeySpec::default() });
    install(&bench, &gnupg.export_secret_subkeys(&key, ""));
    let_it_expire();
    let run = bench.manage(&["run"]).expect(77).complains(&["expired at", "--export-secret-subkeys"]);
    obey(&bench, &gnupg, &run);
    bench.manage(&["run"]).expect_silence();
}

#[test]
fn newcomer_b1_an_expired_primary_key_is_extended_as_the_message_says() {
    let (bench, gnupg) = (bench(), Gnupg::new());
    let key = gnupg.make_key(&KeySpec { expires: "seconds=2", ..KeySpec::default() });
    install(&bench, &gnupg.export_secret(&key, ""));
    let_it_expire();
    let run = bench.manage(&["run"]).expect(77).complains(&["expired at", "--export-secret-keys"]);
    obey(&bench, &gnupg, &run);
    bench.manage(&["run"]).expect_silence();
}

#[test]
fn newcomer_b1_a_key_about_to_expire_is_extended_as_the_warning_says() {
    let (bench, gnupg) = (bench(), Gnupg::new());
    let key = gnupg.make_key(&KeySpec { expires: "5d", ..KeySpec::default() });
    install(&bench, &gnupg.export_secret(&key, ""));
    let run = bench.manage(&["run"]).expect(0).complains(&["expires on"]);
    obey(&bench, &gnupg, &run);
    bench.add_build("p2", "p2", fill);
    bench.manage(&["run"]).expect_silence();
}

#[test]
fn newcomer_b1_a_key_without_its_secret_is_exported_as_the_message_says() {
    for with_subkey in [false, true] {
        let (bench, gnupg) = (bench(), Gnupg::new());
        let usage = if with_subkey { "cert" } else { "sign" };
        let key = gnupg.make_key(&KeySpec { usage, ..KeySpec::default() });
        if with_subkey {
            gnupg.add_subkey(&key, &KeySpec { expires: "1y", ..KeySpec::default() });
        }
        install(&bench, &gnupg.export_public(&key));
        let run = bench.manage(&["run"]).expect(77).complains(&["has no secret for signing"]);
        obey(&bench, &gnupg, &run);
        bench.manage(&["run"]).expect_silence();
    }
}

#[test]
fn newcomer_b1_a_key_that_only_certifies_is_given_a_subkey_as_the_message_says() {
    let (bench, gnupg) = (bench(), Gnupg::new());
    let key = gnupg.make_key(&KeySpec { usage: "cert", ..KeySpec::default() });
    install(&bench, &gnupg.export_secret(&key, ""));
    let run = bench.manage(&["run"]).expect(77).complains(&["is not for signing"]);
    obey(&bench, &gnupg, &run);
    install(&bench, &gnupg.export_secret_subkeys(&key, ""));
    bench.manage(&["run"]).expect_silence();
}

#[test]
fn newcomer_b1_self_signatures_over_sha_1_are_renewed_as_the_message_says() {
    let (bench, gnupg) = (bench(), Gnupg::new());
    let key = gnupg.make_key(&KeySpec { self_signed_with: "SHA1", ..KeySpec::default() });
    install(&bench, &gnupg.export_secret(&key, ""));
    let run = bench.manage(&["run"]).expect(77).complains(&["customers' tools refuse"]);
    obey(&bench, &gnupg, &run);
    install(&bench, &gnupg.export_secret(&key, ""));
    bench.manage(&["run"]).expect_silence();
}
