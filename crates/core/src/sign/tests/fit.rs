//! Keys that the library takes and customers' tools do not, made by GnuPG where it makes such, else by the
//! library.

use openpgp::cert::CertBuilder;
use openpgp::crypto::S2K;
use openpgp::crypto::mpi::{MPI, PublicKey, SecretKeyChecksum};
use openpgp::packet::key::{Encrypted, Key4, PrimaryRole, SecretParts, SubordinateRole, UnspecifiedRole};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::{Key, UserID};
use openpgp::parse::Parse as _;
use openpgp::serialize::MarshalInto as _;
use openpgp::types::{Curve, HashAlgorithm, KeyFlags, PublicKeyAlgorithm, SignatureType, SymmetricAlgorithm};
use openpgp::{Cert, Packet};

use super::*;

/// Returns a key with one user ID, whose self-signature is over `hash`.
fn with_user(primary: Key<SecretParts, PrimaryRole>, user: &str, hash: HashAlgorithm) -> Cert {
    let cert = Cert::from_packets(vec![Packet::from(primary.clone())].into_iter()).unwrap();
    let mut signer = primary.into_keypair().unwrap();
    let binding = SignatureBuilder::new(SignatureType::PositiveCertification)
        .set_hash_algo(hash)
        .set_key_flags(KeyFlags::empty().set_signing().set_certification())
        .unwrap();
    let user = UserID::from(user);
    let binding = user.bind(&mut signer, &cert, binding).unwrap();
    cert.insert_packets(vec![Packet::from(user), binding.into()]).unwrap().0
}

/// Returns a key with a subkey that may sign, whose own signature of that is over `hash`.
fn with_subkey(subkey: Key<SecretParts, SubordinateRole>, hash: HashAlgorithm) -> Cert {
    let cert = with_user(ed25519(), "Signing", HashAlgorithm::SHA512);
    let mut signer = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let mut own = subkey.clone().into_keypair().unwrap();
    let primary = cert.primary_key().key();
    let back = SignatureBuilder::new(SignatureType::PrimaryKeyBinding)
        .set_hash_algo(hash)
        .sign_primary_key_binding(&mut own, primary, &subkey)
        .unwrap();
    let binding = SignatureBuilder::new(SignatureType::SubkeyBinding)
        .set_key_flags(KeyFlags::empty().set_signing())
        .unwrap()
        .set_embedded_signature(back)
        .unwrap();
    let binding = subkey.bind(&mut signer, &cert, binding).unwrap();
    cert.insert_packets(vec![Packet::from(subkey), binding.into()]).unwrap().0
}

fn exported(cert: &Cert) -> Vec<u8> {
    cert.as_tsk().to_vec().unwrap()
}

fn ed25519() -> Key<SecretParts, PrimaryRole> {
    Key4::generate_ecc(true, Curve::Ed25519).unwrap().into()
}

/// Returns a packet of the given kind.
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap();
    assert!(length < 192);
    [&[0xc0 | tag, length], body].concat()
}

#[test]
fn g_2_new_forms_of_ed25519_and_ed448_are_refused_wherever_they_are() {
    let sha512 = HashAlgorithm::SHA512;
    for (primary, what) in [
        (
            Key4::generate_ed25519().unwrap(),
            "Ed25519 in its new form (algorithm 27), which GnuPG cannot verify",
        ),
        (Key4::generate_ed448().unwrap(), "Ed448 (algorithm 28), which GnuPG cannot verify"),
    ] {
        let error = refusal(&exported(&with_user(primary.into(), "Signing", sha512)), None);
        assert!(error.to_string().contains(what), "{error}");
    }
    // A newer subkey of that form is passed over for a part that all verify.
    let cert = with_subkey(Key4::generate_ed25519().unwrap().into(), sha512);
    let key = load(&exported(&cert), None).unwrap();
    assert_eq!(key.signing_fingerprint(), key.fingerprint());
    accepted_by_sqv(&key);
}

#[test]
fn g_2_a_signature_over_a_hash_too_short_for_its_curve_is_refused_wherever_it_is() {
    let (sha256, sha512) = (HashAlgorithm::SHA256, HashAlgorithm::SHA512);
    let subkey = || Key4::generate_ecc(true, Curve::NistP384).unwrap().into();
    let primary = |curve| with_user(Key4::generate_ecc(true, curve).unwrap().into(), "Signing", sha256);
    // GnuPG fails at such a subkey even when it is another part that has signed.
    let said = refusal(&exported(&with_subkey(subkey(), sha256)), None).to_string();
    assert!(
        said.contains("over SHA256, which GnuPG takes for too short with the curve NIST P-384"),
        "{said}"
    );
    assert!(said.contains("delkey save`, and export the key again"), "{said}");
    accepted_by_customers(&load(&exported(&with_subkey(subkey(), sha512)), None).unwrap(), SHA512);
    let said = refusal(&exported(&primary(Curve::NistP521)), None).to_string();
    assert!(said.contains("a user ID that is signed over SHA256, which GnuPG takes for too short"), "{said}");
    accepted_by_customers(&load(&exported(&primary(Curve::NistP256)), None).unwrap(), SHA512);
}

#[test]
fn g_7_a_refusal_names_a_command_that_helps() {
    let gnupg = Gnupg::new();
    let said = |exported: &[u8], words: String| {
        let said = refusal(exported, None).to_string();
        assert!(said.contains(&words), "{said}");
    };
    let of = |fingerprint: &str| gnupg.export_secret(fingerprint, "");
    let certifies = gnupg.make_key(&KeySpec { usage: "cert", ..KeySpec::default() });
    let another = format!("add a signing subkey, `gpg --quick-add-key {certifies} ed25519 sign 2y`");
    said(&of(&certifies), another.clone());
    gnupg.add_subkey(&certifies, &KeySpec { algorithm: "rsa2048", ..KeySpec::default() });
    said(&of(&certifies), another);
    let weak = gnupg.make_key(&KeySpec { algorithm: "rsa2048", ..KeySpec::default() });
    let anew = "`gpg --quick-generate-key 'NAME <ADDRESS>' ed25519 sign 2y`, and export it";
    said(&of(&weak), anew.to_owned());
    let revoked = gnupg.make_key(&KeySpec::default());
    gnupg.revoke(&revoked);
    said(&of(&revoked), anew.to_owned());
    let sha1 = gnupg.make_key(&KeySpec { self_signed_with: "SHA1", ..KeySpec::default() });
    let words = format!("gpg --cert-digest-algo SHA512 --quick-set-expire {sha1} 5y");
    said(&of(&sha1), format!("`{words}` and export it again, or set signing.accept_sha1"));
    let words: Vec<&str> = words.split(' ').skip(1).collect();
    gnupg.run(&words);
    load(&of(&sha1), None).unwrap();
}

/// GnuPG is too old here for the subkey, and skips it; `sqv` reads the rest.
fn accepted_by_sqv(key: &SigningKey) {
    let sqv = sqv(&deliver(key));
    assert!(sqv.status.success(), "sqv: {}", String::from_utf8_lossy(&sqv.stderr));
}

#[test]
fn g_3_the_earlier_of_two_dates_counts_and_the_remedy_is_one_that_works() {
    let day = std::time::Duration::from_secs(24 * 3600);
    let (cert, _) = CertBuilder::general_purpose(Some("Signing <signing@builds.example>"))
        .set_validity_period(day)
        .generate()
        .unwrap();
    let gnupg = Gnupg::new();
    gnupg.import(&exported(&cert));
    let fingerprint = cert.fingerprint().to_hex();
    gnupg.extend(&fingerprint, "2y");
    let key = load(&gnupg.export_secret(&fingerprint, ""), None).unwrap();
    let left = key.expires().unwrap().duration_since(now());
    assert!(left < SignedDuration::from_hours(25), "{left:?}");
    // Debian 12's sq 0.27 has no such command, and only that of 1.3 takes a file as it was exported.
    let command = "`sq key expire --cert-file FILE --expiration 2y --output NEW-FILE`, by sq 1.3";
    assert!(key.extend().starts_with(command), "{}", key.extend());
    let later = now() + SignedDuration::from_hours(48);
    let policy = KeyPolicy::default();
    let error = SigningKey::load(&gnupg.export_secret(&fingerprint, ""), None, later, policy).unwrap_err();
    assert!(error.to_string().contains("extend it: `sq key expire"), "{error}");
}

#[test]
fn g_3_where_the_direct_key_signature_ends_with_the_others_gnupg_is_not_named() {
    let day = std::time::Duration::from_secs(24 * 3600);
    let (cert, _) = CertBuilder::general_purpose(Some("Signing <signing@builds.example>"))
        .set_validity_period(day)
        .generate()
        .unwrap();
    let later = now() + SignedDuration::from_hours(48);
    let error = SigningKey::load(&exported(&cert), None, later, KeyPolicy::default()).unwrap_err();
    assert!(error.to_string().contains("extend it: `sq key expire"), "{error}");
}

#[test]
fn g_3_what_gnupg_has_made_it_extends_as_it_is_told() {
    let gnupg = Gnupg::new();
    let fingerprint = gnupg.make_key(&KeySpec { usage: "cert", ..KeySpec::default() });
    gnupg.add_subkey(&fingerprint, &KeySpec { expires: "1d", ..KeySpec::default() });
    let key = load(&gnupg.export_secret(&fingerprint, ""), None).unwrap();
    let command = format!("gpg --quick-set-expire {fingerprint} 2y {}", key.signing_fingerprint());
    let export = format!("gpg --yes --armor --output signing-key.asc --export-secret-keys {fingerprint}");
    assert_eq!(key.extend(), format!("`{command}`, then `{export}`"));
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    gnupg.run(&words);
    let key = load(&gnupg.export_secret(&fingerprint, ""), None).unwrap();
    assert!(key.expires().unwrap().duration_since(now()) > SignedDuration::from_hours(24 * 700));
}

#[test]
fn g_4_a_key_needs_a_user_id_that_gnupg_takes() {
    let (cert, _) =
        CertBuilder::new().set_primary_key_flags(KeyFlags::empty().set_signing()).generate().unwrap();
    let error = refusal(&exported(&cert), None);
    let said = error.to_string();
    assert!(
        said.contains("has no user ID, and GnuPG takes no such key; add one with `sq key userid add"),
        "{error}"
    );
    assert!(said.contains("or `sq key userid add --cert-file FILE"), "{error}");
    let long = with_user(ed25519(), &"x".repeat(2049), HashAlgorithm::SHA512);
    let error = refusal(&exported(&long), None);
    assert!(error.to_string().contains("a user ID of more than 2048 bytes"), "{error}");
    load(&exported(&with_user(ed25519(), &"x".repeat(2048), HashAlgorithm::SHA512)), None).unwrap();
    let sha3 = with_user(ed25519(), "Signing", HashAlgorithm::SHA3_512);
    let error = refusal(&exported(&sha3), None);
    assert!(error.to_string().contains("SHA3-512"), "{error}");
}

#[test]
fn g_5_a_part_of_another_version_is_refused_and_no_secret_is_published() {
    let gnupg = Gnupg::new();
    let fingerprint = gnupg.make_key(&KeySpec::default());
    let key = gnupg.export_secret(&fingerprint, "");
    let plain = exported(&certificate::parse_one(&key).unwrap());
    let with_part = [plain, packet(7, &[5, 0, 0, 0, 0, 27, 0, 0, 0, 1, 42])].concat();
    let error = refusal(&with_part, None);
    let said = error.to_string();
    assert!(said.contains(&fingerprint) && said.contains("of version 5 beside it"), "{said}");
    let published = load(&key, None).unwrap().certificate();
    let pile = openpgp::PacketPile::from_bytes(&published).unwrap();
    for part in pile.descendants() {
        assert!(!matches!(part, Packet::SecretKey(_) | Packet::SecretSubkey(_)), "{part:?}");
    }
}

#[test]
fn g_5_parts_that_some_programs_do_not_read_are_warned_of() {
    let cert = with_user(ed25519(), "Signing", HashAlgorithm::SHA512);
    let mut signer = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let subkey: Key<SecretParts, _> = Key4::generate_x25519().unwrap().into();
    let binding = SignatureBuilder::new(SignatureType::SubkeyBinding)
        .set_key_flags(KeyFlags::empty().set_transport_encryption())
        .unwrap();
    let binding = subkey.bind(&mut signer, &cert, binding).unwrap();
    let cert = cert.insert_packets(vec![Packet::from(subkey), binding.into()]).unwrap().0;
    let key = load(&exported(&cert), None).unwrap();
    assert!(
        key.warning().unwrap().contains("(X25519) keeps RNP and PGPy from reading"),
        "{:?}",
        key.warning()
    );
}

#[test]
fn g_6_rsa_keys_that_are_too_long_are_refused_for_that() {
    let public = |bits: usize| {
        let n = MPI::new(&vec![0xff; bits / 8]);
        let mpis = PublicKey::RSA { e: MPI::new(&[1, 0, 1]), n };
        let made = std::time::SystemTime::UNIX_EPOCH;
        let key: Key<_, UnspecifiedRole> =
            Key4::new(made, PublicKeyAlgorithm::RSAEncryptSign, mpis).unwrap().into();
        crate::sign::fit::weakness(&key)
    };
    assert_eq!(public(8192).unwrap(), "RSA with 8192 bits, and this program takes up to 4096");
    assert_eq!(public(2048).unwrap(), "RSA with 2048 bits");
    assert_eq!((public(3072), public(4096)), (None, None));
}

#[test]
fn g_7_a_refusal_says_what_is_wrong() {
    let gnupg = Gnupg::new();
    let brainpool = KeySpec { algorithm: "brainpoolP256r1", ..KeySpec::default() };
    let said = |error: KeyError, what: &str| {
        assert!(error.to_string().contains(what), "{error}");
    };
    let of = |fingerprint: &str| gnupg.export_secret(fingerprint, "");
    said(refusal(&of(&gnupg.make_key(&brainpool)), None), "on the curve brainpoolP256r1");
    let subkey = gnupg.make_key(&KeySpec { usage: "cert", ..KeySpec::default() });
    gnupg.add_subkey(&subkey, &KeySpec { algorithm: "brainpoolP256r1/ecdsa", ..brainpool });
    said(refusal(&of(&subkey), None), "on the curve brainpoolP256r1");
    let later = gnupg.make_key(&KeySpec { usage: "cert", ..KeySpec::default() });
    gnupg.add_subkey(&later, &KeySpec { made_at: Some("20990101T000000"), ..KeySpec::default() });
    said(refusal(&of(&later), None), "is valid from 2099-01-01");
    let old_hash = gnupg.make_key(&KeySpec { self_signed_with: "RIPEMD160", ..KeySpec::default() });
    said(refusal(&of(&old_hash), None), "self-signatures over RipeMD160");
    let version5 = [&[5, 0, 0, 0, 0, 22, 0, 0, 0, 50][..], &[1; 100]].concat();
    said(refusal(&packet(5, &version5), None), "is of OpenPGP version 5; make one of OpenPGP version 4");
}

#[test]
fn g_7_a_secret_under_a_cipher_that_is_not_known_is_no_wrong_passphrase() {
    let primary = ed25519();
    let cert = with_user(primary.clone(), "Signing", HashAlgorithm::SHA512);
    let s2k = S2K::default();
    let checksum = Some(SecretKeyChecksum::SHA1);
    let locked = Encrypted::new(s2k, SymmetricAlgorithm::Blowfish, checksum, vec![0; 40].into_boxed_slice());
    let (public, _) = primary.take_secret();
    let (locked, _) = public.add_secret(locked.into());
    let cert = cert.insert_packets(vec![Packet::from(locked)]).unwrap().0;
    let error = refusal(&exported(&cert), Some("right"));
    assert!(error.to_string().contains("or its cipher Blowfish is not read here"), "{error}");
}
