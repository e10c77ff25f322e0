//! Reads a list as it comes, element by element, and refuses what a list has no need of.

use std::io::{self, BufRead, Read};

use intraware_core::foreign;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{Listed, ListedKind, MAX_ATTRIBUTES, MAX_BYTES, MAX_DEPTH, MAX_PIECE, More};
use crate::path;
use crate::refused::{Refused, Unread};

/// Reads a list from memory and gives each of its entries to `take`, in their order.
pub fn read(bytes: &[u8], take: impl FnMut(Listed) -> Result<(), Refused>) -> Result<(), Refused> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large());
    }
    match stream(bytes, take) {
        Err(Unread::Refused(refused)) => Err(refused),
        // Memory can be read.
        Err(error) => Err(Refused(error.to_string())),
        Ok(()) => Ok(()),
    }
}

/// Reads a list of which no more than an element is in memory.
pub(crate) fn stream(
    from: impl BufRead,
    mut take: impl FnMut(Listed) -> Result<(), Refused>,
) -> Result<(), Unread> {
    let mut reader = Reader::from_reader(Bounded { from, left: 0 });
    let mut buffer = Vec::new();
    let (mut depth, mut roots) = (0, 0);
    loop {
        let at = reader.buffer_position();
        if at > MAX_BYTES {
            return Err(too_large().into());
        }
        reader.get_mut().left = MAX_PIECE;
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).map_err(|e| unread(at, e))?;
        let wrong = |why: &str| Err(Refused(format!("the list has {why} at byte {at}")).into());
        match event {
            Event::Eof if depth == 0 && roots == 1 => return Ok(()),
            Event::Eof => return wrong("its end before the end of <files>"),
            Event::DocType(_) => return wrong("a document type, which is not allowed"),
            Event::PI(_) => return wrong("a processing instruction, which is not allowed"),
            Event::Decl(declaration) if at == 0 => declared(&declaration)?,
            Event::Decl(_) => return wrong("an XML declaration that is not at its beginning"),
            Event::Start(ref element) | Event::Empty(ref element) if depth == 0 => {
                roots += 1;
                if roots > 1 || element.name().as_ref() != "files" {
                    return wrong("another element than <files> at its root");
                }
                depth += usize::from(matches!(event, Event::Start(_)));
            }
            Event::Start(element) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return wrong("more than 64 elements within elements");
                }
                one(&element, depth - 1, at, &mut take)?;
            }
            Event::Empty(element) => one(&element, depth, at, &mut take)?,
            Event::End(_) => depth -= 1,
            Event::Comment(_) => {}
            Event::Text(between) if depth > 1 || between.trim_ascii().is_empty() => {}
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) if depth > 1 => {}
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                return wrong("text between its elements");
            }
        }
    }
}

fn declared(declaration: &BytesDecl<'_>) -> Result<(), Refused> {
    let version = declaration.version().map_err(|e| malformed(0, &e))?;
    if version != "1.0" {
        return Err("the list is not XML 1.0".into());
    }
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => Ok(()),
        Some(_) => Err("the list declares another encoding than UTF-8".into()),
    }
}

/// Reads an element; it is an entry if it is a `<file>` in the root. Attributes are checked in any case.
fn one(
    element: &BytesStart<'_>,
    depth: usize,
    at: u64,
    take: &mut impl FnMut(Listed) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let mut fields = Fields::default();
    for (number, attribute) in element.attributes().enumerate() {
        if number == MAX_ATTRIBUTES {
            return Err(Refused(format!(
                "the list has an element with more than 64 attributes at byte {at}"
            )));
        }
        let attribute = attribute.map_err(|e| malformed(at, &e))?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|e| malformed(at, &e))?;
        if path::has_unsafe(&value) {
            return Err(Refused(format!("the list has control characters in an attribute at byte {at}")));
        }
        fields.put(attribute.key.as_ref(), value.into_owned());
    }
    if depth != 1 || element.name().as_ref() != "file" {
        return Ok(());
    }
    take(fields.finish(at)?)
}

/// The attributes of an entry.
#[derive(Default)]
struct Fields {
    path: Option<String>,
    kind: Option<String>,
    md5: Option<String>,
    size: Option<String>,
    host: Option<String>,
    target: Option<String>,
    more: Vec<(Box<str>, Box<str>)>,
}

impl Fields {
    /// No name comes twice; the reader has seen to that.
    fn put(&mut self, name: &str, value: String) {
        match name {
            "fullname" => self.path = Some(value),
            "type" => self.kind = Some(value),
            "md5sum" => self.md5 = Some(value),
            "size" => self.size = Some(value),
            "host" => self.host = Some(value),
            "target" => self.target = Some(value),
            _ => self.more.push((name.into(), value.into())),
        }
    }

    fn finish(self, at: u64) -> Result<Listed, Refused> {
        let fullname = self.path.ok_or_else(|| Refused(format!("the list has no fullname at byte {at}")))?;
        let wrong = |why: &str| Refused(format!("the list's entry {}: {why}", foreign::escape(&fullname)));
        let path = path::clean(fullname.as_bytes()).map_err(&wrong)?.to_owned();
        let kind = match self.kind.as_deref() {
            None => return Err(wrong("it has no type")),
            Some("dir") => ListedKind::Directory,
            Some("link") => ListedKind::Link,
            Some("file") => match self.md5.as_deref().map(str::parse) {
                Some(Ok(md5)) => ListedKind::File(md5),
                _ if crate::names::is_list(&path) => ListedKind::Other("list".to_owned()),
                _ => return Err(wrong("its md5sum is not 32 hexadecimal digits")),
            },
            Some(other) => ListedKind::Other(foreign::escape(other)),
        };
        let size = match self.size.as_deref() {
            // XML::Simple writes what is undefined as an empty attribute.
            None | Some("") => None,
            Some(digits) => Some(decimal(digits).ok_or_else(|| wrong("its size is not a number"))?),
        };
        let more: More = self.more.into();
        Ok(Listed { path, kind, host: self.host, size, target: self.target, more })
    }
}

fn decimal(digits: &str) -> Option<u64> {
    digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))
}

/// A list of which each element, and what is between two, is bounded, since it is in memory.
struct Bounded<R> {
    from: R,
    left: usize,
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let buffer = self.from.fill_buf()?;
        if self.left == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(&buffer[..buffer.len().min(self.left)])
    }

    fn consume(&mut self, amount: usize) {
        self.left -= amount;
        self.from.consume(amount);
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

fn too_large() -> Refused {
    Refused(format!("the list is larger than {MAX_BYTES} bytes"))
}

fn unread(at: u64, error: quick_xml::Error) -> Unread {
    match error {
        quick_xml::Error::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Refused(format!("the list has more than {MAX_PIECE} bytes in one piece at byte {at}")).into()
        }
        quick_xml::Error::Io(error) => Unread::Read(io::Error::new(error.kind(), error)),
        quick_xml::Error::Encoding(_) => Refused::from("the list is not UTF-8").into(),
        error => malformed(at, &error).into(),
    }
}

fn malformed(at: u64, error: &dyn std::fmt::Display) -> Refused {
    Refused(format!("the list is not well-formed XML at byte {at}: {}", foreign::escape(error.to_string())))
}
