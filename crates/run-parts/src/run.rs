//! One program, run to its end or to the end of its time.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, setsid, umask, waitid};

use crate::said::Said;

/// Where programs are looked for that hooks call.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What may be done to files that a hook makes: as everybody expects of files that others shall read.
const UMASK: u32 = 0o022;
/// How often is looked whether a program has ended that has closed its output, or says nothing.
const LOOK: Duration = Duration::from_millis(20);
/// How long a program has to end by itself when its time is over.
const GRACE: Duration = Duration::from_secs(5);
/// How much is read of a pipe at a time, and what Linux keeps in one by itself.
const PIPE: usize = 64 << 10;
/// How much of the end of the output a sentence about it holds, in bytes.
const TOLD: usize = 480;

/// How a program is called.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its environment, besides `PATH`, which one of the same name replaces.
    pub environment: Vec<(OsString, OsString)>,
    /// The directory that it works in.
    pub current_dir: &'a Path,
    /// How long it may take.
    pub time: Duration,
    /// Where its standard output goes, if that is not kept with what it says.
    pub output: Option<&'a File>,
}

/// What became of a program.
#[derive(Debug)]
pub struct Outcome {
    /// The program.
    pub program: PathBuf,
    /// How it ended.
    pub end: End,
    /// What it printed on standard output and standard error.
    pub said: Said,
}

/// How a program ended.
#[derive(Debug)]
pub enum End {
    /// By itself, or by a signal that we did not send.
    Status(ExitStatus),
    /// Its time was over, and it was killed.
    TimeOver(Duration),
    /// It could not be run at all, or not be waited for.
    NotRun(io::Error),
}

impl Outcome {
    /// Returns whether it ended with exit status 0 in its time.
    pub fn is_success(&self) -> bool {
        matches!(self.end, End::Status(status) if status.success())
    }

    /// Returns what became of it as a sentence without its name, with the end of what it said, which `escape`
    /// makes fit for one line.
    pub fn told(&self, escape: impl Fn(&[u8]) -> String) -> String {
        let mut told = match &self.end {
            End::Status(status) if status.success() => "done".to_owned(),
            End::Status(status) => match status.signal() {
                Some(signal) => format!("was ended by signal {signal}"),
                None => format!("ended with {status}"),
            },
            End::TimeOver(time) => format!("did not end in {} s, and was killed", time.as_secs_f64()),
            End::NotRun(error) => format!("cannot be run: {error}"),
        };
        let said = self.said.end(TOLD);
        if !said.is_empty() {
            told.push_str("; it says: ");
            told.push_str(&escape(&said));
        }
        told
    }
}

/// Runs a program to its end, or kills it with all that it has started when its time is over.
pub fn run(program: &Path, call: &Call<'_>) -> Outcome {
    let mut said = Said::default();
    let end = start(program, call).and_then(|(child, output)| attend(child, output, call.time, &mut said));
    Outcome { program: program.to_owned(), end: end.unwrap_or_else(End::NotRun), said }
}

fn start(program: &Path, call: &Call<'_>) -> io::Result<(Child, PipeReader)> {
    is_executable_format(program)?;
    let (output, ours) = io::pipe()?;
    fcntl_setfl(&output, fcntl_getfl(&output)? | OFlags::NONBLOCK)?;
    let mut command = Command::new(program);
    command
        .args(&call.arguments)
        .env_clear()
        .env("PATH", PATH)
        .envs(call.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(call.current_dir)
        .stdin(Stdio::null())
        .stdout(match call.output {
            Some(file) => Stdio::from(file.try_clone()?),
            None => Stdio::from(ours.try_clone()?),
        })
        .stderr(ours);
    // SAFETY: it is run in the child between fork and exec, where nothing may be allocated or locked. Both
    // are one call of the kernel each and touch no memory of the process.
    unsafe {
        command.pre_exec(|| {
            setsid()?;
            umask(Mode::from_raw_mode(UMASK));
            Ok(())
        });
    }
    Ok((command.spawn()?, output))
}

/// Fails for what the kernel would not execute.
///
/// Where something is done between fork and exec, the standard library calls execvp, which has a shell run
/// what the kernel refuses: a file that was cut to nothing would be a script that succeeds.
fn is_executable_format(program: &Path) -> io::Result<()> {
    let mut magic = Vec::new();
    match File::open(program).and_then(|file| file.take(4).read_to_end(&mut magic)) {
        Ok(_) if magic.starts_with(b"#!") || magic == b"\x7fELF" => Ok(()),
        Ok(_) => Err(Errno::NOEXEC.into()),
        // Who may execute it need not be able to read it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

/// Reads what the program prints until it has ended, or its time is over.
fn attend(mut child: Child, mut output: PipeReader, time: Duration, said: &mut Said) -> io::Result<End> {
    let mut deadline = Instant::now() + time;
    let mut asked = false;
    let mut is_open = true;
    while !has_ended(&child)? {
        let now = Instant::now();
        if now >= deadline {
            kill(&child, if asked { Signal::KILL } else { Signal::TERM });
            (asked, deadline) = (true, now + GRACE);
        }
        match is_open {
            true if is_readable(&output)? => is_open = read(&mut output, said)? > 0,
            true => {}
            false => thread::sleep(LOOK),
        }
    }
    // What it has started and left behind, before its process id is free to be another's.
    kill(&child, Signal::KILL);
    let status = child.wait()?;
    if is_open {
        // What was printed last. Somebody with a session of his own could go on printing, so there is an end
        // to it.
        let mut left = PIPE;
        while left > 0 && is_ready(&output)? {
            match read(&mut output, said)? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
    }
    Ok(if asked { End::TimeOver(time) } else { End::Status(status) })
}

/// Returns whether it has ended, and lets it keep its process id.
fn has_ended(child: &Child) -> io::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(Pid::from_child(child)), options)?.is_some())
}

fn is_readable(output: &PipeReader) -> io::Result<bool> {
    wait_for(output, LOOK)
}

fn is_ready(output: &PipeReader) -> io::Result<bool> {
    wait_for(output, Duration::ZERO)
}

fn wait_for(output: &PipeReader, time: Duration) -> io::Result<bool> {
    let time = Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) };
    match poll(&mut [PollFd::new(output, PollFlags::IN)], Some(&time)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Returns how much was read; nothing means that nobody has the other end any more.
fn read(output: &mut PipeReader, said: &mut Said) -> io::Result<usize> {
    let mut buffer = [0; PIPE];
    match output.read(&mut buffer) {
        Ok(count) => {
            said.take(&buffer[..count]);
            Ok(count)
        }
        // Nothing after all; it is open, so this is not the end.
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(1),
        Err(error) => Err(error),
    }
}

fn kill(child: &Child, signal: Signal) {
    // A group that is empty is as dead as wanted.
    let _ = kill_process_group(Pid::from_child(child), signal);
}
