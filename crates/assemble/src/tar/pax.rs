//! Headers of POSIX's extension: `length key=value` lines.

use intraware_core::foreign;

use crate::refused::Refused;

/// What such a header says that matters here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// The length of a file with holes, whose content begins with a map of them.
    pub(super) real_size: Option<u64>,
}

/// Reads a header that belongs to the next entry.
///
/// A key that is not known is passed over, as POSIX asks of readers, unless it could change the path, the
/// target or the content of the entry.
pub(super) fn read(content: &[u8]) -> Result<Pax, Refused> {
    let mut pax = Pax::default();
    let (mut sparse_path, mut version) = (None, (None, None));
    let mut seen: Vec<&[u8]> = Vec::new();
    each(content, |key, value| {
        if seen.contains(&key) {
            return Err(Refused(format!("a pax header has the key {} twice", foreign::escape(key))));
        }
        seen.push(key);
        match key {
            b"path" => pax.path = Some(named(value)?),
            b"linkpath" => pax.target = Some(named(value)?),
            b"size" => pax.size = Some(size(value)?),
            b"hdrcharset" => charset(value)?,
            b"GNU.sparse.major" => version.0 = Some(value),
            b"GNU.sparse.minor" => version.1 = Some(value),
            b"GNU.sparse.name" => sparse_path = Some(named(value)?),
            b"GNU.sparse.realsize" => pax.real_size = Some(size(value)?),
            key if key.starts_with(b"GNU.sparse.") => return Err(OLD_SPARSE.into()),
            _ => {}
        }
        Ok(())
    })?;
    match (version, sparse_path, pax.real_size) {
        ((None, None), None, None) => {}
        // The path in the header is then one that was made up.
        ((Some(b"1"), Some(b"0")), Some(path), Some(_)) => pax.path = Some(path),
        _ => return Err(OLD_SPARSE.into()),
    }
    Ok(pax)
}

/// What is said of forms of files with holes that are not read.
const OLD_SPARSE: &str = "a file with holes is in a form that is not read; make the fragment with \
                          `tar --sparse-version=1.0`, or without `-S`";

/// Checks a header that would hold for all entries: it may say nothing of their paths, targets and contents.
pub(super) fn check_global(content: &[u8]) -> Result<(), Refused> {
    each(content, |key, value| match key {
        b"hdrcharset" => charset(value),
        b"path" | b"linkpath" | b"size" => Err(Refused(format!(
            "a pax header gives {} for the whole archive, which is not accepted",
            foreign::escape(key)
        ))),
        key if key.starts_with(b"GNU.sparse.") => Err(OLD_SPARSE.into()),
        _ => Ok(()),
    })
}

/// Takes the two ways in which a header says how its names are written: as they are, or as UTF-8. Whether
/// they are UTF-8 is looked at in any case.
fn charset(value: &[u8]) -> Result<(), Refused> {
    match value {
        b"BINARY" | b"ISO-IR 10646 2000 UTF-8" => Ok(()),
        _ => Err(Refused(format!(
            "a pax header has names in the character set {}; only UTF-8 is read",
            foreign::escape(value)
        ))),
    }
}

fn each<'c>(
    mut content: &'c [u8],
    mut take: impl FnMut(&'c [u8], &'c [u8]) -> Result<(), Refused>,
) -> Result<(), Refused> {
    const MALFORMED: &str = "a pax header is malformed";
    while !content.is_empty() {
        let space = content.iter().take(8).position(|byte| *byte == b' ').ok_or(Refused::from(MALFORMED))?;
        let length = decimal(&content[..space]).and_then(|length| usize::try_from(length).ok());
        let length = length.filter(|length| *length > space + 1).ok_or(Refused::from(MALFORMED))?;
        let line = content.get(space + 1..length).ok_or(Refused::from(MALFORMED))?;
        let line = line.strip_suffix(b"\n").ok_or(Refused::from(MALFORMED))?;
        let equals = line.iter().position(|byte| *byte == b'=').ok_or(Refused::from(MALFORMED))?;
        let (key, value) = (&line[..equals], &line[equals + 1..]);
        if key.is_empty() || key.iter().any(|byte| byte.is_ascii_control()) {
            return Err("a pax header has a key that is empty or has control characters".into());
        }
        take(key, value)?;
        content = &content[length..];
    }
    Ok(())
}

fn named(value: &[u8]) -> Result<Vec<u8>, Refused> {
    if value.is_empty() || value.contains(&0) {
        return Err("a pax header has a path that is empty or has a NUL".into());
    }
    Ok(value.to_vec())
}

fn size(value: &[u8]) -> Result<u64, Refused> {
    decimal(value).ok_or("a pax header's size is not a number".into())
}

pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten().filter(|number| *number < 1 << 62)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_well_formed_and_known_is_read() {
        let pax = read(b"12 path=a/b\n10 size=5\n21 mtime=1.25 and so\n").unwrap();
        assert_eq!(pax, Pax { path: Some(b"a/b".to_vec()), size: Some(5), ..Pax::default() });
        for wrong in [
            &b"12 path=a/b"[..],
            b"13 path=a/b\n",
            b"11 path=a/b\n",
            b"0 \n",
            b"99999999999999999999 path=a\n",
            b" path=a\n",
            b"8 path=\n",
            b"11 path=a\0\n",
            b"12 pa\nth=a\n",
            b"12 path=a/b\n12 path=a/c\n",
            b"11 size=-5\n",
            b"22 GNU.sparse.major=1\n",
            b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n21 GNU.sparse.name=a\n",
            b"21 GNU.sparse.size=1\n",
            b"28 hdrcharset=ISO-IR 8859 1\n",
        ] {
            assert!(read(wrong).is_err(), "{}", foreign::escape(wrong));
        }
        assert!(check_global(b"13 comment=x\n").is_ok() && check_global(b"10 path=x\n").is_err());
    }

    #[test]
    fn r_7_r_11_what_changes_nothing_of_an_entry_is_passed_over() {
        for right in [
            &b"21 hdrcharset=BINARY\n"[..],
            b"38 hdrcharset=ISO-IR 10646 2000 UTF-8\n",
            b"33 RHT.security.selinux=u:r:t:s0\n",
            b"20 VENDOR.thing=yes\n",
            b"21 SUN.devmajor=0000\n",
        ] {
            assert_eq!(read(right), Ok(Pax::default()), "{}", foreign::escape(right));
            assert_eq!(check_global(right), Ok(()), "{}", foreign::escape(right));
        }
        assert_eq!(check_global(b"20 mtime=1700000000\n"), Ok(()));
        let sparse =
            b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n21 GNU.sparse.name=d\n25 GNU.sparse.realsize=9\n";
        let pax = read(sparse).unwrap();
        assert_eq!(pax, Pax { path: Some(b"d".to_vec()), real_size: Some(9), ..Pax::default() });
    }
}
