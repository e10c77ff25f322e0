//! Whether a signature verifies for customers: this host's `gpg` and `gpgv` look at one, as a customer would.
//!
//! What the library that signs believes of a key is one thing; what customers have is another program, of
//! another age. So `check` signs some bytes and has those programs verify them, with nothing but the public
//! key in a directory of their own.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use intraware_cli::failure::Failure;
use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::run::RunContext;
use intraware_core::sign::SigningKey;
use tempfile::TempDir;

/// What is signed to be verified.
const PAYLOAD: &[u8] = b"signed by manage check\n";

/// A program that customers verify with.
struct Tool {
    name: &'static str,
    /// The arguments before the signature and the payload.
    verify: fn(&Path) -> Vec<std::ffi::OsString>,
}

const TOOLS: [Tool; 2] = [
    Tool { name: "gpg", verify: |home| vec!["--homedir".into(), home.into(), "--verify".into()] },
    Tool { name: "gpgv", verify: |home| vec!["--keyring".into(), home.join("key.gpg").into()] },
];

/// Has each of the programs that are there verify a signature by `key`. Returns what was found out.
pub(crate) fn verify(key: &SigningKey, context: &RunContext) -> Result<String, Failure> {
    let failed =
        |error: io::Error| Failure::new(Fault::Spool, format!("cannot have a signature verified: {error}"));
    let home = tempfile::Builder::new().prefix("intraware-key-").tempdir().map_err(failed)?;
    let mut signer = key.signer(context.now())?;
    signer.write_all(PAYLOAD).map_err(failed)?;
    let signature = signer.finish()?;
    for (name, bytes) in [
        ("key.gpg", key.verifier().to_binary()?),
        ("signature.asc", signature),
        ("payload", PAYLOAD.to_vec()),
    ] {
        std::fs::write(home.path().join(name), bytes).map_err(failed)?;
    }
    let mut told = Vec::new();
    for tool in &TOOLS {
        told.push(match look(tool, &home).map_err(failed)? {
            None => format!("{} is not on this host", tool.name),
            Some(output) if output.status.success() => format!("{} verifies it", tool.name),
            Some(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.lines().last().unwrap_or_default();
                let message = format!(
                    "{} of this host does not verify what the key signs, so customers cannot either: {}; make \
                     another with `gpg --quick-generate-key 'NAME <ADDRESS>' ed25519 sign 2y`",
                    tool.name,
                    foreign::escape(last)
                );
                return Err(Failure::new(Fault::Access, message));
            }
        });
    }
    Ok(told.join(", "))
}

/// Has a program verify the signature; `None` if this host does not have it.
fn look(tool: &Tool, home: &TempDir) -> io::Result<Option<Output>> {
    if tool.name == "gpg" {
        let key = home.path().join("key.gpg");
        // One that it does not take is told by what follows.
        let import =
            [OsStr::new("--homedir"), home.path().as_os_str(), OsStr::new("--import"), key.as_os_str()];
        if run(tool.name, &import)?.is_none() {
            return Ok(None);
        }
    }
    let mut arguments = (tool.verify)(home.path());
    arguments.extend(["signature.asc", "payload"].map(|name| home.path().join(name).into()));
    run(tool.name, &arguments)
}

fn run(program: &str, arguments: &[impl AsRef<OsStr>]) -> io::Result<Option<Output>> {
    let mut command = Command::new(program);
    if program == "gpg" {
        command.args(["--batch", "--no-tty", "--no-autostart"]);
    }
    match command.args(arguments).env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).output() {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
