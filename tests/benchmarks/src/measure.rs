//! What a run costs: wall time, CPU time and memory of all its processes together.
//!
//! Wall time is from before the start of the first process until its end has been seen. CPU time is what the
//! kernel has added up for our children, and for theirs as far as they waited for them; it is exact. Commands
//! that do not wait for all they start are measured in a process that does (`apart`).
//!
//! The kernel adds up no memory, and what it tells at a process's end is the largest of all and not their sum
//! (and counts in what the process was before it became the program). So the processes are looked at while
//! they run, every few milliseconds: for each the kernel keeps the most memory it ever had as this program,
//! and these are added over the processes that live. The last look misses what a process takes in its last
//! milliseconds: of manage, half a MiB. The sum counts memory that processes share once for each, and peaks
//! as if they came at once; both are against pipelines, by a few MiB.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, PidfdFlags, WaitOptions, getpid, pidfd_open, set_child_subreaper, wait};

use crate::failure::{Doing as _, Failure};
use crate::process;

/// How long a process may grow unseen. Looking costs some 50 µs each time.
const BETWEEN_LOOKS: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// What one run cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cost {
    pub(crate) wall_s: f64,
    /// User and system.
    pub(crate) cpu_s: f64,
    pub(crate) peak_kib: u64,
    /// How much of all cores others had meanwhile, from 0 to 1: other processes, the kernel's threads, the
    /// hypervisor.
    pub(crate) others: f64,
}

/// Runs a command to its end, with nothing on standard input. What it says goes to the file `said`; it is
/// part of the error if the command fails.
pub(crate) fn run(command: &mut Command, said: &Path) -> Result<Cost, Failure> {
    run_until(command, said, None)
}

/// The same, but CPU time includes that of processes which the command has left behind and which end now.
/// When the time is over, all of them are killed, and the command has failed. For a process that has no other
/// children.
pub(crate) fn run_to_the_last(command: &mut Command, said: &Path, limit: Duration) -> Result<Cost, Failure> {
    set_child_subreaper(Some(getpid())).doing(|| "cannot adopt processes".to_owned())?;
    run_until(command, said, Some(Instant::now() + limit))
}

fn run_until(command: &mut Command, said: &Path, last: Option<Instant>) -> Result<Cost, Failure> {
    let shown = shown(command);
    let output = || File::create(said).and_then(|file| Ok((file.try_clone()?, file)));
    let (stdout, stderr) = output().doing(|| format!("cannot write {}", said.display()))?;
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    let meter = Meter::start()?;
    let mut child = command.spawn().doing(|| format!("cannot start {shown}"))?;
    let peak_kib = watch(&child, last).doing(|| format!("cannot watch {shown}"))?;
    let ended = child.wait().doing(|| format!("cannot wait for {shown}"))?;
    let wall_s = meter.start.elapsed().as_secs_f64();
    if let Some(last) = last {
        wait_for_the_others(last).doing(|| format!("cannot wait for what {shown} has left behind"))?;
    }
    let spent = meter.stop()?;
    if !ended.success() {
        let said = fs::read_to_string(said).unwrap_or_default();
        let how = ended.code().map_or_else(
            || format!("signal {}", ended.signal().unwrap_or_default()),
            |code| format!("status {code}"),
        );
        let late = last.filter(|last| Instant::now() > *last).map_or("", |_| " because its time was over");
        return Err(Failure::new(format!("{shown} ended with {how}{late}: {}", said.trim_end())));
    }
    Ok(Cost { wall_s, cpu_s: spent.children_cpu_s, peak_kib, others: spent.others })
}

/// Counts time from a moment on.
pub(crate) struct Meter {
    start: Instant,
    busy_s: f64,
    /// Of this process, of all below it, and of those that have ended.
    all_cpu_s: f64,
    children_cpu_s: f64,
}

/// What a [`Meter`] has counted.
pub(crate) struct Spent {
    children_cpu_s: f64,
    /// As in [`Cost`].
    pub(crate) others: f64,
}

impl Meter {
    pub(crate) fn start() -> Result<Self, Failure> {
        let (busy_s, all_cpu_s) = (busy_s()?, process::cpu_s(own_pid()));
        Ok(Self { busy_s, all_cpu_s, children_cpu_s: children_cpu_s()?, start: Instant::now() })
    }

    pub(crate) fn stop(self) -> Result<Spent, Failure> {
        let wall_s = self.start.elapsed().as_secs_f64();
        let children_cpu_s = children_cpu_s()? - self.children_cpu_s;
        let others_s = busy_s()? - self.busy_s - (process::cpu_s(own_pid()) - self.all_cpu_s);
        // The kernel counts the cores' time in ticks, so that the difference may be below nothing.
        let others = (others_s / (wall_s * cores() as f64)).clamp(0.0, 1.0);
        Ok(Spent { children_cpu_s, others })
    }
}

/// Runs a command outside of any measurement and returns what it says on standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    output_from(command, Stdio::null())
}

/// The same, with something on standard input.
pub(crate) fn output_from(command: &mut Command, stdin: impl Into<Stdio>) -> Result<String, Failure> {
    let shown = shown(command);
    let output = command.stdin(stdin).output().doing(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("{shown} ended with {}: {}", output.status, said.trim_end())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns how many threads run at once.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Returns a command in one line.
fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Looks at a child until it has ended, and kills it and all below it when the time is over. Returns the
/// largest sum of memory in KiB.
fn watch(child: &Child, last: Option<Instant>) -> Result<u64, Errno> {
    let pid = Pid::from_child(child);
    let end = pidfd_open(pid, PidfdFlags::empty())?;
    let mut peak_kib = 0;
    loop {
        if last.is_some_and(|last| Instant::now() > last) {
            process::kill(pid.as_raw_nonzero().get());
        }
        peak_kib = peak_kib.max(process::memory_kib(pid.as_raw_nonzero().get()));
        match poll(&mut [PollFd::new(&end, PollFlags::IN)], Some(&BETWEEN_LOOKS)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(peak_kib),
            Err(errno) => return Err(errno),
        }
    }
}

/// Waits for all children, and kills them when the time is over.
fn wait_for_the_others(last: Instant) -> Result<(), Errno> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Err(Errno::CHILD) => return Ok(()),
            Err(Errno::INTR) | Ok(Some(_)) => {}
            Ok(None) if Instant::now() > last => {
                process::children(own_pid()).into_iter().for_each(process::kill)
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            Err(errno) => return Err(errno),
        }
    }
}

/// Returns user and system time of the children that have ended and were waited for.
fn children_cpu_s() -> Result<f64, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).doing(|| "cannot ask for the CPU time".to_owned())?;
    let seconds = |time: TimeVal| time.num_microseconds() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

fn own_pid() -> i32 {
    getpid().as_raw_nonzero().get()
}

/// Returns how long all cores together have been at work since the host started.
fn busy_s() -> Result<f64, Failure> {
    let stat = fs::read_to_string("/proc/stat").doing(|| "cannot read /proc/stat".to_owned())?;
    Ok(busy_ticks(&stat).ok_or_else(|| Failure::new("/proc/stat has no line for all cores"))?
        / clock_ticks_per_second() as f64)
}

/// Adds user, nice, system, irq, softirq and steal; leaves out idle, iowait and what is counted twice.
fn busy_ticks(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks[..] else { return None };
    Some(user + nice + system + irq + softirq + steal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_time_of_processes_below_a_shell_is_counted() {
        let said = std::env::temp_dir().join(format!("bench-measure.{}", std::process::id()));
        let spin = "while read -ra f </proc/$BASHPID/stat; do ((f[13] + f[14] < 20)) || exit 0; done";
        let cost = run(Command::new("bash").args(["-c", &format!("({spin}); true")]), &said).unwrap();
        fs::remove_file(said).unwrap();
        assert!(cost.cpu_s >= 0.19, "{cost:?}");
        assert!(cost.wall_s > 0.0 && cost.peak_kib > 1024, "{cost:?}");
    }

    #[test]
    fn a_command_that_fails_is_no_measurement() {
        let said = std::env::temp_dir().join(format!("bench-fails.{}", std::process::id()));
        let error = run(Command::new("sh").args(["-c", "echo no disk >&2; exit 3"]), &said).unwrap_err();
        fs::remove_file(said).unwrap();
        assert!(error.line().ends_with("ended with status 3: no disk"), "{}", error.line());
    }

    #[test]
    fn idle_time_is_not_busy() {
        let stat = "cpu  10 1 5 1000 50 2 3 4 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(busy_ticks(stat), Some(25.0));
        assert_eq!(busy_ticks("intr 5\n"), None);
    }
}
