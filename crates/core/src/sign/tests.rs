use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use intraware_test_support::gpg::{Gnupg, KeySpec};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::*;
use crate::exit::{Fault, HasFault as _};

mod fit;

const PAYLOAD: &[u8] = b"not really an archive\n";

#[expect(clippy::disallowed_methods, reason = "the keys are made by gpg, which asks the system's clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn load(exported: &[u8], passphrase: Option<&str>) -> Result<SigningKey, KeyError> {
    SigningKey::load(exported, passphrase.map(Secret::new).as_ref(), now(), KeyPolicy::default())
}

fn refusal(exported: &[u8], passphrase: Option<&str>) -> KeyError {
    let error = load(exported, passphrase).expect_err("the key is refused");
    assert_eq!(error.fault(), Fault::Access, "{error}");
    error
}

fn sign(key: &SigningKey, payload: &[u8]) -> Vec<u8> {
    let mut signer = key.signer(now()).unwrap();
    for chunk in payload.chunks(7) {
        signer.write_all(chunk).unwrap();
    }
    signer.finish().unwrap()
}

/// The payload, its signature and the public key as files, as a customer has them.
struct Delivered {
    _dir: TempDir,
    payload: PathBuf,
    signature: PathBuf,
    certificate: PathBuf,
}

fn deliver(key: &SigningKey) -> Delivered {
    let dir = TempDir::new().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    Delivered {
        payload: put("p7.tar.gz", PAYLOAD),
        signature: put("p7.tar.gz.asc", &sign(key, PAYLOAD)),
        certificate: put("key.asc", &key.certificate()),
        _dir: dir,
    }
}

/// GnuPG's numbers of hash algorithms (RFC 9580, section 9.5).
const SHA256: &str = "8";
const SHA512: &str = "10";

/// Has a customer with nothing but the public key verify a signature: with GnuPG, and with Sequoia's `sqv`.
///
/// `hash` is what must have been signed.
fn accepted_by_customers(key: &SigningKey, hash: &str) {
    let delivered = deliver(key);
    let customer = Gnupg::new();
    customer.import(&key.certificate());
    let (good, said) = customer.verify(&delivered.signature, &delivered.payload);
    assert!(good && said.contains("[GNUPG:] GOODSIG"), "{said}");
    let fields = said.lines().find_map(|line| line.strip_prefix("[GNUPG:] VALIDSIG ")).unwrap();
    assert_eq!(fields.split(' ').nth(7), Some(hash), "the hash in {fields}");
    assert_eq!(fields.split(' ').next(), Some(key.signing_fingerprint().as_str()));
    let sqv = sqv(&delivered);
    assert!(sqv.status.success(), "sqv: {}", String::from_utf8_lossy(&sqv.stderr));

    std::fs::write(&delivered.payload, b"Not really an archive\n").unwrap();
    assert!(!customer.verify(&delivered.signature, &delivered.payload).0, "a changed payload");
}

fn sqv(delivered: &Delivered) -> std::process::Output {
    Command::new("sqv")
        .arg("--keyring")
        .args([&delivered.certificate, &delivered.signature, &delivered.payload])
        .output()
        .expect("sqv is installed (Debian package sqv)")
}

#[test]
fn s0_31_customers_accept_signatures_of_an_rsa_4096_key_with_a_passphrase() {
    let gnupg = Gnupg::new();
    let spec = KeySpec { algorithm: "rsa4096", passphrase: "correct horse", ..KeySpec::default() };
    let fingerprint = gnupg.make_key(&spec);
    let exported = gnupg.export_secret(&fingerprint, "correct horse");
    let key = load(&exported, Some("correct horse")).unwrap();
    assert_eq!(key.fingerprint(), fingerprint);
    assert_eq!(key.expires(), None);
    accepted_by_customers(&key, SHA256);

    assert!(matches!(refusal(&exported, None), KeyError::PassphraseMissing { .. }));
    assert!(matches!(refusal(&exported, Some("Correct horse")), KeyError::WrongPassphrase { .. }));
    assert!(matches!(refusal(&exported, Some("")), KeyError::WrongPassphrase { .. }));
}

#[test]
fn s0_31_customers_accept_signatures_of_keys_without_passphrase() {
    let gnupg = Gnupg::new();
    for (algorithm, hash) in
        [("ed25519", SHA256), ("nistp256", SHA512), ("nistp384", SHA512), ("nistp521", SHA512)]
    {
        let fingerprint = gnupg.make_key(&KeySpec { algorithm, ..KeySpec::default() });
        let key = load(&gnupg.export_secret(&fingerprint, ""), None).unwrap();
        accepted_by_customers(&key, hash);
    }
}

#[test]
fn s0_31_a_signing_subkey_signs_and_the_primary_secret_may_stay_at_home() {
    let gnupg = Gnupg::new();
    let primary = KeySpec { usage: "cert", passphrase: "p", ..KeySpec::default() };
    let fingerprint = gnupg.make_key(&primary);
    assert!(matches!(
        refusal(&gnupg.export_secret(&fingerprint, "p"), Some("p")),
        KeyError::NotForSigning { .. }
    ));

    gnupg.add_subkey(&fingerprint, &KeySpec { expires: "1y", passphrase: "p", ..KeySpec::default() });
    for exported in [gnupg.export_secret(&fingerprint, "p"), gnupg.export_secret_subkeys(&fingerprint, "p")] {
        let key = load(&exported, Some("p")).unwrap();
        assert_eq!(key.fingerprint(), fingerprint);
        assert_ne!(key.signing_fingerprint(), fingerprint);
        let left = key.expires().unwrap().duration_since(now());
        assert!((SignedDuration::from_hours(364 * 24)..SignedDuration::from_hours(366 * 24)).contains(&left));
        accepted_by_customers(&key, SHA256);
    }
}

#[test]
fn s0_31_a_primary_left_at_home_does_not_sign() {
    let gnupg = Gnupg::new();
    let fingerprint = gnupg.make_key(&KeySpec::default());
    gnupg.add_subkey(&fingerprint, &KeySpec { algorithm: "cv25519", usage: "encr", ..KeySpec::default() });
    let exported = gnupg.export_secret_subkeys(&fingerprint, "");
    assert!(matches!(refusal(&exported, None), KeyError::NoSecret { .. }));
    assert!(matches!(refusal(&gnupg.export_public(&fingerprint), None), KeyError::NoSecret { .. }));
}

#[test]
fn s0_31_keys_outside_their_time_are_refused_before_any_work() {
    let gnupg = Gnupg::new();
    let old = KeySpec { made_at: Some("20200101T000000"), expires: "2021-01-01", ..KeySpec::default() };
    let expired = gnupg.export_secret(&gnupg.make_key(&old), "");
    let error = refusal(&expired, None);
    assert!(
        matches!(error, KeyError::Expired { at, .. } if at.to_string().starts_with("2021-01-0")),
        "{error}"
    );

    let early = KeySpec { made_at: Some("20990101T000000"), ..KeySpec::default() };
    let fingerprint = gnupg.make_key(&early);
    let error = refusal(&gnupg.export_secret(&fingerprint, ""), None);
    assert!(matches!(error, KeyError::NotYetValid { .. }), "{error}");
}

#[test]
fn s0_31_a_key_that_expires_during_the_run_signs_no_more() {
    let gnupg = Gnupg::new();
    let fingerprint = gnupg.make_key(&KeySpec { expires: "1d", ..KeySpec::default() });
    let key = load(&gnupg.export_secret(&fingerprint, ""), None).unwrap();
    let later = now() + SignedDuration::from_hours(25);
    assert!(matches!(key.signer(later).map(|_| ()), Err(KeyError::Expired { .. })));
    let signature = sign(&key, PAYLOAD);
    key.verify(&signature, &mut { PAYLOAD }, later).expect("a signature stays good when its key expires");
}

#[test]
fn s0_31_revoked_keys_are_refused() {
    let gnupg = Gnupg::new();
    let alone = gnupg.make_key(&KeySpec::default());
    let with_subkey = gnupg.make_key(&KeySpec { usage: "cert", ..KeySpec::default() });
    gnupg.add_subkey(&with_subkey, &KeySpec::default());
    for fingerprint in [alone, with_subkey] {
        load(&gnupg.export_secret(&fingerprint, ""), None).unwrap();
        gnupg.revoke(&fingerprint);
        assert!(matches!(refusal(&gnupg.export_secret(&fingerprint, ""), None), KeyError::Revoked { .. }));
    }
}

#[test]
fn s0_31_weak_keys_are_refused() {
    let gnupg = Gnupg::new();
    for (algorithm, what) in [("rsa2048", "RSA with 2048 bits"), ("rsa1024", "RSA with 1024 bits")] {
        let fingerprint = gnupg.make_key(&KeySpec { algorithm, ..KeySpec::default() });
        let error = refusal(&gnupg.export_secret(&fingerprint, ""), None);
        assert!(matches!(&error, KeyError::Weak { what: found, .. } if found == what), "{error}");
    }
}

#[test]
fn s0_31_keys_bound_by_sha1_are_refused_unless_configured() {
    let gnupg = Gnupg::new();
    let fingerprint = gnupg.make_key(&KeySpec { self_signed_with: "SHA1", ..KeySpec::default() });
    let exported = gnupg.export_secret(&fingerprint, "");
    assert!(matches!(refusal(&exported, None), KeyError::WeakHash { .. }));
    let key = SigningKey::load(&exported, None, now(), KeyPolicy { accept_sha1: true }).unwrap();
    key.verify(&sign(&key, PAYLOAD), &mut { PAYLOAD }, now()).unwrap();
}

#[test]
fn files_that_are_not_one_key_are_refused() {
    let gnupg = Gnupg::new();
    let [one, two] = [(); 2].map(|()| {
        let fingerprint = gnupg.make_key(&KeySpec::default());
        gnupg.export_secret(&fingerprint, "")
    });
    assert!(matches!(refusal(&[one.clone(), two].concat(), None), KeyError::Several));
    assert!(matches!(refusal(b"", None), KeyError::Malformed(_)));
    assert!(matches!(refusal(b"-----BEGIN RSA PRIVATE KEY-----\n", None), KeyError::Malformed(_)));
    assert!(matches!(refusal(&one[..one.len() / 2], None), KeyError::Malformed(_)));
}

#[test]
fn verification_tells_a_damaged_payload_from_one_that_cannot_be_read() {
    let gnupg = Gnupg::new();
    let [key, other] = [(); 2].map(|()| {
        let fingerprint = gnupg.make_key(&KeySpec::default());
        load(&gnupg.export_secret(&fingerprint, ""), None).unwrap()
    });
    let signature = sign(&key, PAYLOAD);
    let certificate = Certificate::parse(&key.certificate(), KeyPolicy::default()).unwrap();
    certificate.verify(&signature, &mut { PAYLOAD }, now()).unwrap();

    let bad = [
        certificate.verify(&signature, &mut { &PAYLOAD[1..] }, now()),
        certificate.verify(b"no signature", &mut { PAYLOAD }, now()),
        other.verify(&signature, &mut { PAYLOAD }, now()),
        certificate.verify(&signature, &mut { PAYLOAD }, now() - SignedDuration::from_hours(1)),
    ];
    for verdict in bad {
        assert!(matches!(verdict, Err(KeyError::BadSignature { .. })), "{verdict:?}");
    }
    let mut directory = std::fs::File::open("/").unwrap();
    let verdict = certificate.verify(&signature, &mut directory, now());
    assert!(matches!(verdict, Err(KeyError::Payload(_))), "{verdict:?}");
}

#[test]
fn a_signature_that_does_not_fit_its_hash_is_not_published() {
    let gnupg = Gnupg::new();
    let fingerprint = gnupg.make_key(&KeySpec::default());
    let key = load(&gnupg.export_secret(&fingerprint, ""), None).unwrap();
    let signature = certificate::parse_signature(&sign(&key, PAYLOAD)).unwrap();
    let hash_of = |payload: &[u8]| {
        let mut hash = openpgp::types::HashAlgorithm::SHA256.context().unwrap().for_signature(4);
        hash.update(payload);
        hash
    };
    key.verifier().verify_hash(&signature, hash_of(PAYLOAD), now()).unwrap();
    let verdict = key.verifier().verify_hash(&signature, hash_of(b"other"), now());
    assert!(matches!(verdict, Err(KeyError::BadSignature { .. })), "{verdict:?}");
}

#[test]
fn nothing_that_is_shown_holds_a_secret() {
    let gnupg = Gnupg::new();
    let passphrase = "canary-7f3a91";
    let fingerprint = gnupg.make_key(&KeySpec { passphrase, ..KeySpec::default() });
    let exported = gnupg.export_secret(&fingerprint, passphrase);
    let key = load(&exported, Some(passphrase)).unwrap();
    assert!(!String::from_utf8(key.certificate()).unwrap().contains("PRIVATE"));
    assert!(!certificate::parse_one(&key.certificate()).unwrap().is_tsk());
    let wrong = refusal(&exported, Some("canary-00ff11"));
    let shown = format!("{key:?} {wrong:?} {wrong}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn s1_13_a_signed_text_is_believed_by_gpgv_and_by_us_and_holds_what_was_signed() {
    let gnupg = Gnupg::new();
    let fingerprint = gnupg.make_key(&KeySpec::default());
    let key = load(&gnupg.export_secret(&fingerprint, ""), None).unwrap();
    let text = b"Suite: stable\n-dashed\nSHA256:\n ab 1 main/x\n";
    let signed = key.sign_text(text, now()).unwrap();
    let dir = TempDir::new().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let keyring = put("key.gpg", &key.verifier().to_binary().unwrap());
    let (signed_path, plain) = (put("InRelease", &signed), dir.path().join("plain"));
    let mut gpgv = Command::new("gpgv");
    gpgv.arg("--keyring").arg(&keyring).arg("--output").arg(&plain).arg(&signed_path);
    let output = gpgv.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read(&plain).unwrap(), text);
    let ring = Keyring::parse(&std::fs::read(&keyring).unwrap(), KeyPolicy::default()).unwrap();
    let opened = ring.open(&signed, now()).unwrap();
    assert_eq!((opened.signer, opened.text.trim_ascii_end()), (fingerprint, text.trim_ascii_end()));
    // What stands around the signed text is not part of it, and what was put into it spoils it.
    let around = [&signed[..], b"\nSuite: testing\n"].concat();
    assert!(!ring.open(&around, now()).is_ok_and(|opened| opened.text.ends_with(b"testing\n")));
    let put_in = String::from_utf8(signed).unwrap().replace("stable", "testing");
    assert!(matches!(ring.open(put_in.as_bytes(), now()), Err(NotSigned::Bad(_))));
}

#[test]
fn s1_08_texts_of_strangers_and_of_keys_that_are_revoked_or_expired_are_not_believed() {
    let gnupg = Gnupg::new();
    let stranger = gnupg.make_key(&KeySpec::default());
    let revoked = gnupg.make_key(&KeySpec::default());
    let expired = gnupg.make_key(&KeySpec {
        made_at: Some("20200101T000000"),
        expires: "20200601T000000",
        ..KeySpec::default()
    });
    let sign = |key: &str, extra: &[&str]| {
        let dir = TempDir::new().unwrap();
        let (plain, signed) = (dir.path().join("x"), dir.path().join("x.asc"));
        std::fs::write(&plain, "Suite: stable\n").unwrap();
        let (plain, path) = (plain.to_str().unwrap(), signed.to_str().unwrap());
        gnupg.run(&[extra, &["--local-user", key, "--output", path, "--clearsign", plain]].concat());
        std::fs::read(&signed).unwrap()
    };
    // A key that has expired can still sign where the clock is wrong, or is set back.
    let by_expired = sign(&expired, &["--faked-system-time", "20200301T000000"]);
    let texts = [sign(&stranger, &[]), sign(&revoked, &[])];
    gnupg.revoke(&revoked);
    let ring = [gnupg.export_public(&revoked), gnupg.export_public(&expired)]
        .map(|exported| Keyring::parse(&exported, KeyPolicy::default()).unwrap());
    assert!(
        matches!(ring[0].open(&texts[0], now()), Err(NotSigned::Stranger { issuer }) if issuer == stranger)
    );
    assert!(matches!(ring[0].open(&texts[1], now()), Err(NotSigned::Bad(_))));
    // It was good when it was made; what it names may be old, and is looked at by others.
    assert!(ring[1].open(&by_expired, now()).is_ok());
    assert!(matches!(ring[1].open(b"Suite: stable\n", now()), Err(NotSigned::Unsigned)));
}
