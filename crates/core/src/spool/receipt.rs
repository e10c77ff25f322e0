//! How a job was delivered, site by site.
//!
//! `receipt.json` of a job that one site got is that receipt (format 1), as it always was. Of a job that
//! several sites got it is a list of them (format 2), which appears whole as well.

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deliver::Delivered;
use crate::site::RemotePath;

/// How, where, when and how strongly a delivery was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The version of what follows.
    pub format: u32,
    /// The site's name in the configuration.
    pub site: String,
    /// What the peer said it was.
    pub peer: String,
    /// The payload's final name at the site.
    pub path: RemotePath,
    /// What the transfer was.
    #[serde(flatten)]
    pub delivery: Delivered,
    /// When it stood at the site under its final name.
    pub delivered: Timestamp,
    /// The host that delivered it.
    pub host: String,
    /// The run that delivered it.
    pub run: String,
}

/// The format of a list of receipts, which is the newest that this program knows.
const LIST: u32 = 2;

/// Several receipts.
#[derive(Deserialize)]
struct List {
    receipts: Vec<Receipt>,
}

/// A file of receipts.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Written<'r> {
    One(&'r Receipt),
    Several { format: u32, receipts: &'r [Receipt] },
}

/// What a file of receipts holds.
pub(super) enum Read {
    Receipts(Vec<Receipt>),
    /// It is of a format that a later version of this program wrote.
    Newer(u32),
}

/// Reads the content of a file of receipts.
pub(super) fn read(text: &[u8]) -> io::Result<Read> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    let Versioned { format } = serde_json::from_slice(text)?;
    Ok(match format {
        0 | 1 => Read::Receipts(vec![serde_json::from_slice(text)?]),
        LIST => Read::Receipts(serde_json::from_slice::<List>(text)?.receipts),
        newer => Read::Newer(newer),
    })
}

impl<'r> Written<'r> {
    /// Returns what is written of these receipts.
    pub(super) fn of(receipts: &'r [Receipt]) -> Self {
        match receipts {
            [only] => Self::One(only),
            _ => Self::Several { format: LIST, receipts },
        }
    }
}
