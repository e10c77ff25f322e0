//! Keys of sq, sqop and pysequoia.

use super::RSA_2048;
use crate::kind::{Kind, Maker};

const USER: &str = "Build Signing <signing@builds.example>";

const fn sq(name: &'static str, title: &'static str, arguments: &'static [&'static str]) -> Kind {
    Kind::of(Maker::Sq(arguments), name, title)
}

const fn sqop(name: &'static str, title: &'static str, arguments: &'static [&'static str]) -> Kind {
    Kind::of(Maker::Sqop(arguments), name, title)
}

const fn py(name: &'static str, title: &'static str) -> Kind {
    Kind::of(Maker::PySequoia, name, title)
}

pub(super) const KINDS: &[Kind] = &[
    sq("sq/default", "sq's default: three years, Ed25519 (EdDSA) with three subkeys", &["-u", USER]),
    sq("sq/never-expires", "never expires", &["-u", USER, "--expires", "never"]),
    sq("sq/rsa3k", "RSA 3072", &["-u", USER, "-c", "rsa3k"]),
    sq("sq/rsa4k", "RSA 4096", &["-u", USER, "-c", "rsa4k"]),
    sq("sq/two-users", "two user IDs", &["-u", USER, "-u", "<builds@builds.example>"]),
    sq("sq/no-user", "no user ID", &[])
        .refused("has no user ID, and GnuPG takes no such key; add one with `sq key userid add"),
    sq("sq/cannot-sign", "no signing subkey", &["-u", USER, "--cannot-sign"]).refused("is not for signing"),
    sq("sq/expires-tomorrow", "expires tomorrow", &["-u", USER, "--expires-in", "1d"]),
    sq(
        "sq/expired",
        "expired, as its direct-key signature says too",
        &["-u", USER, "--creation-time", "20230101", "--expires-in", "30d"],
    )
    .refused("extend it: `sq key expire --cert-file FILE"),
    sq("sq/future", "made in 2099", &["-u", USER, "--creation-time", "20990101"])
        .refused("is valid from 2099-01-01"),
    sqop("sqop/default", "sqop's default", &[USER]),
    sqop("sqop/binary", "without armor", &["--no-armor", USER]),
    sqop("sqop/passphrase", "with a passphrase", &["LOCKED", USER]).locked(),
    sqop("sqop/no-user", "no user ID", &[]).refused("has no user ID"),
    py("pysequoia/cv25519", "Ed25519 (EdDSA)"),
    py("pysequoia/p256", "ECDSA on NIST P-256"),
    py("pysequoia/p384", "ECDSA on NIST P-384"),
    py("pysequoia/p521", "ECDSA on NIST P-521"),
    py("pysequoia/rsa2k", "RSA 2048").stricter("is RSA with 2048 bits", RSA_2048),
    py("pysequoia/rsa3k", "RSA 3072"),
    py("pysequoia/cv448", "Ed448 (28) in version 4").refused("is Ed448 (algorithm 28)"),
    py("pysequoia/v6", "version 6, Ed25519").refused("is of OpenPGP version 6"),
    py("pysequoia/v6-mldsa65", "version 6, ML-DSA-65 with Ed25519").refused("is of OpenPGP version 6"),
    py("pysequoia/no-user", "no user ID").refused("has no user ID"),
    py("pysequoia/one-year", "expires in a year"),
    py("pysequoia/extended", "one day, extended to 400"),
    py("pysequoia/revoked", "revoked").refused("is revoked"),
    py("pysequoia/user-revoked", "its only user ID revoked").stricter(
        "no user ID that is not revoked, and OpenPGP.js takes no such key; add one with `gpg",
        "OpenPGP.js finds no user in it",
    ),
];
