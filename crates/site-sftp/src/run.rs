//! A script that the server's account runs, from its beginning to its end.
//!
//! A server hands a command to the account's login shell, which may be any shell, with quoting of its own.
//! All that it is asked for here is `exec sh`, which every shell understands in the same way; that `sh` reads
//! the script, so that no word of it is ever quoted for anything but a POSIX shell, or stands in the list of
//! processes. Errors come in among what is said, in one stream: there is nothing that could fill up while
//! something else is read.

use std::ops::ControlFlow;
use std::time::Instant;

use ssh2::ExtendedData;

use super::failure::{Failure, code};
use super::link::Link;
use super::wire::{Channel as _, Wire as _, Words};
use intraware_core::foreign;
use intraware_core::site::pace::Patience;
use intraware_core::site::{Ran, SiteError, SiteErrorKind};

/// What is asked of the server.
const COMMAND: &str = "exec sh";

/// Hears what a script says; asked at least once a second, with nothing if nothing was said.
type Hear<'a> = dyn FnMut(&[u8]) -> ControlFlow<()> + 'a;

/// Runs a script; `None` if `hear` did not want to hear its end, which ends the connection.
pub(super) fn run(link: &Link, script: &str, hear: &mut Hear<'_>) -> Result<Option<Ran>, SiteError> {
    let doing = "running a script";
    converse(link, script, hear).map_err(|failure| match failure {
        failure if failure.is_of(code::CHANNEL_REQUEST_DENIED) => {
            let text = format!(
                "{doing} at site {}: the server runs no commands for this account; have that allowed there",
                link.peer
            );
            SiteError::new(SiteErrorKind::Unsupported, text)
        }
        failure => link.error(doing, failure),
    })
}

fn converse(link: &Link, script: &str, hear: &mut Hear<'_>) -> Result<Option<Ran>, Failure> {
    let mut channel = link.ask(|| Ok(link.ssh.channel_session()?))?;
    channel.handle_extended_data(ExtendedData::Merge)?;
    link.ask(|| Ok(channel.exec(COMMAND)?))?;
    let mut out = Words::default();
    out.end().extend_from_slice(script.as_bytes());
    let (mut is_said, mut buffer) = (false, [0; 4096]);
    loop {
        let patience = Patience::Until(Instant::now() + link.io_timeout);
        let mut is_enough = false;
        let heard = link.drive(patience, || {
            if !is_said && out.push(&mut channel, link)? {
                channel.send_eof()?;
                is_said = true;
            }
            match channel.read(link, &mut buffer) {
                Err(failure) if failure.is_pending() && hear(&[]).is_break() => {
                    is_enough = true;
                    Ok(0)
                }
                heard => heard,
            }
        })?;
        if is_enough || (heard > 0 && hear(&buffer[..heard]).is_break()) {
            link.give_up();
            return Ok(None);
        }
        if heard == 0 {
            break;
        }
    }
    link.ask(|| Ok(channel.wait_close()?))?;
    let signal = channel.exit_signal()?.exit_signal.map(foreign::escape);
    let status = channel.exit_status()?;
    Ok(Some(Ran { status: signal.is_none().then_some(status), signal }))
}
