//! Keys of GnuPG 2.2 and 1.4.

use super::{DSA, RSA_2048};
use crate::gpg::{Export, Recipe};
use crate::kind::{Kind, Maker, Told};
use crate::room::PASSPHRASE;

const fn gpg(name: &'static str, title: &'static str, steps: &'static [&'static str]) -> Kind {
    Kind::of(Maker::Gpg(Recipe { steps, export: Export::Whole, passphrase: "" }), name, title)
}

/// A key that is exported otherwise.
const fn exported(
    name: &'static str,
    title: &'static str,
    steps: &'static [&'static str],
    export: Export,
) -> Kind {
    Kind::of(Maker::Gpg(Recipe { steps, export, passphrase: "" }), name, title)
}

/// A key with a passphrase.
const fn locked(name: &'static str, title: &'static str, steps: &'static [&'static str], told: Told) -> Kind {
    let maker = Maker::Gpg(Recipe { steps, export: Export::Whole, passphrase: PASSPHRASE });
    Kind { told, ..Kind::of(maker, name, title) }
}

const NEW_KEY: &str = "`gpg --quick-generate-key 'NAME <ADDRESS>' ed25519 sign 2y`";
const NEW_SUBKEY: &str = "add a signing subkey, `gpg --quick-add-key";
const ED25519: &[&str] = &["--quick-gen-key USER ed25519 sign never"];
const CERTIFIES: &str = "--quick-gen-key USER ed25519 cert never";
const SUBKEY: &str = "--quick-add-key KEY ed25519 sign never";

pub(super) const KINDS: &[Kind] = &[
    gpg("gpg/ed25519", "Ed25519 (EdDSA)", ED25519),
    gpg(
        "gpg/default",
        "GnuPG's default, RSA 3072 with a subkey for encryption",
        &["--quick-gen-key USER default default never"],
    ),
    gpg(
        "gpg/future-default",
        "GnuPG's future default, Ed25519 with Curve25519",
        &["--quick-gen-key USER future-default default never"],
    ),
    gpg("gpg/rsa3072", "RSA 3072", &["--quick-gen-key USER rsa3072 sign never"]),
    gpg("gpg/rsa4096", "RSA 4096", &["--quick-gen-key USER rsa4096 sign never"]),
    gpg("gpg/rsa2048", "RSA 2048", &["--quick-gen-key USER rsa2048 sign never"])
        .stricter("is RSA with 2048 bits; make one", RSA_2048),
    gpg("gpg/rsa1024", "RSA 1024", &["--quick-gen-key USER rsa1024 sign never"])
        .refused("is RSA with 1024 bits"),
    gpg("gpg/nistp256", "ECDSA on NIST P-256", &["--quick-gen-key USER nistp256 sign never"]),
    gpg("gpg/nistp384", "ECDSA on NIST P-384", &["--quick-gen-key USER nistp384 sign never"]),
    gpg("gpg/nistp521", "ECDSA on NIST P-521", &["--quick-gen-key USER nistp521 sign never"]),
    gpg("gpg/brainpool256", "ECDSA on brainpoolP256r1", &["--quick-gen-key USER brainpoolP256r1 sign never"])
        .refused("on the curve brainpoolP256r1"),
    gpg("gpg/brainpool384", "ECDSA on brainpoolP384r1", &["--quick-gen-key USER brainpoolP384r1 sign never"])
        .refused("on the curve brainpoolP384r1"),
    gpg("gpg/brainpool512", "ECDSA on brainpoolP512r1", &["--quick-gen-key USER brainpoolP512r1 sign never"])
        .refused("on the curve brainpoolP512r1"),
    gpg("gpg/secp256k1", "ECDSA on secp256k1", &["--quick-gen-key USER secp256k1 sign never"])
        .refused("on the curve secp256k1"),
    gpg("gpg/dsa2048", "DSA 2048", &["--quick-gen-key USER dsa2048 sign never"])
        .stricter("is of algorithm DSA", DSA),
    gpg("gpg/dsa3072", "DSA 3072", &["--quick-gen-key USER dsa3072 sign never"])
        .stricter("is of algorithm DSA", DSA),
    gpg("gpg/subkey", "certifying primary key, signing subkey", &[CERTIFIES, SUBKEY]),
    gpg(
        "gpg/both-sign",
        "primary key that signs, signing subkey",
        &["--quick-gen-key USER ed25519 sign never", SUBKEY],
    ),
    gpg(
        "gpg/rsa-subkey",
        "certifying Ed25519, signing RSA 4096",
        &[CERTIFIES, "--quick-add-key KEY rsa4096 sign never"],
    ),
    gpg(
        "gpg/p384-subkey",
        "certifying Ed25519, signing P-384",
        &[CERTIFIES, "--quick-add-key KEY nistp384/ecdsa sign never"],
    ),
    gpg(
        "gpg/three-subkeys",
        "three signing subkeys of different algorithms",
        &[
            CERTIFIES,
            "--quick-add-key KEY rsa3072 sign never",
            SUBKEY,
            "--quick-add-key KEY nistp256/ecdsa sign never",
        ],
    ),
    gpg(
        "gpg/all-subkeys",
        "subkeys for signing, encryption and authentication",
        &[
            CERTIFIES,
            SUBKEY,
            "--quick-add-key KEY cv25519 encr never",
            "--quick-add-key KEY ed25519 auth never",
        ],
    ),
    gpg(
        "gpg/newest-expired",
        "newest signing subkey expired, an older one not",
        &[
            "--faked-system-time 20210101T000000 --quick-gen-key USER ed25519 cert never",
            "--faked-system-time 20220101T000000 --quick-add-key KEY rsa3072 sign never",
            "--faked-system-time 20230101T000000 --quick-add-key KEY ed25519 sign 30d",
        ],
    ),
    gpg(
        "gpg/newest-revoked",
        "newest signing subkey revoked, an older one not",
        &[CERTIFIES, SUBKEY, SUBKEY, "REVOKE NEWEST SUBKEY"],
    ),
    gpg(
        "gpg/newest-brainpool",
        "newest signing subkey on a brainpool curve, an older one not",
        &[CERTIFIES, SUBKEY, "--quick-add-key KEY brainpoolP256r1/ecdsa sign never"],
    ),
    gpg(
        "gpg/rsa2048-subkey",
        "signing subkey RSA 2048",
        &[CERTIFIES, "--quick-add-key KEY rsa2048 sign never"],
    )
    .stricter("is RSA with 2048 bits; add a signing subkey", RSA_2048),
    gpg(
        "gpg/rsa2048-primary",
        "primary key RSA 2048, signing subkey Ed25519",
        &["--quick-gen-key USER rsa2048 cert never", SUBKEY],
    )
    .stricter("is RSA with 2048 bits; make one", RSA_2048),
    gpg(
        "gpg/dsa-primary",
        "primary key DSA 2048, signing subkey Ed25519",
        &["--quick-gen-key USER dsa2048 cert never", SUBKEY],
    )
    .stricter("is of algorithm DSA", DSA),
    gpg(
        "gpg/brainpool-subkey",
        "signing subkey on brainpoolP256r1",
        &[CERTIFIES, "--quick-add-key KEY brainpoolP256r1/ecdsa sign never"],
    )
    .refused("on the curve brainpoolP256r1"),
    gpg("gpg/certifies", "certifies only", &[CERTIFIES]).refused(NEW_SUBKEY),
    gpg(
        "gpg/certifies-encrypts",
        "certifies, and its subkey encrypts",
        &[CERTIFIES, "--quick-add-key KEY cv25519 encr never"],
    )
    .refused(NEW_SUBKEY),
    gpg("gpg/authenticates", "certifies and authenticates", &["--quick-gen-key USER ed25519 auth never"])
        .refused(NEW_SUBKEY),
    gpg("gpg/expires", "expires in a year", &["--quick-gen-key USER ed25519 sign 1y"]),
    gpg(
        "gpg/subkey-expires",
        "signing subkey expires in a year, the primary key never",
        &[CERTIFIES, "--quick-add-key KEY ed25519 sign 1y"],
    ),
    gpg(
        "gpg/primary-expires",
        "primary key expires in a year, the signing subkey never",
        &["--quick-gen-key USER ed25519 cert 1y", SUBKEY],
    ),
    gpg(
        "gpg/extended",
        "expired, and was extended",
        &[
            "--faked-system-time 20230101T000000 --quick-gen-key USER ed25519 sign 30d",
            "--quick-set-expire KEY 1y",
        ],
    ),
    gpg(
        "gpg/expired",
        "expired",
        &["--faked-system-time 20230101T000000 --quick-gen-key USER ed25519 sign 30d"],
    )
    .refused("expired at 2023-01-31"),
    gpg(
        "gpg/expired-with-subkey",
        "primary key expired, signing subkey not",
        &[
            "--faked-system-time 20230101T000000 --quick-gen-key USER ed25519 cert 30d",
            "--faked-system-time 20230102T000000 --quick-add-key KEY ed25519 sign never",
        ],
    )
    .refused("expired at 2023-01-31"),
    gpg(
        "gpg/expired-subkey",
        "signing subkey expired",
        &[
            "--faked-system-time 20230101T000000 --quick-gen-key USER ed25519 cert never",
            "--faked-system-time 20230102T000000 --quick-add-key KEY ed25519 sign 30d",
        ],
    )
    .refused("expired at 2023-02-01"),
    gpg(
        "gpg/both-expired",
        "primary key and signing subkey expired",
        &[
            "--faked-system-time 20230101T000000 --quick-gen-key USER ed25519 cert 60d",
            "--faked-system-time 20230102T000000 --quick-add-key KEY ed25519 sign 30d",
        ],
    )
    .refused("expired at 2023-03-02"),
    gpg("gpg/revoked", "revoked", &["--quick-gen-key USER ed25519 sign never", "REVOKE"]).refused(NEW_KEY),
    gpg("gpg/revoked-with-subkey", "primary key revoked, signing subkey not", &[CERTIFIES, SUBKEY, "REVOKE"])
        .refused(NEW_KEY),
    gpg("gpg/revoked-subkey", "signing subkey revoked", &[CERTIFIES, SUBKEY, "REVOKE NEWEST SUBKEY"])
        .refused(NEW_SUBKEY),
    gpg(
        "gpg/user-revoked",
        "one of two user IDs revoked",
        &[
            "--quick-gen-key USER ed25519 sign never",
            "--quick-add-uid KEY OTHER",
            "--quick-revoke-uid KEY USER",
        ],
    ),
    gpg(
        "gpg/sha1",
        "self-signature over SHA-1",
        &["--cert-digest-algo SHA1 --quick-gen-key USER ed25519 sign never"],
    )
    .refused("gpg --cert-digest-algo SHA512 --quick-set-expire"),
    gpg(
        "gpg/sha1-rsa",
        "RSA 4096, self-signature over SHA-1, subkey bound over SHA-512",
        &[
            "--cert-digest-algo SHA1 --quick-gen-key USER rsa4096 cert never",
            "--cert-digest-algo SHA512 --quick-add-key KEY rsa4096 sign never",
        ],
    )
    .refused("gpg --cert-digest-algo SHA512 --quick-set-expire"),
    gpg(
        "gpg/ripemd160",
        "self-signature over RIPEMD-160",
        &["--cert-digest-algo RIPEMD160 --quick-gen-key USER ed25519 sign never"],
    )
    .refused("over RipeMD160"),
    gpg(
        "gpg/sha224",
        "self-signature over SHA-224",
        &["--cert-digest-algo SHA224 --quick-gen-key USER rsa3072 sign never"],
    ),
    gpg(
        "gpg/sha384",
        "self-signature over SHA-384",
        &["--cert-digest-algo SHA384 --quick-gen-key USER ed25519 sign never"],
    ),
    gpg(
        "gpg/year-2005",
        "made in 2005",
        &["--faked-system-time 20050101T000000 --quick-gen-key USER rsa4096 sign never"],
    ),
    gpg(
        "gpg/future",
        "made in 2099",
        &["--faked-system-time 20990101T000000 --quick-gen-key USER ed25519 sign never"],
    )
    .refused("is valid from 2099-01-01"),
    gpg(
        "gpg/future-subkey",
        "signing subkey made in 2099",
        &[CERTIFIES, "--faked-system-time 20990101T000000 --quick-add-key KEY ed25519 sign never"],
    )
    .refused("is valid from 2099-01-01"),
    gpg(
        "gpg/many-users",
        "several user IDs",
        &[
            "--quick-gen-key USER ed25519 sign never",
            "--quick-add-uid KEY OTHER",
            "--quick-add-uid KEY Dritte-Kennung-\u{e4}\u{f6}\u{fc}",
        ],
    ),
    exported("gpg/binary", "exported without armor", ED25519, Export::Binary),
    exported("gpg/crlf", "lines end as on Windows, below a text", ED25519, Export::Crlf),
    exported(
        "gpg/primary-at-home",
        "secret of the signing subkey alone",
        &[CERTIFIES, SUBKEY],
        Export::Subkeys,
    ),
    exported(
        "gpg/signer-at-home",
        "secret of the subkey for encryption alone",
        &["--quick-gen-key USER ed25519 sign never", "--quick-add-key KEY cv25519 encr never"],
        Export::Subkeys,
    )
    .stricter("has no secret for signing in the file", NOT_EXPORTED),
    exported("gpg/public", "public key instead of the secret one", ED25519, Export::Public)
        .stricter("has no secret for signing in the file", NOT_EXPORTED),
    exported("gpg/truncated", "half a file", ED25519, Export::Truncated)
        .stricter("the file holds no OpenPGP key", NOT_EXPORTED),
    exported(
        "gpg/two",
        "two keys in one file",
        &["--quick-gen-key USER ed25519 sign never", "--quick-gen-key OTHER ed25519 sign never"],
        Export::All,
    )
    .stricter("the file holds several", "which one signs would be left to chance"),
    locked("gpg/passphrase", "Ed25519 with a passphrase", ED25519, Told::Right),
    locked(
        "gpg/passphrase-rsa4096",
        "RSA 4096 with a passphrase",
        &["--quick-gen-key USER rsa4096 sign never"],
        Told::Right,
    ),
    locked(
        "gpg/passphrase-subkey",
        "certifying primary key and signing subkey with a passphrase",
        &[CERTIFIES, SUBKEY],
        Told::Right,
    ),
    locked("gpg/passphrase-wrong", "another passphrase is configured", ED25519, Told::Wrong)
        .stricter("the passphrase is wrong", NOT_OPENED),
    locked("gpg/passphrase-missing", "no passphrase is configured", ED25519, Told::Nothing)
        .stricter("is locked", NOT_OPENED),
    Kind::of(Maker::OldGpg, "gpg1/rsa4096", "RSA 4096 of GnuPG 1.4, over SHA-1")
        .refused("gpg --cert-digest-algo SHA512 --quick-set-expire"),
    Kind::of(Maker::OldGpg, "gpg1/subkey", "RSA 4096 with a signing subkey of GnuPG 1.4, over SHA-1")
        .refused("gpg --cert-digest-algo SHA512 --quick-set-expire"),
    Kind::of(
        Maker::OldGpg,
        "gpg1/subkey-alone",
        "the same with a passphrase, without the secret of the primary key",
    )
    .locked()
    .refused("over SHA1"),
];

const NOT_EXPORTED: &str = "the secret is not in the file";
const NOT_OPENED: &str = "the secret does not open";
