//! Asks a program for a secret: `pass`, `vault`, `systemd-creds` and the like.
//!
//! There is no shell in between, nothing to read on the program's stdin, and its stderr goes nowhere,
//! since nobody can know whether it repeats the secret. It runs in a process group of its own, which is
//! killed when the time is over, so that no helper of it lives on.
//!
//! What it prints is complete when the program itself has ended. The pipe's end says less: a daemon that the
//! program has left behind (an agent that it has started, for one) may hold that open for ever.

use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::{Zeroize as _, Zeroizing};

use super::{CommandFailure, MAX_SECRET};

/// How long a program may take to print a secret.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(10);

/// How often a program is asked whether it has ended, and its pipe what it has printed.
const PAUSE: Duration = Duration::from_millis(5);

/// As much as is read at a time: all that a pipe holds, so that what was printed is read when the program has
/// ended.
const MOST_AT_A_TIME: usize = 1 << 20;

/// Runs `words` and returns the first line it prints, if it then ends well within `limit`.
pub(super) fn first_line(words: &[String], limit: Duration) -> Result<Zeroizing<Vec<u8>>, CommandFailure> {
    let deadline = Instant::now() + limit;
    let (program, arguments) =
        words.split_first().ok_or_else(|| CommandFailure::Start("no program is named".into()))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| CommandFailure::Start(error.kind().to_string()))?;
    let answer = match child.stdout.take() {
        Some(stdout) => watch(&mut child, stdout, deadline),
        None => None,
    };
    match answer {
        Some((_, status)) if !status.success() => Err(CommandFailure::Status(status.to_string())),
        Some((Some(line), _)) => Ok(line),
        Some((None, _)) => Err(CommandFailure::TooLong),
        None => {
            stop(&mut child);
            Err(CommandFailure::Timeout(limit.as_secs()))
        }
    }
}

/// The first line, or none if it was too long; and how the program ended.
type Answer = (Option<Zeroizing<Vec<u8>>>, ExitStatus);

/// Reads until the program ends; none when the deadline comes first.
fn watch(child: &mut Child, mut stdout: ChildStdout, deadline: Instant) -> Option<Answer> {
    // Nobody waits for the pipe, only for the program.
    let flags = rustix::fs::fcntl_getfl(&stdout).ok()?;
    rustix::fs::fcntl_setfl(&stdout, flags | OFlags::NONBLOCK).ok()?;
    let mut line = FirstLine::default();
    loop {
        // In this order: what it has printed by its end is in the pipe then.
        let ended = child.try_wait();
        line.read(&mut stdout);
        match ended {
            Ok(Some(status)) => return Some((line.whole(), status)),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            _ => return None,
        }
    }
}

/// The first line of what is printed, as far as it is there.
#[derive(Default)]
struct FirstLine {
    line: Zeroizing<Vec<u8>>,
    is_complete: bool,
    is_too_long: bool,
}

impl FirstLine {
    /// Reads what there is, and what follows the line as well, so that the program can finish.
    fn read(&mut self, stdout: &mut impl Read) {
        let mut chunk = Zeroizing::new([0_u8; 512]);
        let mut left = MOST_AT_A_TIME;
        while left > 0 {
            let read = match stdout.read(chunk.as_mut_slice()) {
                Ok(0) => return,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // There is nothing now, or never will be.
                Err(_) => return,
            };
            self.take(&chunk[..read]);
            chunk.zeroize();
            left = left.saturating_sub(read);
        }
    }

    fn take(&mut self, chunk: &[u8]) {
        if self.is_complete {
            return;
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        self.is_too_long = self.line.len() + part.len() > MAX_SECRET;
        self.is_complete = self.is_too_long || end.is_some();
        if !self.is_too_long {
            // It never grows past what it has room for, so that no copy stays behind.
            let room = (MAX_SECRET + 1).saturating_sub(self.line.len());
            self.line.reserve_exact(room);
            self.line.extend_from_slice(part);
        }
    }

    fn whole(self) -> Option<Zeroizing<Vec<u8>>> {
        (!self.is_too_long).then_some(self.line)
    }
}

/// Kills the program and all that it started in its group. It is not reaped yet, so its number is
/// still its own.
fn stop(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id())
        && let Some(group) = Pid::from_raw(group)
    {
        // Gone already is as good as killed.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}
