//! Fragments for `manage assemble`, made byte by byte: right ones, and such as no tar program would make.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};

/// A tar archive under way.
#[derive(Debug, Clone, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    list: Vec<String>,
}

impl Archive {
    /// Begins one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file that the list has.
    pub fn file(self, path: &str, mode: u32, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let (md5, size) = (md5(content), content.len());
        let more = format!("md5sum=\"{md5}\" size=\"{size}\"");
        self.entry(b'0', path.as_bytes(), b"", mode, content).list(path, "file", &more)
    }

    /// Adds a directory that the list has.
    pub fn dir(self, path: &str) -> Self {
        self.entry(b'5', format!("{path}/").as_bytes(), b"", 0o755, b"").list(path, "dir", "")
    }

    /// Adds a symbolic link that the list has.
    pub fn link(self, path: &str, target: &str) -> Self {
        self.entry(b'2', path.as_bytes(), target.as_bytes(), 0o777, b"").list(path, "link", "")
    }

    /// Adds an entry that the list does not have.
    pub fn entry(self, kind: u8, path: &[u8], target: &[u8], mode: u32, content: &[u8]) -> Self {
        let header = header(kind, path, target, mode, content.len() as u64);
        self.raw(&header).raw(content).pad()
    }

    /// Adds a pax header with these lines, whose lengths are added.
    pub fn pax(self, kind: u8, lines: &[&str]) -> Self {
        let line = |line: &&str| {
            let length =
                (1..).find(|length| *length == format!("{length} {line}\n").len()).expect("a length");
            format!("{length} {line}\n")
        };
        let text: String = lines.iter().map(line).collect();
        self.entry(kind, b"PaxHeaders/x", b"", 0o644, text.as_bytes())
    }

    /// Adds an entry of the list.
    pub fn list(mut self, path: &str, kind: &str, more: &str) -> Self {
        self.list.push(format!("  <file fullname=\"{path}\" {more} type=\"{kind}\" />\n"));
        self
    }

    /// Adds bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Fills the last block.
    pub fn pad(mut self) -> Self {
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    /// Returns the list as XML.
    pub fn xml(&self) -> String {
        let entries: String = self.list.concat();
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<files>\n{entries}</files>\n")
    }

    /// Adds the machine's list and the end, and returns the archive uncompressed.
    pub fn tar(self, machine: &str) -> Vec<u8> {
        let xml = self.xml();
        self.tar_with(machine, xml.as_bytes())
    }

    /// Adds this list as the machine's, and the end.
    pub fn tar_with(self, machine: &str, xml: &[u8]) -> Vec<u8> {
        self.entry(b'0', format!("./built.files.{machine}.xml").as_bytes(), b"", 0o644, xml).tar_without()
    }

    /// Adds the end, and no list.
    pub fn tar_without(self) -> Vec<u8> {
        self.raw(&[0; 1024]).bytes
    }

    /// Returns the whole fragment of a machine.
    pub fn gz(self, machine: &str) -> Vec<u8> {
        gzip(&self.tar(machine))
    }
}

/// Returns a header of POSIX's format.
pub fn header(kind: u8, path: &[u8], target: &[u8], mode: u32, size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    block[..path.len()].copy_from_slice(path);
    block[157..157 + target.len()].copy_from_slice(target);
    block[100..107].copy_from_slice(format!("{mode:07o}").as_bytes());
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[136..147].copy_from_slice(b"00000000000");
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block
}

/// Makes a header's checksum right.
pub fn seal(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Compresses.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Returns an MD5 in hexadecimal digits.
pub fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
