//! The keys by which SSH servers are known: OpenSSH's `known_hosts` format, strictly.
//!
//! libssh2 reads these files too, but ignores `@revoked`, wildcards and negations and takes an entry for a
//! bare host name for every port, so that it may accept a key that `ssh` would refuse. Here a file means
//! what `sshd(8)` says it means, with one thing less: certificates (`@cert-authority`) are not used.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The keys of one server, as far as a file knows them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KnownKeys {
    trusted: Vec<Key>,
    revoked: Vec<Key>,
}

/// One key of a line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    line: usize,
    kind: String,
    blob: Vec<u8>,
}

/// What a file says about the key that a server offers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the server's.
    Trusted,
    /// The file holds other keys for the server: line and fingerprint of each.
    Changed(Vec<(usize, String)>),
    /// The file does not know the server.
    Unknown,
    /// The key is marked as revoked in this line.
    Revoked(usize),
}

impl KnownKeys {
    /// Reads what `text`, the content of a known_hosts file, says about `host` at `port`.
    ///
    /// As in `ssh`, an entry for the bare name counts for another port than 22 only if there is none for
    /// `[host]:port`. Lines that cannot be read are passed over, as `ssh` does: they trust nobody.
    pub(super) fn read(text: &str, host: &str, port: u16) -> Self {
        let host = host.to_ascii_lowercase();
        let exact = if port == 22 { host.clone() } else { format!("[{host}]:{port}") };
        let mut keys = Self::default();
        let mut bare = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let Some(entry) = Entry::parse(line) else { continue };
            let is_exact = names_match(entry.names, &exact);
            if !is_exact && !names_match(entry.names, &host) {
                continue;
            }
            let key = Key { line: index + 1, kind: entry.kind.to_owned(), blob: entry.blob };
            match entry.marker {
                None if is_exact => keys.trusted.push(key),
                None => bare.push(key),
                Some("@revoked") => keys.revoked.push(key),
                Some(_) => {}
            }
        }
        if keys.trusted.is_empty() {
            keys.trusted = bare;
        }
        keys
    }

    /// Returns the host key algorithms to ask for, those of known keys first, or `None` if no key is known.
    ///
    /// A server has several keys; it is to present the one that we can check. The other algorithms follow,
    /// so that a server without any known key can be told apart by its fingerprint.
    pub(super) fn algorithms(&self) -> Option<String> {
        let known = |algorithm: &&&str| self.trusted.iter().any(|key| key.kind == kind_of(algorithm));
        let (first, rest): (Vec<_>, Vec<_>) = ALGORITHMS.iter().partition(|algorithm| known(algorithm));
        let all: Vec<&str> = first.iter().chain(&rest).map(|&&algorithm| algorithm).collect();
        (!first.is_empty()).then(|| all.join(","))
    }

    /// Returns the keys that are trusted: line and fingerprint of each.
    pub(super) fn trusted(&self) -> Vec<(usize, String)> {
        self.trusted.iter().map(|key| (key.line, fingerprint(&key.blob))).collect()
    }

    /// Judges the key that a server has proven to hold.
    pub(super) fn judge(&self, blob: &[u8]) -> Verdict {
        if let Some(key) = self.revoked.iter().find(|key| key.blob == blob) {
            Verdict::Revoked(key.line)
        } else if self.trusted.is_empty() {
            Verdict::Unknown
        } else if self.trusted.iter().any(|key| key.blob == blob) {
            Verdict::Trusted
        } else {
            Verdict::Changed(self.trusted())
        }
    }
}

/// The host key algorithms that the SSH library can check, in the order of preference of OpenSSH.
const ALGORITHMS: [&str; 6] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
];

/// Returns the kind of key that an algorithm signs with.
fn kind_of(algorithm: &str) -> &str {
    if algorithm.starts_with("rsa-") { "ssh-rsa" } else { algorithm }
}

/// Returns the SHA-256 fingerprint of a public key, as `ssh-keygen -l` shows it.
pub(super) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

struct Entry<'a> {
    marker: Option<&'a str>,
    names: &'a str,
    kind: &'a str,
    blob: Vec<u8>,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().peekable();
        let marker = words.next_if(|word| word.starts_with('@'));
        let names = words.next().filter(|names| !names.starts_with('#'))?;
        let (kind, blob) = (words.next()?, STANDARD.decode(words.next()?).ok()?);
        Some(Self { marker, names, kind, blob })
    }
}

/// Returns whether `name` is meant by a line's first field: one hashed name, or patterns joined by commas.
fn names_match(field: &str, name: &str) -> bool {
    if let Some(hashed) = field.strip_prefix("|1|") {
        return hashed_match(hashed, name).unwrap_or(false);
    }
    let mut found = false;
    for pattern in field.split(',') {
        let pattern = pattern.to_ascii_lowercase();
        match pattern.strip_prefix('!') {
            Some(negated) if glob(negated.as_bytes(), name.as_bytes()) => return false,
            Some(_) => {}
            None => found |= glob(pattern.as_bytes(), name.as_bytes()),
        }
    }
    found
}

/// Matches `*` and `?`, keeping only the last star to go back to, so that a hostile pattern costs no more
/// than its length times the name's.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

fn hashed_match(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    Some(hmac_sha1(&salt, name.as_bytes())?.as_slice() == hash)
}

/// HMAC of RFC 2104 with SHA-1, by which OpenSSH hides host names; `None` for a key longer than a block,
/// which OpenSSH never writes.
fn hmac_sha1(key: &[u8], text: &[u8]) -> Option<[u8; 20]> {
    let mut block = [0; 64];
    block.get_mut(..key.len())?.copy_from_slice(key);
    let inner = Sha1::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(text).finalize();
    Some(Sha1::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3Nz";
    const B: &str = "ecdsa-sha2-nistp256 AAAAE2Vj";

    fn judge(text: &str, host: &str, port: u16, key: &str) -> Verdict {
        let blob = STANDARD.decode(key.split(' ').nth(1).unwrap()).unwrap();
        KnownKeys::read(text, host, port).judge(&blob)
    }

    #[test]
    fn a_key_is_trusted_for_the_host_and_port_of_its_line_only() {
        let text = format!("# comment\n\nsite.example {A}\n[site.example]:2222,10.0.0.1 {B} note\n");
        assert_eq!(judge(&text, "SITE.example", 22, A), Verdict::Trusted);
        assert!(matches!(judge(&text, "site.example", 22, B), Verdict::Changed(_)));
        assert_eq!(judge(&text, "site.example", 2222, B), Verdict::Trusted);
        assert!(matches!(judge(&text, "site.example", 2222, A), Verdict::Changed(_)));
        assert_eq!(judge(&text, "10.0.0.1", 22, B), Verdict::Trusted);
        assert_eq!(judge(&text, "other.example", 22, A), Verdict::Unknown);
        assert_eq!(judge(&text, "site.example", 23, A), Verdict::Trusted, "as ssh: no entry for that port");
    }

    #[test]
    fn patterns_and_negations_mean_what_they_mean_in_ssh() {
        let text = format!("*.example,!bad.example {A}");
        assert_eq!(judge(&text, "a.b.example", 22, A), Verdict::Trusted);
        assert_eq!(judge(&text, "bad.example", 22, A), Verdict::Unknown);
        assert_eq!(judge(&text, "example", 22, A), Verdict::Unknown);
        assert_eq!(judge(&format!("host? {A}"), "host1", 22, A), Verdict::Trusted);
    }

    #[test]
    fn a_revoked_key_is_never_trusted() {
        let text = format!("site {A}\n@revoked * {A}\n@cert-authority * {B}\n");
        assert_eq!(judge(&text, "site", 22, A), Verdict::Revoked(2));
        assert_eq!(judge(&text, "elsewhere", 22, B), Verdict::Unknown, "an authority's key is not a host's");
    }

    #[test]
    fn hashed_names_are_found() {
        // Test case 1 of RFC 2202, cut to the form of the file.
        let hash = hmac_sha1(&[0x0b; 20], b"Hi There").unwrap();
        assert_eq!(hash[..4], [0xb6, 0x17, 0x31, 0x86]);
        let field = format!("|1|{}|{}", STANDARD.encode([0x0b; 20]), STANDARD.encode(hash));
        assert!(names_match(&field, "Hi There"));
        assert!(!names_match(&field, "Hi there"));
        assert!(!names_match("|1|%|%", "x"));
    }

    #[test]
    fn known_kinds_of_keys_are_asked_for_first() {
        let keys = KnownKeys::read("h ssh-rsa AAAA\n", "h", 22);
        assert!(keys.algorithms().unwrap().starts_with("rsa-sha2-512,rsa-sha2-256,ssh-ed25519,"));
        assert_eq!(KnownKeys::read("", "h", 22).algorithms(), None);
    }
}
