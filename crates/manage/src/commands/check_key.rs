//! `manage check-key`: whether a key would do for signing, before it is installed.

use std::path::PathBuf;

use clap::Args;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, process};
use intraware_core::exit;
use intraware_core::secret::{SecretSource, read_private_file};
use intraware_core::sign::{KeyPolicy, SigningKey};

use crate::customers;

/// Which key.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Exported secret key; nobody else may be able to read it
    file: PathBuf,

    /// File with the key's passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// Accept self-signatures over SHA-1, as signing.accept_sha1 does
    #[arg(long)]
    accept_sha1: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let context = process::context("manage", common);
    let exported = read_private_file(&arguments.file)?;
    let source = arguments.passphrase_file.clone().map(SecretSource::File);
    let passphrase = source.map(|source| source.resolve(&|_| None)).transpose()?;
    let policy = KeyPolicy { accept_sha1: arguments.accept_sha1 };
    let key = SigningKey::load(exported.expose(), passphrase.as_ref(), context.now(), policy)?;
    let verified = customers::verify(&key, &context)?;
    output::text(format!("{}\nsigned with it: {verified}", describe(&key)))?;
    Ok(exit::OK)
}

/// Returns what there is to say about a key that signs.
pub(crate) fn describe(key: &SigningKey) -> String {
    let part = match key.signing_fingerprint() {
        part if part == key.fingerprint() => String::new(),
        part => format!(", signs with the subkey {part}"),
    };
    let expiry = key.expires().map_or_else(|| "never expires".to_owned(), |at| format!("expires {at:.0}"));
    let warning = key.warning().map_or_else(String::new, |warning| format!("; {warning}"));
    format!("{}{part}, {expiry}{warning}", key.fingerprint())
}
