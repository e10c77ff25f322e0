//! A file to be sent: is it what its name says, and what are its digests? One reading tells both.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;

use super::outcome::Failure;
use crate::digest::Digests;
use crate::wire::Announced;

/// How much is looked at before a package is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Whether it is what its name says: a `.tar.gz` is unpacked in memory to its end, of other formats the
    /// beginning is looked at.
    Content,
    /// Only whether it can be read.
    Nothing,
}

/// The beginnings of formats by the endings of names.
const BEGINNINGS: [(&str, &[u8]); 6] = [
    (".gz", &[0x1f, 0x8b]),
    (".tgz", &[0x1f, 0x8b]),
    (".xz", &[0xfd, b'7', b'z', b'X', b'Z', 0]),
    (".zst", &[0x28, 0xb5, 0x2f, 0xfd]),
    (".bz2", b"BZh"),
    (".zip", b"PK"),
];

/// A package that can be sent.
pub(super) struct Package {
    pub(super) file: File,
    pub(super) announced: Announced,
}

impl Package {
    /// Reads a file whole.
    pub(super) fn read(
        path: &Path,
        check: Check,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self, Failure> {
        let name =
            path.file_name().ok_or_else(|| Failure::NoPackage("no file".to_owned()))?.as_bytes().to_vec();
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(path).map_err(Failure::Read)?;
        let seen = file.metadata().map_err(Failure::Read)?;
        if !seen.is_file() {
            return Err(Failure::NoPackage("no regular file".to_owned()));
        }
        let digests = Digests::begin(true);
        let mut reader = Reader { file: &file, digests, bytes: 0, failed: None, stop, progress };
        let wrong = if check == Check::Content { fault(&name, &mut reader) } else { None };
        // What the format's reader has left, and all of it where there is none.
        let rest = io::copy(&mut reader, &mut io::sink());
        let Reader { digests, bytes, failed, .. } = reader;
        if stop.load(Ordering::Relaxed) {
            return Err(Failure::Stopped);
        }
        if let Some(error) = failed.or(rest.err()) {
            return Err(Failure::Read(error));
        }
        if let Some(wrong) = wrong {
            return Err(Failure::NoPackage(wrong));
        }
        if bytes == 0 {
            return Err(Failure::NoPackage("empty".to_owned()));
        }
        if bytes != seen.len() {
            return Err(Failure::Changed);
        }
        let (md5, sha256) = digests.finish();
        Ok(Self { file, announced: Announced { name, size: bytes, md5, sha256 } })
    }
}

/// Returns what is wrong with a file's content, by its name.
fn fault(name: &[u8], reader: &mut Reader<'_>) -> Option<String> {
    let (ending, beginning) = BEGINNINGS.iter().find(|(ending, _)| name.ends_with(ending.as_bytes()))?;
    let wrong = || Some(format!("no {ending} file, although its name says so"));
    let mut start = vec![0; beginning.len()];
    if reader.read_exact(&mut start).is_err() || start != *beginning {
        return wrong();
    }
    if !name.ends_with(b".tar.gz") && !name.ends_with(b".tgz") {
        return None;
    }
    let unpacked =
        flate2::read::MultiGzDecoder::new(io::BufReader::new(io::Read::chain(&start[..], &mut *reader)));
    let mut archive = tar::Archive::new(unpacked);
    let read = || -> io::Result<()> {
        for entry in archive.entries()? {
            io::copy(&mut entry?, &mut io::sink())?;
        }
        // To the end of the gzip member, whose checksum comes last.
        io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop)
    };
    read().err().map(|error| format!("a damaged or unfinished .tar.gz: {error}"))
}

/// Reads a file and takes its digests.
struct Reader<'a> {
    file: &'a File,
    digests: Digests,
    bytes: u64,
    /// An error of the disk, which the formats' readers would take for one of the format.
    failed: Option<io::Error>,
    stop: &'a AtomicBool,
    progress: &'a mut dyn FnMut(u64),
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped"));
        }
        match self.file.read(buffer) {
            Ok(count) => {
                self.digests.update(&buffer[..count]);
                self.bytes += count as u64;
                (self.progress)(self.bytes);
                Ok(count)
            }
            Err(error) => {
                let twin = io::Error::new(error.kind(), error.to_string());
                self.failed.get_or_insert(error);
                Err(twin)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(name: &str, content: &[u8], check: Check) -> Result<Announced, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        let package = Package::read(&path, check, &AtomicBool::new(false), &mut |_| {});
        package.map(|package| package.announced).map_err(|failure| failure.to_string())
    }

    fn targz() -> Vec<u8> {
        let mut archive =
            tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        archive.append_data(&mut header, "a", &b"hello"[..]).unwrap();
        archive.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn s4_01_packages_are_checked_before_they_are_sent() {
        let whole = targz();
        let package = read("p.pkg.tar.gz", &whole, Check::Content).unwrap();
        let mut digests = Digests::begin(true);
        digests.update(&whole);
        let (md5, sha256) = digests.finish();
        assert_eq!(
            package,
            Announced { name: b"p.pkg.tar.gz".to_vec(), size: whole.len() as u64, md5, sha256 }
        );

        let mut flipped = whole.clone();
        let middle = flipped.len() - 6;
        flipped[middle] ^= 1;
        for (content, says) in [
            (&whole[..whole.len() - 3], "damaged"),
            (&flipped, "damaged"),
            (b"\x1f\x8b", "damaged"),
            (b"text", "no .gz file"),
            (b"", "no .gz file"),
        ] {
            let said = read("p.pkg.tar.gz", content, Check::Content).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
        assert!(read("p.pkg.tar.gz", b"text", Check::Nothing).is_ok());
        assert!(read("p.pkg.tar.xz", b"\xfd7zXZ\0more", Check::Content).is_ok());
        assert!(read("p.pkg.tar.xz", b"text that is longer", Check::Content).is_err());
        assert!(read("p.asc", b"text", Check::Content).is_ok());
        assert!(read("p.asc", b"", Check::Content).unwrap_err().contains("empty"));
        std::io::stdout().flush().unwrap();
    }

    #[test]
    fn s4_01_what_is_no_file_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let read =
            |path: &Path| Package::read(path, Check::Content, &stop, &mut |_| {}).map(drop).unwrap_err();
        assert!(matches!(read(dir.path()), Failure::NoPackage(_)));
        assert!(matches!(read(&dir.path().join("none")), Failure::Read(_)));
        let fifo = dir.path().join("p.pkg.tar.gz");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert!(matches!(read(&fifo), Failure::NoPackage(_)));
    }
}
