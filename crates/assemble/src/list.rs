//! `built.files.<machine>.xml`: what a fragment, or an assembled package, holds.
//!
//! ```xml
//! <?xml version="1.0" encoding="UTF-8"?>
//! <files>
//!   <file fullname="bin/tool"
//!         host="ebb"
//!         md5sum="900150983cd24fb0d6963f7d28e17f72"
//!         size="3"
//!         type="file" />
//! </files>
//! ```
//!
//! `type` is `file`, `dir` or `link`, and in an assembled package `merge` for a file that a further machine
//! provided. Other elements are passed over, other attributes are kept. A list comes from outside, so
//! [`read()`] has limits: no document type, no entities but the five that XML has, UTF-8, [`MAX_BYTES`],
//! [`MAX_PIECE`], [`MAX_DEPTH`] and [`MAX_ATTRIBUTES`]. It is read as it comes, since one of a million
//! entries has hundreds of MiB.

mod read;
mod write;

use intraware_core::digest::Md5Hex;

pub use read::read;
pub(crate) use read::stream;
pub use write::Writer;

/// Largest list, in bytes: enough for as many entries as a fragment may have.
pub const MAX_BYTES: u64 = 512 << 20;
/// Most bytes of an element's beginning or end, of a comment, or of what is between two.
pub const MAX_PIECE: usize = 1 << 20;
/// Most elements within elements.
pub const MAX_DEPTH: usize = 64;
/// Most attributes of an element.
pub const MAX_ATTRIBUTES: usize = 64;
/// The name of the list of an assembled package.
pub const ASSEMBLED: &str = "built.files.packageAssembly.xml";

/// What a list says about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The path, cleaned; empty for the package itself.
    pub path: String,
    /// What it is said to be.
    pub kind: ListedKind,
    /// The machine it is said to come from.
    pub host: Option<String>,
    /// Its size, which only files need to have.
    pub size: Option<u64>,
    /// Where it leads, if it is a link and the list says so.
    pub target: Option<String>,
    /// The attributes that mean nothing here, in their order.
    pub more: More,
}

/// Attributes that are handed on as they came.
pub type More = Box<[(Box<str>, Box<str>)]>;

/// A type of entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedKind {
    /// `dir`
    Directory,
    /// `file`, whose bytes have this MD5
    File(Md5Hex),
    /// `link`
    Link,
    /// Another word, escaped
    Other(String),
}

#[cfg(test)]
mod tests;
