//! The URL that says where a site is: `sftp://user@host:port/dir`, `sftp://user@host/~/dir`,
//! `ftps://user@host/dir`, `ftp://user@host/dir`, `tupkgs://user@host`, `tupkg://user@host`, `file:///dir`.
//!
//! A path is absolute; after `/~/` it is relative to the login directory. A tupkg server has none.
//! Percent-encoding is undone. A password has no place in a URL, because configuration files are shown and
//! copied; there are secrets for that.

use std::path::PathBuf;
use std::str::FromStr;

use crate::foreign;

/// A site's URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteUrl {
    /// An SFTP server.
    Sftp {
        /// The account.
        user: String,
        /// A host name or an address without brackets.
        host: String,
        /// The port; 22 if the URL names none.
        port: u16,
        /// Where the site's base is.
        base: BasePath,
    },
    /// An FTP server.
    Ftp {
        /// The account; a netrc file may name it instead.
        user: Option<String>,
        /// A host name or an address without brackets.
        host: String,
        /// The port, if the URL names one.
        port: Option<u16>,
        /// Where the site's base is.
        base: BasePath,
        /// Whether TLS protects it.
        is_secure: bool,
    },
    /// A tupkg server, where packages are handed in.
    Tupkg {
        /// The account; a netrc file may name it instead.
        user: Option<String>,
        /// A host name or an address without brackets.
        host: String,
        /// The port; 443 or 80 if the URL names none.
        port: u16,
        /// Whether TLS protects it.
        is_secure: bool,
    },
    /// A directory on this host.
    Directory(PathBuf),
}

/// The directory at a server below which everything is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BasePath {
    /// An absolute path.
    Absolute(String),
    /// A path relative to the directory that a login begins in; empty for that directory itself.
    Home(String),
}

/// Why a text is not the URL of a site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// There is no scheme, or one that no site has.
    #[error("site url {0} has no known scheme; use sftp://, ftps://, tupkgs:// or file://")]
    Scheme(String),
    /// There is a path where there are no directories.
    #[error("site url {0} has a path; a tupkg server has no directories, so end it behind the host")]
    NoPath(String),
    /// There is a password in it.
    #[error("site url {0} holds a password; remove it there and configure it as a secret")]
    Password(String),
    /// No account is named.
    #[error("site url {0} names no account; write sftp://user@host/dir")]
    User(String),
    /// The host is missing or malformed.
    #[error("site url {0} names no valid host; write sftp://user@host/dir")]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("site url {0} has an invalid port; use a number from 1 to 65535")]
    Port(String),
    /// The path is missing, not absolute, or holds what a path must not.
    #[error("site url {0} has an invalid path; write an absolute one, or /~/dir below the login directory")]
    Path(String),
    /// A percent sign is not followed by two hexadecimal digits, or the result is not UTF-8.
    #[error("site url {0} is wrongly percent-encoded; write a percent sign itself as %25")]
    Encoding(String),
    /// There is a query or a fragment.
    #[error("site url {0} has a query or a fragment; write ? as %3F and # as %23")]
    Tail(String),
}

impl FromStr for SiteUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let shown = || shown(text);
        let (scheme, rest) = text.split_once("://").ok_or_else(|| UrlError::Scheme(shown()))?;
        if rest.contains(['?', '#']) {
            return Err(UrlError::Tail(shown()));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        match scheme.to_ascii_lowercase().as_str() {
            "sftp" => {
                let Authority { user, host, port } = self::authority(text, authority)?;
                let user = user.ok_or_else(|| UrlError::User(shown()))?;
                Ok(Self::Sftp { user, host, port: port.unwrap_or(22), base: base(text, path)? })
            }
            scheme @ ("ftp" | "ftps") => {
                let Authority { user, host, port } = self::authority(text, authority)?;
                Ok(Self::Ftp { user, host, port, base: base(text, path)?, is_secure: scheme == "ftps" })
            }
            "file" if matches!(authority, "" | "localhost") => match base(text, path)? {
                BasePath::Absolute(dir) => Ok(Self::Directory(dir.into())),
                BasePath::Home(_) => Err(UrlError::Path(shown())),
            },
            "file" => Err(UrlError::Host(shown())),
            scheme @ ("tupkg" | "tupkgs") => {
                let Authority { user, host, port } = self::authority(text, authority)?;
                if !matches!(path, "" | "/") {
                    return Err(UrlError::NoPath(shown()));
                }
                let is_secure = scheme == "tupkgs";
                let port = port.unwrap_or(if is_secure { 443 } else { 80 });
                Ok(Self::Tupkg { user, host, port, is_secure })
            }
            _ => Err(UrlError::Scheme(shown())),
        }
    }
}

/// What stands between the scheme and the path.
struct Authority {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

fn authority(text: &str, authority: &str) -> Result<Authority, UrlError> {
    let (user, address) = match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => return Err(UrlError::Password(shown(text))),
        Some(("", _)) => return Err(UrlError::User(shown(text))),
        Some((user, address)) => (Some(decode(text, user)?), address),
        None => (None, authority),
    };
    if user.as_ref().is_some_and(|user| user.contains(foreign::is_unsafe)) {
        return Err(UrlError::User(shown(text)));
    }
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (literal(text, host)?, None),
        Some((host, tail)) => (literal(text, host)?, Some(tail.strip_prefix(':').unwrap_or("invalid"))),
        None => match address.split_once(':') {
            Some((host, port)) => (decode(text, host)?, Some(port)),
            None => (decode(text, address)?, None),
        },
    };
    let is_invalid = |c: char| c.is_whitespace() || foreign::is_unsafe(c) || "/[]@,*?!|".contains(c);
    if host.is_empty() || host.contains(is_invalid) || host.starts_with('-') {
        return Err(UrlError::Host(shown(text)));
    }
    let port = match port.map(str::parse) {
        None => None,
        Some(Ok(0) | Err(_)) => return Err(UrlError::Port(shown(text))),
        Some(Ok(port)) => Some(port),
    };
    Ok(Authority { user, host, port })
}

/// Reads the address between brackets. The zone of a link-local one stands behind a percent sign, which a URL
/// writes as `%25`; people write the sign itself as well.
fn literal(text: &str, host: &str) -> Result<String, UrlError> {
    match host.split_once('%') {
        Some((address, zone)) => {
            let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
            Ok(format!("{address}%{}", decode(text, zone)?))
        }
        None => Ok(host.to_owned()),
    }
}

/// Reads the path of a URL; slashes at its end and doubled ones mean nothing.
fn base(text: &str, path: &str) -> Result<BasePath, UrlError> {
    let decoded = decode(text, path)?;
    let names: Vec<_> = decoded.split('/').filter(|name| !name.is_empty()).collect();
    let is_wrong = |name: &&str| matches!(*name, "." | "..") || name.contains(foreign::is_unsafe);
    match names.as_slice() {
        _ if !decoded.starts_with('/') || names.iter().any(is_wrong) => Err(UrlError::Path(shown(text))),
        ["~", below @ ..] => Ok(BasePath::Home(below.join("/"))),
        _ => Ok(BasePath::Absolute(format!("/{}", names.join("/")))),
    }
}

fn decode(text: &str, part: &str) -> Result<String, UrlError> {
    let wrong = || UrlError::Encoding(shown(text));
    let mut pieces = part.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        bytes.push(u8::from_str_radix(digits.ok_or_else(wrong)?, 16).map_err(|_| wrong())?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// Returns the URL as it may be shown: without anything that stands between a colon and the last `@`.
fn shown(text: &str) -> String {
    let begin = text.find("://").map_or(0, |at| at + 3);
    match text[begin..].rfind('@') {
        Some(at) => match text[begin..begin + at].find(':') {
            Some(colon) => foreign::escape(format!("{}:***{}", &text[..begin + colon], &text[begin + at..])),
            None => foreign::escape(text),
        },
        None => foreign::escape(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sftp(user: &str, host: &str, port: u16, base: BasePath) -> SiteUrl {
        SiteUrl::Sftp { user: user.to_owned(), host: host.to_owned(), port, base }
    }

    fn ftp(user: Option<&str>, port: Option<u16>, base: BasePath, is_secure: bool) -> SiteUrl {
        SiteUrl::Ftp { user: user.map(str::to_owned), host: "h".into(), port, base, is_secure }
    }

    fn tupkg(user: Option<&str>, port: u16, is_secure: bool) -> SiteUrl {
        SiteUrl::Tupkg { user: user.map(str::to_owned), host: "h".into(), port, is_secure }
    }

    #[test]
    fn s0_46_urls_of_sites_are_taken_apart() {
        let absolute = |dir: &str| BasePath::Absolute(dir.to_owned());
        let home = |dir: &str| BasePath::Home(dir.to_owned());
        for (text, url) in [
            (
                "sftp://upload@intraware.example:2222/incoming",
                sftp("upload", "intraware.example", 2222, absolute("/incoming")),
            ),
            ("sftp://u@h/", sftp("u", "h", 22, absolute("/"))),
            ("sftp://u@h/~/in/box/", sftp("u", "h", 22, home("in/box"))),
            ("SFTP://u@h/~", sftp("u", "h", 22, home(""))),
            ("sftp://a%40b@[::1]:22/x%20y//z%25", sftp("a@b", "::1", 22, absolute("/x y/z%"))),
            ("file:///srv/site", SiteUrl::Directory("/srv/site".into())),
            ("ftps://u@h/in", ftp(Some("u"), None, absolute("/in"), true)),
            ("FTP://h:2121/~/in", ftp(None, Some(2121), home("in"), false)),
            ("tupkgs://u@h", tupkg(Some("u"), 443, true)),
            ("TUPKGS://u%40v@h:1034/", tupkg(Some("u@v"), 1034, true)),
            ("tupkg://h", tupkg(None, 80, false)),
        ] {
            assert_eq!(text.parse(), Ok(url), "{text}");
        }
    }

    #[test]
    fn f_23_the_zone_of_an_address_is_decoded() {
        for (written, host) in [
            ("fe80::1%25lo", "fe80::1%lo"),
            ("fe80::1%25eth%2D0", "fe80::1%eth-0"),
            ("fe80::1%lo", "fe80::1%lo"),
            ("fe80::1%2525", "fe80::1%25"),
            ("fe80::1%25", "fe80::1%25"),
        ] {
            let url: SiteUrl = format!("sftp://u@[{written}]:2222/in").parse().unwrap();
            let base = BasePath::Absolute("/in".to_owned());
            assert_eq!(url, sftp("u", host, 2222, base), "{written}");
        }
        assert!(matches!("sftp://u@[fe80::1%25%0a]/in".parse::<SiteUrl>(), Err(UrlError::Host(_))));
        assert!(matches!("sftp://u@[fe80::1%25%zz]/in".parse::<SiteUrl>(), Err(UrlError::Encoding(_))));
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        let said = |text: &str| text.parse::<SiteUrl>().expect_err(text);
        assert!(matches!(said("tupkg://h/x"), UrlError::NoPath(_)));
        assert!(matches!(said("tupkgs://u@h/~/"), UrlError::NoPath(_)));
        assert!(matches!(said("/srv/site"), UrlError::Scheme(_)));
        assert!(matches!(said("sftp://u@/x"), UrlError::Host(_)));
        assert!(matches!(said("sftp://u@-oProxy/x"), UrlError::Host(_)));
        for text in ["sftp://h/x", "ftps://@h/x", "ftp://u%0d%0aDELE@h/x"] {
            assert!(matches!(said(text), UrlError::User(_)), "{text}");
        }
        assert!(matches!(said("file://h/x"), UrlError::Host(_)));
        for port in ["0", "65536", "", "x", "-1"] {
            assert!(matches!(said(&format!("sftp://u@h:{port}/x")), UrlError::Port(_)), "{port}");
        }
        for path in ["", "/a/../b", "/a/%2e%2e/b", "/a%0Ab", "/a%00"] {
            assert!(matches!(said(&format!("sftp://u@h{path}")), UrlError::Path(_)), "{path}");
        }
        assert!(matches!(said("sftp://u@h/%f"), UrlError::Encoding(_)));
        assert!(matches!(said("sftp://u@h/%ff"), UrlError::Encoding(_)));
        assert!(matches!(said("sftp://u@h/a?b"), UrlError::Tail(_)));
        assert!(matches!(said("file:///~/x"), UrlError::Path(_)));
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        for text in ["sftp://u:hunter2@h/x", "sftp://u:hunter2@h:0/x", "sftp://u:hunter2@h/x?y"] {
            let said = text.parse::<SiteUrl>().expect_err(text).to_string();
            assert!(!said.contains("hunter2"), "{said}");
        }
        assert!(matches!("sftp://u:p@h/x".parse::<SiteUrl>(), Err(UrlError::Password(_))));
    }
}
