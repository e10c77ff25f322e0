//! Processes and those below them, as `/proc` shows them.

use std::fs;

use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, getpid, kill_process};

/// Returns the memory in KiB of a process and of its descendants, each at its own peak. One that ends
/// meanwhile counts nothing.
pub(crate) fn memory_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let own = field_kib(&status, "VmHWM:").unwrap_or(0);
    own + children(pid).into_iter().map(memory_kib).sum::<u64>()
}

/// Returns the CPU time of a process, of its descendants, and of those among them that have ended, in ticks'
/// precision.
pub(crate) fn cpu_s(pid: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let own = cpu_ticks(&stat).unwrap_or(0.0) / clock_ticks_per_second() as f64;
    own + children(pid).into_iter().map(cpu_s).sum::<f64>()
}

/// Returns whether this process has children that have not ended.
pub(crate) fn has_children() -> bool {
    let stat = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let has_ended = |stat: String| stat.rsplit_once(')').is_none_or(|(_, rest)| rest.starts_with(" Z"));
    !children(getpid().as_raw_nonzero().get()).iter().map(stat).all(has_ended)
}

/// Returns how many processes have wanted to run of late: over one minute, as the kernel says it.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

/// Kills a process and all below it, those first.
pub(crate) fn kill(pid: i32) {
    children(pid).into_iter().for_each(kill);
    // One that has ended meanwhile is as dead as wanted.
    let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
}

/// Returns the children of all threads of a process.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of_task = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let ids = |list: String| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<i32>>();
    tasks.map(of_task).flat_map(ids).collect()
}

/// Returns the value of a line like `VmHWM:     5012 kB`.
pub(crate) fn field_kib(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}

/// Adds a process's user and system time and that of the children it has waited for.
fn cpu_ticks(stat: &str) -> Option<f64> {
    // The name before it may hold anything, also spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let times = fields.split_whitespace().skip(11).take(4).map(str::parse::<f64>);
    times.sum::<Result<f64, _>>().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_memory_of_all_processes_below_one_is_added() {
        // Each tail fills up and then waits for the end of its input, which comes with the end of ours.
        let hold = "{ head -c 64M /dev/zero; cat; } | tail -c 64M >/dev/null";
        let script = format!("exec 3<&0; {{ {hold}; }} <&3 & {{ {hold}; }} <&3; wait");
        let mut shell = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&shell).as_raw_nonzero().get();
        let start = std::time::Instant::now();
        while memory_kib(pid) < 2 * (64 << 10) {
            assert!(start.elapsed().as_secs() < 60, "it has {} KiB", memory_kib(pid));
            std::thread::yield_now();
        }
        assert!(memory_kib(pid) < 3 * (64 << 10), "it has {} KiB", memory_kib(pid));
        drop(shell.stdin.take());
        assert!(shell.wait().unwrap().success());
    }

    #[test]
    fn a_name_may_hold_what_separates_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 1 0 5 6 7\n";
        assert_eq!(cpu_ticks(stat), Some(100.0));
    }
}
