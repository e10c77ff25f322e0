//! Reads tar archives of fragments: what is accepted is written down here, everything else is refused.
//!
//! Programs that read tar differ in what they make of odd archives, and what one skips another unpacks. This
//! reader has no such latitude. Accepted are regular files, with holes or without, directories, symbolic
//! links, and further names of files and links before them, in the formats of POSIX (ustar, pax) and GNU,
//! with right checksums, sizes that are plain numbers, two empty blocks at the end, and nothing but zeros
//! behind them. Keys of pax that are not known are passed over, as POSIX asks, but for those that would
//! change what is unpacked.
//!
//! [`Gzip`] is the stream below, with a limit on how much comes out of it.

mod gzip;
mod header;
mod number;
mod pax;
mod sparse;

use std::io::{self, Read};

pub use gzip::Gzip;
use header::{Header, Kind};
use pax::Pax;
use sparse::Map;

use crate::path;
use crate::refused::{Refused, Unread};

/// Size of a header, and what contents are padded to.
const BLOCK: usize = 512;

/// Largest pax header, and longest name of GNU's kind.
const MAX_EXTENSION: u64 = 64 << 10;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path, cleaned; empty for the package itself.
    pub path: String,
    /// Permission bits, special ones included.
    pub mode: u32,
    /// What it is.
    pub what: What,
}

/// What an entry of an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A directory.
    Directory,
    /// A file of so many bytes, which [`Entries::read`] gives.
    File(u64),
    /// A symbolic link.
    Link(String),
    /// A further name of the file or link at this path.
    HardLink(String),
}

/// The entries of an archive, in their order.
pub struct Entries<R> {
    from: R,
    /// What is left of the current file, and of the padding behind it.
    left: u64,
    padding: u64,
    /// Where what is stored of the current file belongs, if it has holes.
    holes: Option<Map>,
}

/// What stands before an entry and belongs to it.
#[derive(Default)]
struct Before {
    pax: Option<Pax>,
    long_path: Option<Vec<u8>>,
    long_target: Option<Vec<u8>>,
}

impl<R: Read> Entries<R> {
    /// Reads from an uncompressed stream.
    pub fn new(from: R) -> Self {
        Self { from, left: 0, padding: 0, holes: None }
    }

    /// Returns the next entry, or `None` when the archive has ended as it should. What has not been read of
    /// the last file is skipped.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Unread> {
        self.skip()?;
        let mut before = Before::default();
        loop {
            let Some(header) = self.header()? else {
                if before.pax.is_some() || before.long_path.is_some() || before.long_target.is_some() {
                    return Err(Refused::from("the archive ends behind the header of an extension").into());
                }
                self.end()?;
                return Ok(None);
            };
            match header.kind {
                Kind::Pax => put(&mut before.pax, pax::read(&self.extension(&header)?)?)?,
                Kind::GlobalPax => pax::check_global(&self.extension(&header)?)?,
                Kind::LongPath => put(&mut before.long_path, self.long(&header)?)?,
                Kind::LongTarget => put(&mut before.long_target, self.long(&header)?)?,
                Kind::File | Kind::Directory | Kind::Link | Kind::HardLink => {
                    return Ok(Some(self.entry(header, before)?));
                }
            }
        }
    }

    /// Reads the next bytes of the current file; none are left when it returns 0.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Unread> {
        let mut most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        if let Some(map) = &self.holes {
            let (length, is_stored) = map.at(map.size() - self.left);
            most = usize::try_from(length).unwrap_or(usize::MAX).min(most);
            if !is_stored {
                buffer[..most].fill(0);
                self.left -= most as u64;
                return Ok(most);
            }
        }
        let read = retry(|| self.from.read(&mut buffer[..most]))?;
        if read == 0 {
            return Err(Refused::from("the archive ends within a file").into());
        }
        self.left -= read as u64;
        Ok(read)
    }

    fn entry(&mut self, header: Header, before: Before) -> Result<Entry, Unread> {
        let pax = before.pax.unwrap_or_default();
        let raw = one_of(pax.path, before.long_path, "paths")?.unwrap_or_else(|| header.path.clone());
        let shown = intraware_core::foreign::escape(&raw);
        let wrong = |why: &str| Refused(format!("{shown}: {why}"));
        let path = path::clean(&raw).map_err(wrong)?;
        let target = one_of(pax.target, before.long_target, "targets")?;
        let target = target.unwrap_or_else(|| header.target.clone());
        let size = size(header.size, pax.size).map_err(wrong)?;
        let what = match header.kind {
            // Before POSIX a directory was a file with a slash behind its name.
            Kind::File if raw.ends_with(b"/") && header.is_old => What::Directory,
            Kind::File if raw.ends_with(b"/") => return Err(wrong("a file's path ends with a slash").into()),
            Kind::File => What::File(size),
            Kind::Directory => What::Directory,
            Kind::Link => What::Link(path::target(&target, path).map_err(wrong)?.to_owned()),
            Kind::HardLink => {
                let to =
                    path::clean(&target).map_err(|why| wrong(&format!("the hard link's target: {why}")))?;
                What::HardLink(to.to_owned())
            }
            _ => return Err(wrong("it is of no kind that is accepted").into()),
        };
        if path.is_empty() && what != What::Directory {
            return Err(wrong("the package itself is no directory").into());
        }
        let is_file = matches!(what, What::File(_));
        if (size != 0 || pax.real_size.is_some()) && !is_file {
            return Err(wrong("it has content and is no file").into());
        }
        (self.left, self.padding, self.holes) = (size, padding(size), None);
        self.holes = self.holes(header.sparse, pax.real_size, size).map_err(|unread| match unread {
            Unread::Refused(Refused(why)) => wrong(&why).into(),
            unread => unread,
        })?;
        let what = match &self.holes {
            None => what,
            Some(map) => {
                self.left = map.size();
                What::File(map.size())
            }
        };
        Ok(Entry { path: path.to_owned(), mode: header.mode, what })
    }

    /// Returns where the `stored` bytes of a file belong that has holes, in GNU's form or that of pax. The
    /// map may stand before them in the stream, and is read.
    fn holes(
        &mut self,
        gnu: Option<(Map, bool)>,
        real_size: Option<u64>,
        stored: u64,
    ) -> Result<Option<Map>, Unread> {
        let map = match (gnu, real_size) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(Refused::from("it has holes in two forms").into()),
            (Some((mut map, mut goes_on)), None) => {
                while goes_on {
                    let mut block = [0; BLOCK];
                    self.fill(&mut block, "the archive ends within a map of holes")?;
                    goes_on = sparse::extend(&mut map, &block)?;
                }
                self.left = stored;
                map
            }
            (None, Some(size)) => {
                let map = Map::read(size, || self.line())?;
                // The map is padded as a content is.
                let rest = padding(stored - self.left);
                if rest > self.left {
                    return Err(Refused::from("its map of holes is cut").into());
                }
                self.fill(&mut [0; BLOCK][..rest as usize], "the archive ends within a map of holes")?;
                self.left -= rest;
                map
            }
        };
        if map.stored() != self.left {
            return Err(Refused::from("its map of holes does not fit its size").into());
        }
        Ok(Some(map))
    }

    /// Reads a line of the current file that is a decimal number.
    fn line(&mut self) -> Result<u64, Unread> {
        const WRONG: &str = "its map of holes has a line that is not a number";
        let mut digits = Vec::new();
        loop {
            let mut byte = [0];
            if digits.len() > 20 || self.read(&mut byte)? == 0 {
                return Err(Refused::from(WRONG).into());
            }
            match byte[0] {
                b'\n' => return Ok(pax::decimal(&digits).ok_or(Refused::from(WRONG))?),
                digit => digits.push(digit),
            }
        }
    }

    /// Reads a header, or the first empty block.
    fn header(&mut self) -> Result<Option<Header>, Unread> {
        let mut block = [0; BLOCK];
        self.fill(&mut block, "the archive has no end: two empty blocks are missing")?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        Ok(Some(Header::parse(&block)?))
    }

    /// Reads what follows the first empty block: a second one, and zeros.
    fn end(&mut self) -> Result<(), Unread> {
        let mut block = [0; BLOCK];
        self.fill(&mut block, "the archive has no end: the second empty block is missing")?;
        let mut rest = vec![0; 16 << 10];
        let mut read = BLOCK;
        rest[..BLOCK].copy_from_slice(&block);
        while read > 0 {
            if rest[..read].iter().any(|byte| *byte != 0) {
                return Err(Refused::from("something follows the archive's end").into());
            }
            read = retry(|| self.from.read(&mut rest))?;
        }
        Ok(())
    }

    /// Returns the content of an extension's header.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, Unread> {
        if header.size > MAX_EXTENSION {
            return Err(Refused::from("an extension's header is larger than 64 KiB").into());
        }
        let mut content = vec![0; header.size as usize];
        self.fill(&mut content, "the archive ends within a header")?;
        (self.left, self.padding, self.holes) = (0, padding(header.size), None);
        self.skip()?;
        Ok(content)
    }

    /// Returns a name of GNU's kind, which ends with a NUL.
    fn long(&mut self, header: &Header) -> Result<Vec<u8>, Unread> {
        let mut name = self.extension(header)?;
        if name.last() == Some(&0) {
            name.pop();
        }
        if name.is_empty() || name.contains(&0) {
            return Err(Refused::from("a long name is empty or has a NUL").into());
        }
        Ok(name)
    }

    fn skip(&mut self) -> Result<(), Unread> {
        let mut buffer = [0; BLOCK];
        while self.read(&mut buffer)? > 0 {}
        let padding = usize::try_from(std::mem::take(&mut self.padding)).unwrap_or(0);
        self.fill(&mut buffer[..padding], "the archive ends within a block")
    }

    fn fill(&mut self, buffer: &mut [u8], why: &str) -> Result<(), Unread> {
        self.from.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof if error.get_ref().is_none_or(|inner| !inner.is::<Refused>()) => {
                Refused::from(why).into()
            }
            _ => Unread::from_stream(error),
        })
    }
}

fn retry(mut read: impl FnMut() -> io::Result<usize>) -> Result<usize, Unread> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read.map_err(Unread::from_stream),
        }
    }
}

fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

fn put<T>(place: &mut Option<T>, value: T) -> Result<(), Refused> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err("two headers of an extension before one entry".into()),
    }
}

fn one_of(pax: Option<Vec<u8>>, gnu: Option<Vec<u8>>, what: &str) -> Result<Option<Vec<u8>>, Refused> {
    match (pax, gnu) {
        (Some(_), Some(_)) => Err(Refused(format!("two extensions give an entry different {what}"))),
        (pax, gnu) => Ok(pax.or(gnu)),
    }
}

/// Returns an entry's size. The two places that say it must agree, unless the first has no room for it.
fn size(header: u64, pax: Option<u64>) -> Result<u64, &'static str> {
    const ROOM: u64 = 1 << 33;
    match pax {
        Some(pax) if pax != header && pax < ROOM => Err("its two sizes differ"),
        Some(pax) => Ok(pax),
        None => Ok(header),
    }
}
