//! An answer's JSON.

use intraware_shown::excerpt;
use serde::de::DeserializeOwned;

use crate::error::{Error, Kind};

/// Reads an answer's JSON.
pub(crate) fn parse<T: DeserializeOwned>(doing: &str, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| not_json(doing, body).caused(error))
}

/// Returns that an answer is none.
pub(crate) fn not_json(doing: &str, body: &[u8]) -> Error {
    let what = format!("the answer is not the expected JSON: \"{}\"", excerpt(body));
    Error::new(Kind::BadAnswer, doing, what)
}
