//! Packets of version 3 of the SSH File Transfer Protocol, as a client needs them: what to ask as bytes, and
//! bytes as what was answered. Pure.
//!
//! The protocol is that of draft-ietf-secsh-filexfer-02; the extensions are those of OpenSSH's `PROTOCOL`
//! file. Whatever a server sends is read within its packet and no further; what does not fit is no answer.

#[cfg(test)]
mod tests;

/// Status codes, as far as they are told apart. Those above 8 are of later versions; some servers use them
/// all the same.
pub(super) mod status {
    pub(crate) const OK: u32 = 0;
    pub(crate) const EOF: u32 = 1;
    pub(crate) const NO_SUCH_FILE: u32 = 2;
    pub(crate) const PERMISSION_DENIED: u32 = 3;
    pub(crate) const FAILURE: u32 = 4;
    pub(crate) const BAD_MESSAGE: u32 = 5;
    pub(crate) const NO_CONNECTION: u32 = 6;
    pub(crate) const CONNECTION_LOST: u32 = 7;
    pub(crate) const OP_UNSUPPORTED: u32 = 8;
    pub(crate) const NO_SUCH_PATH: u32 = 10;
    pub(crate) const FILE_ALREADY_EXISTS: u32 = 11;
    pub(crate) const WRITE_PROTECT: u32 = 12;
    pub(crate) const NO_SPACE: u32 = 14;
    pub(crate) const QUOTA_EXCEEDED: u32 = 15;
    pub(crate) const NOT_A_DIRECTORY: u32 = 19;
    pub(crate) const LINK_LOOP: u32 = 21;
}

/// How a file is opened.
pub(super) mod open {
    pub(crate) const READ: u32 = 0x01;
    pub(crate) const WRITE: u32 = 0x02;
    pub(crate) const CREATE: u32 = 0x08;
    pub(crate) const TRUNCATE: u32 = 0x10;
    pub(crate) const EXCLUSIVE: u32 = 0x20;
}

/// The version that is spoken.
const VERSION: u32 = 3;

/// The most bytes that a packet may have. OpenSSH's have at most as many.
const LONGEST: usize = 256 << 10;

/// What a server calls an open file or directory.
pub(super) type Handle = Vec<u8>;

/// A question. What has no id here gets it from whoever sends it.
pub(super) enum Request<'a> {
    Open {
        path: &'a str,
        how: u32,
        attributes: Attributes,
    },
    Close {
        handle: &'a [u8],
    },
    Read {
        handle: &'a [u8],
        from: u64,
        len: u32,
    },
    Write {
        handle: &'a [u8],
        from: u64,
        bytes: &'a [u8],
    },
    /// Of what is at a path, a link if there is one.
    Look {
        path: &'a str,
    },
    /// Of what a path leads to.
    LookThrough {
        path: &'a str,
    },
    LookAt {
        handle: &'a [u8],
    },
    Set {
        handle: &'a [u8],
        attributes: Attributes,
    },
    SetAt {
        path: &'a str,
        attributes: Attributes,
    },
    OpenDirectory {
        path: &'a str,
    },
    ReadDirectory {
        handle: &'a [u8],
    },
    Remove {
        path: &'a str,
    },
    MakeDirectory {
        path: &'a str,
        attributes: Attributes,
    },
    Resolve {
        path: &'a str,
    },
    Rename {
        from: &'a str,
        to: &'a str,
    },
    ReadLink {
        path: &'a str,
    },
    /// `fsync@openssh.com`
    Flush {
        handle: &'a [u8],
    },
    /// `statvfs@openssh.com`
    Disk {
        path: &'a str,
    },
    /// `limits@openssh.com`
    Limits,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Status(u32),
    Handle(Handle),
    Data(Vec<u8>),
    Names(Vec<String>),
    Attributes(Attributes),
    /// Whatever an extension answers.
    Extended(Vec<u8>),
}

/// What is said about a file; everything may be left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    /// Kind and permissions, as in `st_mode`.
    pub(super) mode: Option<u32>,
}

/// What a server says that it can do besides, when it is greeted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    pub(super) flushes: bool,
    pub(super) tells_disk: bool,
    pub(super) tells_limits: bool,
}

/// Returns the greeting.
pub(super) fn greeting() -> Vec<u8> {
    let mut packet = vec![0, 0, 0, 5, 1];
    packet.extend_from_slice(&VERSION.to_be_bytes());
    packet
}

/// Reads the answer to the greeting. A server of another version than ours is none.
pub(super) fn welcome(packet: &[u8]) -> Option<Extensions> {
    let mut rest = Rest(packet);
    let (2, VERSION) = (rest.byte()?, rest.number()?) else { return None };
    let mut extensions = Extensions::default();
    while !rest.0.is_empty() {
        let (name, _) = (rest.bytes()?, rest.bytes()?);
        match name {
            b"fsync@openssh.com" => extensions.flushes = true,
            b"statvfs@openssh.com" => extensions.tells_disk = true,
            b"limits@openssh.com" => extensions.tells_limits = true,
            _ => {}
        }
    }
    Some(extensions)
}

/// Takes the next packet, without its length, off what has arrived; `Ok(None)` if it has not arrived whole,
/// and an error if it is longer than any packet is.
pub(super) fn next(arrived: &[u8]) -> Result<Option<&[u8]>, TooLong> {
    let Some((len, rest)) = arrived.split_first_chunk() else { return Ok(None) };
    let len = u32::from_be_bytes(*len) as usize;
    if len > LONGEST { Err(TooLong) } else { Ok(rest.get(..len)) }
}

/// A packet is longer than any is.
#[derive(Debug)]
pub(super) struct TooLong;

/// Reads an answer and the id of its question; `None` if it is none.
pub(super) fn answer(packet: &[u8]) -> Option<(u32, Answer)> {
    let mut rest = Rest(packet);
    let (kind, id) = (rest.byte()?, rest.number()?);
    let answer = match kind {
        101 => Answer::Status(rest.number()?),
        102 => Answer::Handle(rest.bytes()?.to_vec()),
        103 => Answer::Data(rest.bytes()?.to_vec()),
        104 => {
            let count = rest.number()?;
            let names = (0..count).map(|_| {
                let (name, _) = (rest.bytes()?, rest.bytes()?);
                rest.attributes()?;
                Some(String::from_utf8_lossy(name).into_owned())
            });
            Answer::Names(names.collect::<Option<_>>()?)
        }
        105 => Answer::Attributes(rest.attributes()?),
        201 => Answer::Extended(rest.0.to_vec()),
        _ => return None,
    };
    Some((id, answer))
}

/// Reads the free space in bytes out of the answer to [`Request::Disk`].
pub(super) fn free_space(answer: &[u8]) -> Option<u64> {
    let mut rest = Rest(answer);
    let (_block, fragment, _blocks, _free) = (rest.long()?, rest.long()?, rest.long()?, rest.long()?);
    Some(rest.long()?.saturating_mul(fragment))
}

/// Reads the most bytes that may be read and written at a time out of the answer to [`Request::Limits`].
pub(super) fn limits(answer: &[u8]) -> Option<(u64, u64)> {
    let mut rest = Rest(answer);
    let (_packet, read, write) = (rest.long()?, rest.long()?, rest.long()?);
    Some((read, write))
}

impl Request<'_> {
    /// Adds the packet to `out`.
    pub(super) fn write(&self, id: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(self.kind());
        number(out, id);
        match *self {
            Self::Open { path, how, attributes } => {
                bytes(out, path);
                number(out, how);
                attributes.write(out);
            }
            Self::Read { handle, from, len } => {
                bytes(out, handle);
                long(out, from);
                number(out, len);
            }
            Self::Write { handle, from, bytes: content } => {
                bytes(out, handle);
                long(out, from);
                bytes(out, content);
            }
            Self::Set { handle, attributes } => {
                bytes(out, handle);
                attributes.write(out);
            }
            Self::MakeDirectory { path, attributes } | Self::SetAt { path, attributes } => {
                bytes(out, path);
                attributes.write(out);
            }
            Self::Rename { from, to } => {
                bytes(out, from);
                bytes(out, to);
            }
            Self::Flush { handle } => {
                bytes(out, "fsync@openssh.com");
                bytes(out, handle);
            }
            Self::Disk { path } => {
                bytes(out, "statvfs@openssh.com");
                bytes(out, path);
            }
            Self::Limits => bytes(out, "limits@openssh.com"),
            Self::Close { handle } | Self::LookAt { handle } | Self::ReadDirectory { handle } => {
                bytes(out, handle);
            }
            Self::Look { path }
            | Self::LookThrough { path }
            | Self::OpenDirectory { path }
            | Self::Remove { path }
            | Self::Resolve { path }
            | Self::ReadLink { path } => bytes(out, path),
        }
        let len = out.len() - start - 4;
        debug_assert!(len <= LONGEST, "a packet of {len} bytes");
        out[start..start + 4].copy_from_slice(&(len as u32).to_be_bytes());
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Open { .. } => 3,
            Self::Close { .. } => 4,
            Self::Read { .. } => 5,
            Self::Write { .. } => 6,
            Self::Look { .. } => 7,
            Self::LookAt { .. } => 8,
            Self::SetAt { .. } => 9,
            Self::Set { .. } => 10,
            Self::OpenDirectory { .. } => 11,
            Self::ReadDirectory { .. } => 12,
            Self::Remove { .. } => 13,
            Self::MakeDirectory { .. } => 14,
            Self::Resolve { .. } => 16,
            Self::LookThrough { .. } => 17,
            Self::Rename { .. } => 18,
            Self::ReadLink { .. } => 19,
            Self::Flush { .. } | Self::Disk { .. } | Self::Limits => 200,
        }
    }
}

impl Attributes {
    pub(super) fn mode(mode: u32) -> Self {
        Self { mode: Some(mode), size: None }
    }

    pub(super) fn size(size: u64) -> Self {
        Self { size: Some(size), mode: None }
    }

    pub(super) fn is_directory(&self) -> bool {
        self.mode.is_some_and(|mode| mode & 0o170_000 == 0o040_000)
    }

    /// Returns whether it is a regular file, as far as is said.
    pub(super) fn may_be_file(&self) -> bool {
        self.mode.is_none_or(|mode| mode & 0o170_000 == 0o100_000)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let said = |is_some: bool, what: u32| if is_some { what } else { 0 };
        number(out, said(self.size.is_some(), SIZE) | said(self.mode.is_some(), MODE));
        if let Some(size) = self.size {
            long(out, size);
        }
        if let Some(mode) = self.mode {
            number(out, mode);
        }
    }
}

/// What is said in attributes.
const SIZE: u32 = 1;
const OWNER: u32 = 2;
const MODE: u32 = 4;
const TIMES: u32 = 8;
const MORE: u32 = 0x8000_0000;

fn number(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_be_bytes());
}

fn long(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_be_bytes());
}

fn bytes(out: &mut Vec<u8>, bytes: impl AsRef<[u8]>) {
    number(out, bytes.as_ref().len() as u32);
    out.extend_from_slice(bytes.as_ref());
}

/// What of a packet is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.number()? as usize;
        self.take(len)
    }

    fn attributes(&mut self) -> Option<Attributes> {
        let said = self.number()?;
        let is_said = |what: u32| said & what != 0;
        let size = if is_said(SIZE) { Some(self.long()?) } else { None };
        if is_said(OWNER) {
            self.take(8)?;
        }
        let mode = if is_said(MODE) { Some(self.number()?) } else { None };
        if is_said(TIMES) {
            self.take(8)?;
        }
        if is_said(MORE) {
            for _ in 0..self.number()? {
                self.bytes()?;
                self.bytes()?;
            }
        }
        Some(Attributes { size, mode })
    }
}
