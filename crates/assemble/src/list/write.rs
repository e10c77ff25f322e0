//! Writes a list, entry by entry, one attribute a line.

use std::io::{self, Write};

use quick_xml::escape::escape;

/// A list under way.
pub struct Writer<W: Write> {
    to: W,
}

impl<W: Write> Writer<W> {
    /// Begins a list.
    pub fn new(mut to: W) -> io::Result<Self> {
        to.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<files>\n")?;
        Ok(Self { to })
    }

    /// Writes one entry with its attributes, in the order in which they are given.
    pub fn entry<'a>(&mut self, attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> io::Result<()> {
        self.to.write_all(b"  <file")?;
        for (number, (name, value)) in attributes.into_iter().enumerate() {
            let before = if number == 0 { " " } else { "\n        " };
            let mut value = escape(value);
            if value.contains("&apos;") {
                // Apostrophes as XML::Simple writes them; any that were escaped before are `&amp;apos;` by
                // now.
                value = value.replace("&apos;", "'").into();
            }
            for piece in [before, name, "=\"", &value, "\""] {
                self.to.write_all(piece.as_bytes())?;
            }
        }
        self.to.write_all(b" />\n")
    }

    /// Ends the list.
    pub fn finish(mut self) -> io::Result<W> {
        self.to.write_all(b"</files>\n")?;
        Ok(self.to)
    }
}
