//! The form of the messages. Pure: bytes in, values out.
//!
//! A message is its length in two bytes, the more significant one first, and so many bytes ([`frame`]). All
//! but the last are fields, `name=value` joined by `&`, form-urlencoded ([`form`]):
//!
//! ```text
//! c: username=bfinch@example.net&password=B0b
//! s: result=PASS                                   or result=FAIL
//! c: numpkgs=2&name1=a.pkg.tar.gz&size1=123&md5sum1=<32 digits>&name2=…&size2=…&md5sum2=…
//! s: numpkgs=2&name1=a.pkg.tar.gz&size1=119&name2=…&size2=0
//! c: the last four bytes of the first package and all of the second one, without any frame
//! s: np=2&m1=PASS&m2=FAIL
//! c: ack
//! ```
//!
//! **Two dialects.** So says the protocol's description ([`Dialect::Readme`]). The programs of 2004 to 2009
//! counted from 0 and ended with `numpkgs=2&md5sum0=PASS&md5sum1=FAIL` ([`Dialect::Y2004`]). An announcement
//! shows which it is: an announcement of n packages has exactly the fields of its packages, so it has `name0`
//! in one dialect and cannot have it in the other; one with both, or neither, is refused. The server answers
//! in the dialect of the announcement. A client is told which one its server speaks.
//!
//! **Two additions**, neither of which a peer that does not know them ever sees. Ends that know SHA-256 agree
//! on it while TLS is set up, by the application protocol [`ALPN_SHA256`]; then each package has a field
//! `sha256sum` as well, and the last answer has `s1=PASS` besides `m1`. And a server that refuses an
//! announcement, for which the description has no words, says `result=FAIL&reason=WORD`, with `package=N` if
//! it is about one package.

pub mod form;
pub mod frame;
mod message;

pub use message::{
    Announced, Announcement, Dialect, Held, Login, LoginAnswer, MessageError, Reason, Refusal, Verdict,
    Verdicts,
};

/// What a client sends when it has read the verdicts.
pub const ACK: &[u8] = b"ack";

/// Names, to TLS, the protocol with SHA-256.
pub const ALPN_SHA256: &[u8] = b"tupkg-sha256";
/// Names, to TLS, the protocol as described.
pub const ALPN: &[u8] = b"tupkg";
