//! Headers of POSIX's extension: `length key=value` lines.

use intraware_core::foreign;

use crate::refused::Refused;

/// What such a header says that matters here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
}

/// Reads a header that belongs to the next entry.
pub(super) fn read(content: &[u8]) -> Result<Pax, Refused> {
    let mut pax = Pax::default();
    let mut seen: Vec<&[u8]> = Vec::new();
    each(content, |key, value| {
        if seen.contains(&key) {
            return Err(Refused(format!("a pax header has the key {} twice", foreign::escape(key))));
        }
        seen.push(key);
        match key {
            b"path" => pax.path = Some(named(value)?),
            b"linkpath" => pax.target = Some(named(value)?),
            b"size" => {
                pax.size = Some(decimal(value).ok_or(Refused::from("a pax header's size is not a number"))?)
            }
            b"mtime" | b"atime" | b"ctime" | b"uid" | b"gid" | b"uname" | b"gname" | b"comment" => {}
            // What these mean is not unpacked here, and they change nothing of what is.
            key if key.starts_with(b"SCHILY.") || key.starts_with(b"LIBARCHIVE.") => {}
            key => {
                return Err(Refused(format!(
                    "a pax header has the key {}, which is not accepted",
                    foreign::escape(key)
                )));
            }
        }
        Ok(())
    })?;
    Ok(pax)
}

/// Checks a header that would hold for all entries: it may only be a remark.
pub(super) fn check_global(content: &[u8]) -> Result<(), Refused> {
    each(content, |key, _| match key {
        b"comment" => Ok(()),
        _ => Err("a pax header for the whole archive is not accepted".into()),
    })
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

fn decimal(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten().filter(|number| *number < 1 << 62)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_well_formed_and_known_is_read() {
        let pax = read(b"12 path=a/b\n10 size=5\n21 mtime=1.25 and so\n").unwrap();
        assert_eq!(pax, Pax { path: Some(b"a/b".to_vec()), target: None, size: Some(5) });
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
            b"12 hdrcharset=BINARY\n",
        ] {
            assert!(read(wrong).is_err(), "{}", foreign::escape(wrong));
        }
        assert!(check_global(b"13 comment=x\n").is_ok() && check_global(b"10 path=x\n").is_err());
    }
}
