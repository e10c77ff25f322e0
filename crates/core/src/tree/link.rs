//! Where symbolic links lead.
//!
//! That no link leads out of the unpacked build is decided by its text alone: leading `..` may climb
//! as far as the build directory, since no directory of the walk is behind a link, and after the
//! first name there may be none, since that name may itself be a link to a shallower place.

/// What happens to links that are absolute or lead out of the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkPolicy {
    /// The build is refused.
    Reject,
    /// They are delivered as they are, with a warning.
    Keep,
}

/// Returns why a link in a directory `depth` levels below the build directory could lead out of it.
pub fn leads_out(target: &[u8], depth: usize) -> Option<&'static str> {
    if target.starts_with(b"/") {
        return Some("is absolute");
    }
    let mut names = target.split(|&b| b == b'/').filter(|name| !name.is_empty() && *name != b".").peekable();
    let mut climbed = 0;
    while names.next_if_eq(&b"..".as_slice()).is_some() {
        climbed += 1;
    }
    if climbed > depth {
        return Some("leads out of the build");
    }
    names.any(|name| name == b"..").then_some("has \"..\" after a name, which may lead out of the build")
}
