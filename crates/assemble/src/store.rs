//! Where the contents of a fragment are until it is decided what becomes of them.
//!
//! Small contents lie one behind another in one file, larger ones in a file each, whose name is a number. Of
//! most packages the files are small, and to create, rename and remove one costs a file system far more than
//! to write it twice: so a small content becomes a file when it is put into the tree, and only if it is; a
//! large one is renamed into it. No name of an archive is used here.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::nodes::{Content, Place, Where};
use crate::reason;

/// No content that lies among others is larger.
const SMALL: u64 = 32 << 10;
/// The file that they lie in.
const SMALL_ONES: &str = "small";
/// How much of it is written at once.
const BUFFER: usize = 256 << 10;

const NEW: OFlags = OFlags::CREATE.union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The contents of a fragment that is being read.
pub(crate) struct Store {
    dir: OwnedFd,
    small: BufWriter<File>,
    /// How long that is.
    end: u64,
    /// How many files there are besides.
    own: u32,
}

/// A content that is being written.
pub(crate) enum Writing<'s> {
    Among(&'s mut BufWriter<File>),
    Own(File),
}

impl Store {
    /// Begins in a directory, which is empty.
    pub(crate) fn new(dir: OwnedFd) -> io::Result<Self> {
        let small = rustix::fs::openat(&dir, SMALL_ONES, NEW | OFlags::RDWR, Mode::RUSR | Mode::WUSR)?;
        Ok(Self { dir, small: BufWriter::with_capacity(BUFFER, small.into()), end: 0, own: 0 })
    }

    /// Returns where a content of this size goes, and what it is to be written to.
    pub(crate) fn place(&mut self, size: u64, mode: u16) -> io::Result<(Place, Writing<'_>)> {
        if size <= SMALL {
            let start = self.end;
            self.end += size;
            return Ok((Place::among(start), Writing::Among(&mut self.small)));
        }
        let (number, file) = self.next(mode)?;
        Ok((Place::own(number), Writing::Own(file)))
    }

    /// Returns places for two names of one file: the first is where its content is from now on.
    pub(crate) fn two_names(&mut self, content: &Content) -> io::Result<(u32, u32)> {
        let first = match content.place.look() {
            Where::Own(number) => number,
            Where::Among(start) => {
                let bytes = self.small(start, content.size)?;
                let (number, mut file) = self.next(content.mode)?;
                file.write_all(&bytes)?;
                number
            }
        };
        let second = self.number()?;
        rustix::fs::linkat(&self.dir, first.to_string(), &self.dir, second.to_string(), AtFlags::empty())?;
        Ok((first, second))
    }

    /// Makes a file for the list, which is no content; it has no name.
    pub(crate) fn list(&mut self) -> io::Result<File> {
        let name = "list";
        let file = rustix::fs::openat(&self.dir, name, NEW | OFlags::RDWR, Mode::RUSR | Mode::WUSR)?;
        rustix::fs::unlinkat(&self.dir, name, AtFlags::empty())?;
        Ok(file.into())
    }

    /// Ends it.
    pub(crate) fn finish(mut self) -> io::Result<Kept> {
        self.small.flush()?;
        let small = self.small.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Kept { dir: self.dir, small })
    }

    fn small(&mut self, start: u64, size: u64) -> io::Result<Vec<u8>> {
        self.small.flush()?;
        read_at(self.small.get_ref(), start, size)
    }

    fn next(&mut self, mode: u16) -> io::Result<(u32, File)> {
        let number = self.number()?;
        let file =
            rustix::fs::openat(&self.dir, number.to_string(), NEW | OFlags::WRONLY, Mode::RUSR | Mode::WUSR)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode.into()))?;
        Ok((number, file.into()))
    }

    fn number(&mut self) -> io::Result<u32> {
        let number = self.own;
        self.own = number.checked_add(1).ok_or_else(|| io::Error::other("there are too many files"))?;
        Ok(number)
    }
}

impl Writing<'_> {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Among(small) => small.write_all(bytes),
            Self::Own(file) => file.write_all(bytes),
        }
    }
}

/// The contents of a fragment that was read.
pub(crate) struct Kept {
    dir: OwnedFd,
    small: File,
}

impl Kept {
    /// Returns a content's beginning, as far as contents are looked into.
    pub(crate) fn read(&self, content: &Content) -> io::Result<Vec<u8>> {
        let number = match content.place.look() {
            Where::Among(start) => return read_at(&self.small, start, content.size),
            Where::Own(number) => number,
        };
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.dir, number.to_string(), how, Mode::empty())?;
        let mut bytes = Vec::new();
        File::from(file).take(reason::MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Makes a content the file at this path of a tree, where nothing is.
    pub(crate) fn put(&self, content: &Content, tree: BorrowedFd<'_>, path: &str) -> io::Result<()> {
        let start = match content.place.look() {
            Where::Own(number) => {
                return Ok(rustix::fs::renameat(&self.dir, number.to_string(), tree, path)?);
            }
            Where::Among(start) => start,
        };
        let mode = Mode::from_raw_mode(content.mode.into());
        let mut file = File::from(rustix::fs::openat(tree, path, NEW | OFlags::WRONLY, mode)?);
        // The umask may have taken from it, and a directory's access list may have given. Looking costs less
        // than setting.
        let seen = rustix::fs::fstat(file.as_fd())?;
        if seen.st_mode & 0o7777 != u32::from(content.mode) {
            rustix::fs::fchmod(&file, mode)?;
        }
        if content.size > 0 {
            file.write_all(&read_at(&self.small, start, content.size)?)?;
        }
        Ok(())
    }
}

/// Returns bytes of the small contents, none of which is large.
fn read_at(small: &File, start: u64, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size as usize];
    small.read_exact_at(&mut bytes, start)?;
    Ok(bytes)
}
