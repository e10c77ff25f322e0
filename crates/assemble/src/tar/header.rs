//! One header block.

use crate::refused::Refused;

use super::BLOCK;
use super::number::number;
use super::sparse::{self, Map};

/// What a header says.
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) path: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) mode: u32,
    pub(super) size: u64,
    /// Where what is stored of a file with holes belongs, in GNU's own form, and whether more of that
    /// follows.
    pub(super) sparse: Option<(Map, bool)>,
    /// Whether it is in the format from before POSIX.
    pub(super) is_old: bool,
}

/// The kinds that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Link,
    HardLink,
    Pax,
    GlobalPax,
    LongPath,
    LongTarget,
}

impl Header {
    pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Self, Refused> {
        let path = text(&block[..100]);
        let shown = intraware_core::foreign::escape(&path);
        let wrong = |why: String| Refused(format!("the header of {shown}: {why}"));
        let number = |range, what: &str| {
            number(&block[range]).ok_or_else(|| wrong(format!("its {what} is not a plain number")))
        };
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        // Of itself it is the sum of eight spaces.
        let sum = sum(&block[..148]) + 8 * u64::from(b' ') + sum(&block[156..]);
        if number(148..156, "checksum")? != sum {
            return Err(wrong("its checksum is wrong".to_owned()));
        }
        let kind = match block[156] {
            b'0' | 0 | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Link,
            b'5' => Kind::Directory,
            b'x' => Kind::Pax,
            b'g' => Kind::GlobalPax,
            b'L' => Kind::LongPath,
            b'K' => Kind::LongTarget,
            other => return Err(wrong(refused_kind(other))),
        };
        let format = &block[257..265];
        let is_ustar = format == b"ustar\x0000";
        let is_old = format.iter().all(|byte| *byte == 0);
        let is_gnu = format == b"ustar  \0";
        if !is_ustar && !is_old && !is_gnu {
            return Err(wrong("its format is neither ustar, nor GNU, nor the old one".to_owned()));
        }
        let prefix = if is_ustar { text(&block[345..500]) } else { Vec::new() };
        let path = if prefix.is_empty() { path } else { [&prefix[..], b"/", &path].concat() };
        let mode = u32::try_from(number(100..108, "mode")?).unwrap_or(u32::MAX);
        if mode > 0o177_777 {
            return Err(wrong("its mode is no mode".to_owned()));
        }
        let sparse = match block[156] {
            b'S' if !is_gnu => return Err(wrong("it has holes in a form that is not known".to_owned())),
            b'S' => Some(sparse::of_header(block).map_err(|Refused(why)| wrong(why))?),
            _ => None,
        };
        Ok(Self {
            kind,
            path,
            target: text(&block[157..257]),
            mode: mode & 0o7777,
            size: number(124..136, "size")?,
            sparse,
            is_old,
        })
    }
}

fn refused_kind(flag: u8) -> String {
    let what = match flag {
        b'3' | b'4' => "it is a device",
        b'6' => "it is a named pipe",
        b'7' => "it is a contiguous file",
        b'V' => "it is the label of a volume, as `tar --label` makes it",
        b'M' | b'D' | b'N' => "it is part of a GNU archive of several volumes or an incremental one",
        _ => return format!("its type \"{}\" is not known", intraware_core::foreign::escape([flag])),
    };
    format!("{what}; only files, directories and links are accepted")
}

/// Returns a field up to its first NUL.
fn text(field: &[u8]) -> Vec<u8> {
    field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}
