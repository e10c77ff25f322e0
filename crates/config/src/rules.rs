//! What a single value must look like. Each rule takes a text and returns what it means, or what is
//! allowed instead.

use intraware_core::activity::{self, Expected, PingUrl};
use intraware_core::digest::Sha256Hex;
use intraware_core::site::{SiteUrl, UrlError};
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

/// A checked value, or the sentence "must be …" that names what is allowed.
pub(super) type Rule<T> = fn(&str) -> Result<T, &'static str>;

/// Takes an API name of Salesforce: `^[A-Za-z][A-Za-z0-9_]*(__c|__r)?$`.
///
/// Names are the one thing of a query that cannot be quoted, so they hold nothing else.
pub(super) fn identifier(text: &str) -> Result<String, &'static str> {
    let mut bytes = text.bytes();
    let begins = bytes.next().is_some_and(|b| b.is_ascii_alphabetic());
    if begins && text.len() <= 80 && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        Ok(text.to_owned())
    } else {
        Err("must be an API name: letters, digits and _, beginning with a letter, such as \"Build_Path__c\"")
    }
}

/// Takes an absolute path without `.`, `..` or an empty component.
pub(super) fn absolute(text: &str) -> Result<PathBuf, &'static str> {
    const ALLOWED: &str = "must be an absolute path without \".\" or \"..\", such as \"/etc/intraware\"";
    let path = Path::new(text);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let dotted = text.split('/').any(|part| part == ".");
    if path.is_absolute() && plain && !dotted { Ok(path.components().collect()) } else { Err(ALLOWED) }
}

/// Takes a version of Salesforce's interface that is not retired.
pub(super) fn api_version(text: &str) -> Result<String, &'static str> {
    let major = text.strip_suffix(".0").filter(|major| !major.starts_with('0') && major.len() <= 3);
    match major.map(str::parse::<u16>) {
        Some(Ok(31..)) if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') => Ok(text.to_owned()),
        _ => Err("must be a version from \"31.0\" on, such as \"66.0\""),
    }
}

/// Takes the origin of a server: https, or http on this host; no path, no user.
pub(super) fn server(text: &str) -> Result<String, &'static str> {
    const ALLOWED: &str = "must be https://HOST, or http://HOST for a loopback address, without a path";
    let (scheme, rest) = text.split_once("://").ok_or(ALLOWED)?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = split_port(authority).ok_or(ALLOWED)?;
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(ALLOWED);
    }
    match scheme {
        "https" => {}
        "http" if is_loopback(host) => {}
        _ => return Err(ALLOWED),
    }
    Ok(format!("{scheme}://{authority}"))
}

/// Returns the host, with the brackets of an IPv6 address, and the port.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(end) = authority.strip_prefix('[').and_then(|rest| rest.find(']')) {
        let (host, after) = authority.split_at(end + 2);
        host[1..=end].parse::<IpAddr>().ok()?;
        return if after.is_empty() {
            Some((host, None))
        } else {
            Some((host, Some(after.strip_prefix(':')?)))
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    (is_name && !host.is_empty() && !host.starts_with(['.', '-'])).then_some((host, port))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Returns whether `server` is one of Salesforce's shared login servers.
pub(super) fn is_shared_login(server: &str) -> bool {
    matches!(server, "https://login.salesforce.com" | "https://test.salesforce.com")
}

/// Takes the base of a site.
pub(super) fn site_url(text: &str) -> Result<SiteUrl, &'static str> {
    match text.parse() {
        Ok(url) => Ok(url),
        Err(UrlError::Password(_)) => {
            Err("must not hold a password; set password = { file = \"…\" } in [[site]]")
        }
        Err(UrlError::NoPath(_)) => {
            Err("must end behind the host, tupkgs://USER@HOST:PORT, since a tupkg server has no directories")
        }
        Err(_) => Err(
            "must be sftp://USER@HOST:PORT/PATH, the same with ftps:// or ftp://, tupkgs://USER@HOST:PORT, or file:///PATH",
        ),
    }
}

/// Takes the SHA-256 of a certificate, as `openssl x509 -noout -fingerprint -sha256` prints it or without
/// colons.
pub(super) fn sha256(text: &str) -> Result<Sha256Hex, &'static str> {
    text.replace(':', "")
        .parse()
        .map_err(|_| "must be a SHA-256: 64 hexadecimal digits, with colons or without")
}

/// Takes the mode of a delivered file: its owner reads and writes it, others at most read it.
pub(super) fn file_mode(text: &str) -> Result<u32, &'static str> {
    let octal = matches!(text.len(), 3 | 4) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if octal && mode & 0o600 == 0o600 && mode & !0o664 == 0 => Ok(mode),
        _ => Err("must be the octal mode of a file its owner reads and writes, such as \"0644\" or \"0640\""),
    }
}

/// Takes a word of a record's field.
pub(super) fn word(text: &str) -> Result<String, &'static str> {
    if !text.is_empty() && text.trim() == text && text.chars().count() <= 255 {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 255 characters that neither begin nor end with a space")
    }
}

/// Takes a pattern of paths in a package.
pub(super) fn pattern(text: &str) -> Result<String, &'static str> {
    let is_path = text.split('/').all(|name| !matches!(name, "" | "." | ".."));
    if is_path && text.len() <= 4095 && !text.chars().any(intraware_core::foreign::is_unsafe) {
        Ok(text.to_owned())
    } else {
        Err("must be a path below the package, without empty, \".\" and \"..\" names")
    }
}

/// Takes who wins what may differ: `first`, `last`, or a machine's name.
pub(super) fn winner(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if plain && !text.is_empty() && !text.starts_with('.') && text.len() <= 128 {
        Ok(text.to_owned())
    } else {
        Err("must be \"first\", \"last\" or the name of a machine")
    }
}

/// Takes the name of an architecture of Debian's that packages are built for.
pub(super) fn architecture(text: &str) -> Result<String, &'static str> {
    let is_name = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    match text {
        "" | "all" | "source" | "any" => None,
        name => is_name.then(|| name.to_owned()),
    }
    .ok_or("must be an architecture such as \"amd64\"; packages for all and sources are always there")
}

/// Takes a name that can be that of a file and of a suite: letters, digits and `._+-`, not beginning with `.`
/// or `-`.
pub(super) fn plain_name(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-'));
    if plain && !text.is_empty() && !text.starts_with(['.', '-']) && text.len() <= 128 {
        Ok(text.to_owned())
    } else {
        Err("must be letters, digits and . _ + -, beginning with a letter or a digit")
    }
}

/// Takes any text, as an environment variable holds it.
pub(super) fn any_text(text: &str) -> Result<String, &'static str> {
    if text.len() <= 4095 && !text.chars().any(intraware_core::foreign::is_unsafe) {
        Ok(text.to_owned())
    } else {
        Err("must be a text of one line")
    }
}

/// Takes the name of a run that is expected, with its host or without.
pub(super) fn expected_run(text: &str) -> Result<String, &'static str> {
    match Expected::parse(text, "1h") {
        Some(_) => Ok(text.to_owned()),
        None => Err(
            "must be `manage run`, `upload run`, `manage publish`, `manage assemble` or `upload dispatch`, and may be \
             followed by on HOST",
        ),
    }
}

/// Takes a time within which something is expected.
pub(super) fn interval(text: &str) -> Result<String, &'static str> {
    match activity::interval(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("must be a time such as \"20 min\", \"2h\" or \"1 day\", at most a year"),
    }
}

/// Takes the file for node_exporter, which reads those that end so.
pub(super) fn textfile(text: &str) -> Result<PathBuf, &'static str> {
    let path = absolute(text).ok().filter(|path| path.extension().is_some_and(|end| end == "prom"));
    path.ok_or("must be an absolute path that ends in .prom")
}

/// Takes the address of a directory that others read.
pub(super) fn web_address(text: &str) -> Result<String, &'static str> {
    // The same as such an address, but for what stands for something else.
    let is_one = PingUrl::parse(text).is_some() && !text.contains('{');
    let address = is_one.then(|| text.trim_end_matches('/').to_owned());
    address.ok_or("must be https://HOST/PATH, or http://, without a user, ? and #")
}

/// Takes the address of a service that watches runs.
pub(super) fn ping_url(text: &str) -> Result<PingUrl, &'static str> {
    PingUrl::parse(text).ok_or(
        "must be https://HOST/PATH, or http://, without a user, ? and #; {run} and {host} stand for the run's",
    )
}

/// Takes the name of an environment variable.
pub(super) fn variable(text: &str) -> Result<String, &'static str> {
    let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if begins && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        Ok(text.to_owned())
    } else {
        Err("must be the name of an environment variable: letters, digits and _")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts<T>(rule: Rule<T>, texts: &[&str]) {
        for text in texts {
            assert!(rule(text).is_ok(), "{text:?} was refused");
        }
    }

    fn refuses<T>(rule: Rule<T>, texts: &[&str]) {
        for text in texts {
            assert!(rule(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn s0_50_names_in_a_query_cannot_carry_anything_else() {
        accepts(identifier, &["Name", "Build_Path__c", "ns__Field__c", "Owner__r", "a1"]);
        refuses(identifier, &["", "1a", "_a", "a b", "a.b", "a'", "a)", "é", "a\n", "Name FROM User"]);
        refuses(identifier, &[&"a".repeat(81)]);
    }

    #[test]
    fn paths_are_absolute_and_plain() {
        accepts(absolute, &["/", "/a/b", "/a/b/", "/a//b", "/a/..b"]);
        refuses(absolute, &["", "a", "./a", "/a/../b", "/a/./b", "/..", "~/a"]);
        assert_eq!(absolute("/a//b/"), Ok(PathBuf::from("/a/b")));
    }

    #[test]
    fn api_versions_look_like_66_0() {
        accepts(api_version, &["31.0", "66.0", "100.0"]);
        refuses(api_version, &["66", "66.1", "v66.0", "30.0", "066.0", "+66.0", "", ".0", "66.0.0"]);
    }

    #[test]
    fn a_login_server_is_https_unless_it_is_this_host() {
        accepts(
            server,
            &["https://login.salesforce.com", "https://x.my.salesforce.com:443/", "https://[::1]:9"],
        );
        accepts(server, &["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]", "http://127.9.9.9"]);
        refuses(server, &["http://login.salesforce.com", "http://localhost.example", "http://10.0.0.1"]);
        refuses(
            server,
            &["https://u:p@host", "https://host/path", "https://host?x", "ftp://host", "host", ""],
        );
        refuses(
            server,
            &["https://", "https://host:", "https://host:99999", "http://127.0.0.1.example", "https://[::1"],
        );
        assert_eq!(server("https://h/"), Ok("https://h".into()));
    }

    #[test]
    fn a_site_url_names_a_scheme_and_a_path_and_no_password() {
        accepts(
            site_url,
            &[
                "sftp://u@h:22/in",
                "sftp://u@h/~/in",
                "file:///tmp/site",
                "ftps://h/in",
                "ftp://u@h/",
                "tupkgs://u@h",
                "tupkg://h:1034/",
            ],
        );
        refuses(
            site_url,
            &[
                "sftp://u@h",
                "sftp://h/in",
                "sftp:///in",
                "file://host/in",
                "ftp:///in",
                "tupkg://u@h/in",
                "tupkgs:///",
                "/in",
                "",
                "file:/x",
            ],
        );
        assert!(site_url("sftp://u:pw@h/in").unwrap_err().contains("password"));
    }

    #[test]
    fn fingerprints_are_taken_as_openssl_prints_them() {
        let colons = ["AB"; 32].join(":");
        accepts(sha256, &[&colons, &"0f".repeat(32)]);
        refuses(sha256, &["", "AB", &colons[..94], &format!("{colons}:AB"), &"0g".repeat(32)]);
    }

    #[test]
    fn delivered_files_are_never_executable_or_writable_by_all() {
        accepts(file_mode, &["0644", "640", "0600", "0664"]);
        refuses(file_mode, &["0666", "0755", "4644", "0044", "644 ", "+644", "0o644", "", "0"]);
    }
}
