//! What a person does about a key that is refused: commands, as they have to be typed.
//!
//! They are for GnuPG 2.2, which operators have, where it can mend the key at all; `tests/keys` types them.

use openpgp::cert::Cert;
use sequoia_openpgp as openpgp;

use super::name_of;
use super::part::{Part, has_secret};

/// For a key that nothing can be made of.
pub(super) fn another_key() -> String {
    "make one of OpenPGP version 4, `gpg --quick-generate-key 'NAME <ADDRESS>' ed25519 sign 2y`, and export it".to_owned()
}

/// For a key that is sound itself, and has no part that may sign.
pub(super) fn another_subkey(cert: &Cert) -> String {
    let key = name_of(cert);
    format!("add a signing subkey, `gpg --quick-add-key {key} ed25519 sign 2y`, and export it again")
}

/// For a subkey at which GnuPG fails.
pub(super) fn without_subkey(cert: &Cert, subkey: &str) -> String {
    let key = name_of(cert);
    format!("delete that subkey, `gpg --edit-key {key} 'key {subkey}' delkey save`, and export the key again")
}

/// For self-signatures of a primary key that GnuPG still takes.
pub(super) fn renew(cert: &Cert) -> String {
    let key = name_of(cert);
    // Otherwise GnuPG finds no secret key to make them with.
    let place = match has_secret(cert.primary_key().key().role_as_unspecified()) {
        true => "",
        false => ", where the primary key's secret is kept,",
    };
    format!(
        "renew them{place} with `gpg --cert-digest-algo SHA512 --quick-set-expire {key} 5y` and export it again"
    )
}

/// For a key that GnuPG takes, without a user ID that others take.
pub(super) fn another_user(cert: &Cert) -> String {
    format!("add one with `gpg --quick-add-uid {} 'NAME <ADDRESS>'` and export it again", name_of(cert))
}

/// For a key that GnuPG does not take, so that it can add nothing to it.
pub(super) fn first_user() -> String {
    "add one with `sq key userid add --userid 'NAME <ADDRESS>' --output NEW-FILE FILE` (sq 0.27, as in Debian 12) or `sq \
     key userid add --cert-file FILE --userid 'NAME <ADDRESS>' --output NEW-FILE` (sq 1.3, as in Debian 13)"
        .to_owned()
}

/// Returns the commands that let a part of the key live longer and export it.
pub(super) fn extend(cert: &Cert, part: &Part<'_>, by_direct_key: bool) -> String {
    let (key, part) = (name_of(cert), part.key().fingerprint().to_hex());
    if by_direct_key {
        // GnuPG renews the user ID's signature, heeds this one, and says nothing. Without this one the key
        // would do, but not for customers who import it to what they have.
        return "`sq key expire --cert-file FILE --expiration 2y --output NEW-FILE`, by sq 1.3 as in Debian 13 (neither \
                GnuPG nor the sq of Debian 12 can), or make another, `gpg --quick-generate-key 'NAME <ADDRESS>' ed25519 \
                sign 2y`, and export it"
            .to_owned();
    }
    let part = if part == key { String::new() } else { format!(" {part}") };
    // The primary key's secret stays where it is, if it was not in the file before.
    let what = match has_secret(cert.primary_key().key().role_as_unspecified()) {
        true => "--export-secret-keys",
        false => "--export-secret-subkeys",
    };
    format!(
        "`gpg --quick-set-expire {key} 2y{part}`, then \
         `gpg --yes --armor --output signing-key.asc {what} {key}`"
    )
}
