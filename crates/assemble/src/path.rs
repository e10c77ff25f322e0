//! Which paths and link targets a fragment may hold.
//!
//! The same rules hold in archives and in lists. A path is below the package, names nothing twice, and can be
//! written in UTF-8 on one line of a terminal: a list could not hold another.

use intraware_core::foreign;

/// Longest path and longest name in one, in bytes, as Linux has them.
const MAX_PATH: usize = 4095;
const MAX_NAME: usize = 255;

/// Returns a path as it is used: without `./` before it and `/` behind it. Empty for the package itself.
pub(crate) fn clean(raw: &[u8]) -> Result<&str, &'static str> {
    if raw.len() > MAX_PATH {
        return Err("the path is longer than 4095 bytes");
    }
    let path = std::str::from_utf8(raw).map_err(|_| "the path is not UTF-8")?;
    if path.is_empty() {
        return Err("the path is empty");
    }
    if path.starts_with('/') {
        return Err("the path is absolute");
    }
    if has_unsafe(path) {
        return Err("the path has control characters");
    }
    let mut path = path.strip_suffix('/').unwrap_or(path);
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    if matches!(path, "" | ".") {
        return Ok("");
    }
    for name in path.split('/') {
        match name {
            "" => return Err("the path has an empty name"),
            "." => return Err("the path has the name \".\""),
            ".." => return Err("the path has the name \"..\""),
            name if name.len() > MAX_NAME => return Err("the path has a name longer than 255 bytes"),
            _ => {}
        }
    }
    Ok(path)
}

/// Returns the target of the link at `path`, or why it may not be there.
pub(crate) fn target<'t>(raw: &'t [u8], path: &str) -> Result<&'t str, &'static str> {
    let target = std::str::from_utf8(raw).map_err(|_| "the link's target is not UTF-8")?;
    if target.is_empty() || target.len() > MAX_PATH {
        return Err("the link's target is empty or longer than 4095 bytes");
    }
    if has_unsafe(target) {
        return Err("the link's target has control characters");
    }
    match intraware_core::tree::leads_out(raw, path.matches('/').count()) {
        Some("is absolute") => Err("the link's target is absolute"),
        Some(_) => {
            Err("the link leads out of the package, or may: \"..\" is allowed at the target's beginning only")
        }
        None => Ok(target),
    }
}

/// Returns whether a text has what no list may have. Nearly all texts are plain, and are not looked at letter
/// by letter.
pub(crate) fn has_unsafe(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    !is_plain && text.chars().any(|c| foreign::is_unsafe(c) || is_no_xml(c))
}

/// XML 1.0 has no place for these, and they are no control characters.
fn is_no_xml(c: char) -> bool {
    matches!(c, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_the_package_are_taken_and_no_others() {
        for (raw, cleaned) in
            [("a", "a"), ("./a/b/", "a/b"), ("./", ""), (".", ""), ("././a", "a"), ("a..b/.c", "a..b/.c")]
        {
            assert_eq!(clean(raw.as_bytes()), Ok(cleaned), "{raw}");
        }
        let long = "x".repeat(256);
        let wrong = [
            "",
            "/",
            "/a",
            "..",
            "../a",
            "a/..",
            "a/../b",
            "a//b",
            "a/./b",
            "a\nb",
            "a\x1bb",
            "a\u{202e}",
            "a\u{ffff}",
        ];
        for raw in wrong.into_iter().chain([&*long, "a//", ".//a"]) {
            assert!(clean(raw.as_bytes()).is_err(), "{raw:?}");
        }
        assert!(clean(b"a\xff").is_err() && clean("a/".repeat(2048).as_bytes()).is_err());
    }

    #[test]
    fn links_stay_in_the_package() {
        for (link, to) in [("a", "b"), ("d/a", "../b"), ("d/e/a", "../../b/c"), ("a", "./b")] {
            assert_eq!(target(to.as_bytes(), link), Ok(to));
        }
        for (link, to) in [
            ("a", "/etc/passwd"),
            ("a", "../b"),
            ("d/a", "../../b"),
            ("a", "b/../../c"),
            ("a", ""),
            ("a", "b\n"),
        ] {
            assert!(target(to.as_bytes(), link).is_err(), "{link} {to}");
        }
    }
}
