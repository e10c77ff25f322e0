//! Versions of Debian packages, and which of two is the later one: `[EPOCH:]UPSTREAM[-REVISION]`.
//!
//! The order is that of the Debian policy manual, 5.6.12. Upstream versions and revisions are compared piece
//! by piece, text and number in turn. In a text, `~` comes before everything, even before the end; letters
//! come before all others.

use std::cmp::Ordering;

/// A version, as it is written, that is known to be one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Version(String);

impl Version {
    /// Takes a text that is a version; `None` for others.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (epoch, upstream, revision) = parts(text);
        let is_epoch = epoch.parse::<i32>().is_ok_and(|epoch| epoch >= 0) && !epoch.starts_with('+');
        let of = |part: &str, more: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let begins = upstream.starts_with(|c: char| c.is_ascii_digit());
        let is_version =
            is_epoch && begins && of(upstream, ".+~-:") && revision.is_none_or(|part| of(part, ".+~"));
        is_version.then(|| Self(text.to_owned()))
    }

    /// Returns it as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns it as it stands in names of files: without the epoch.
    pub(crate) fn in_file_names(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(_, rest)| rest)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let (ours, theirs) = (parts(&self.0), parts(&other.0));
        let epoch = |parts: (&str, _, _)| parts.0.parse::<i32>().unwrap_or_default();
        epoch(ours)
            .cmp(&epoch(theirs))
            .then_with(|| compare(ours.1, theirs.1))
            .then_with(|| compare(ours.2.unwrap_or_default(), theirs.2.unwrap_or_default()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Returns epoch, upstream version and revision.
fn parts(text: &str) -> (&str, &str, Option<&str>) {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    match rest.rsplit_once('-') {
        Some((upstream, revision)) => (epoch, upstream, Some(revision)),
        None => (epoch, rest, None),
    }
}

fn compare(mut ours: &str, mut theirs: &str) -> Ordering {
    while !ours.is_empty() || !theirs.is_empty() {
        let (our_text, their_text) = (take(&mut ours, false), take(&mut theirs, false));
        let (our_number, their_number) = (take(&mut ours, true), take(&mut theirs, true));
        let order = texts(our_text, their_text).then_with(|| numbers(our_number, their_number));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Takes what the text begins with: digits, or what are none.
fn take<'t>(text: &mut &'t str, digits: bool) -> &'t str {
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    let (piece, rest) = text.split_at(end);
    *text = rest;
    piece
}

fn texts(ours: &str, theirs: &str) -> Ordering {
    // The end stands behind `~` and before all others.
    let weigh = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let (ours, theirs) = (ours.as_bytes(), theirs.as_bytes());
    (0..ours.len().max(theirs.len()))
        .map(|i| weigh(ours.get(i)).cmp(&weigh(theirs.get(i))))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Numbers may be longer than any type of ours.
fn numbers(ours: &str, theirs: &str) -> Ordering {
    let (ours, theirs) = (ours.trim_start_matches('0'), theirs.trim_start_matches('0'));
    ours.len().cmp(&theirs.len()).then_with(|| ours.cmp(theirs))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap_or_else(|| panic!("{text} is no version"))
    }

    #[test]
    fn s1_08_versions_are_ordered_as_dpkg_orders_them() {
        let all = [
            "0",
            "0-0",
            "1.0",
            "1.0-0",
            "1.0-1",
            "1.0-1~bpo1",
            "1.0-1+b1",
            "1.0~rc1",
            "1.0~~",
            "1.0a",
            "1.0+",
            "1.0.1",
            "1.00",
            "1:0.1",
            "2:0",
            "1.10",
            "1.9",
            "1.9-1-1",
            "1.0-a",
            "1.0-1.1",
            "99999999999999999999999",
            "99999999999999999999998",
            "1.0a1",
            "1.0~a",
            "1.0+dfsg-1",
            "1.0-1ubuntu2",
        ];
        // All pairs in one shell: a process each would take long.
        let mut script = String::new();
        for (ours, theirs) in all.iter().flat_map(|ours| all.iter().map(move |theirs| (ours, theirs))) {
            script.push_str(&format!(
                "if dpkg --compare-versions {ours} lt {theirs}; then echo lt; \
                 elif dpkg --compare-versions {ours} gt {theirs}; then echo gt; else echo eq; fi\n"
            ));
        }
        let output = Command::new("sh").arg("-c").arg(script).output().expect("dpkg");
        let told = String::from_utf8(output.stdout).expect("text");
        let mut told = told.lines();
        for (ours, theirs) in all.iter().flat_map(|ours| all.iter().map(move |theirs| (ours, theirs))) {
            let expected = match version(ours).cmp(&version(theirs)) {
                Ordering::Less => "lt",
                Ordering::Equal => "eq",
                Ordering::Greater => "gt",
            };
            assert_eq!(told.next(), Some(expected), "{ours} {theirs}");
        }
    }

    #[test]
    fn s1_08_what_is_no_version_is_not_taken_for_one() {
        for text in ["", "a", "1.0_1", "1/2", "..", "1.0 ", "-1", ":1", "x:1", "-1:1", "1.0-", "1.0-1_", "ä"]
        {
            assert_eq!(Version::parse(text), None, "{text}");
        }
        assert_eq!(version("2:1.0-1").in_file_names(), "1.0-1");
    }
}
