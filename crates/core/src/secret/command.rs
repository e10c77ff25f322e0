//! Asks a program for a secret: `pass`, `vault`, `systemd-creds` and the like.
//!
//! There is no shell in between, nothing to read on the program's stdin, and its stderr goes nowhere,
//! since nobody can know whether it repeats the secret. It runs in a process group of its own, which is
//! killed when the time is over, so that no helper of it lives on.

use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::{Zeroize as _, Zeroizing};

use super::{CommandFailure, MAX_SECRET};

/// How long a program may take to print a secret.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(10);

/// How often a program that has printed its line is asked whether it has ended.
const PAUSE: Duration = Duration::from_millis(5);

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

/// Waits for line and end; none when the deadline comes first.
fn watch(child: &mut Child, stdout: impl Read + Send + 'static, deadline: Instant) -> Option<Answer> {
    let (sender, receiver) = mpsc::channel();
    // Not joined: a grandchild that keeps the pipe open must not keep us. The thread ends with the pipe.
    std::thread::spawn(move || read_line(stdout, &sender));
    let line = receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some((line, status)),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            _ => return None,
        }
    }
}

/// Sends the first line as soon as it is there, then reads on, so that the program can finish.
fn read_line(mut stdout: impl Read, sender: &mpsc::Sender<Option<Zeroizing<Vec<u8>>>>) {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 1));
    let mut chunk = Zeroizing::new([0_u8; 512]);
    let mut sent = false;
    loop {
        let read = match stdout.read(chunk.as_mut_slice()) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        if !sent {
            let end = chunk[..read].iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(read)];
            let fits = line.len() + part.len() <= MAX_SECRET;
            if fits {
                line.extend_from_slice(part);
            }
            if !fits || end.is_some() {
                sent = true;
                let whole = std::mem::take(&mut line);
                // The receiver may have given up; then there is nobody to tell.
                let _ = sender.send(fits.then_some(whole));
            }
        }
        chunk.zeroize();
    }
    if !sent {
        let _ = sender.send(Some(line));
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
