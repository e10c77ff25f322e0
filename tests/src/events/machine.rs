//! A machine for one event: this one's files under an overlay that is gone afterwards, with mounts,
//! processes, network and host name of its own.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::row::Row;

/// Makes the machine in the new namespaces, and goes on there. Its arguments: a directory to mount at, the
/// repository, what is to be kept, the program and what it is to do.
const ENTER: &str = r#"
set -eu
at=$1 repository=$2 kept=$3
shift 3
mount -t tmpfs -o mode=0755 machine "$at"
mkdir "$at/upper" "$at/work" "$at/root"
mount -t overlay machine -o "lowerdir=/,upperdir=$at/upper,workdir=$at/work" "$at/root"
cd "$at/root"
mkdir -p ".$repository" ./kept
mount --rbind -o ro "$repository" ".$repository"
mount --bind "$kept" ./kept
mount -t proc proc ./proc
mount --rbind /dev ./dev
mount -t tmpfs -o mode=1777 tmp ./tmp
mount -t tmpfs -o mode=0755 run ./run
hostname ebb
ip link set lo up
exec chroot . "$@"
"#;

/// A machine that runs, with the event that happens on it.
pub(crate) struct Machine {
    unshare: Child,
}

impl Machine {
    /// Starts a machine on which this event happens. What is worth a look afterwards is kept below `files`.
    pub(crate) fn start(event: usize, files: &Path) -> Self {
        let kept = files.join(format!("event-{event}"));
        // There may be none.
        let _ = fs::remove_dir_all(&kept);
        let at = kept.join("machine");
        fs::create_dir_all(&at).expect("a directory");
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a repository");
        let mut unshare = Command::new("unshare");
        unshare.args([
            "--mount",
            "--pid",
            "--net",
            "--uts",
            "--ipc",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            ENTER,
            "sh",
        ]);
        unshare.arg(&at).arg(repository).arg(&kept);
        unshare.arg(std::env::current_exe().expect("this program")).arg("--files").arg(files);
        unshare.args(["--on-its-machine", &event.to_string()]);
        // When this program ends, however it does, the end of that pipe ends the machine.
        unshare.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self { unshare: unshare.spawn().expect("unshare") }
    }

    /// Waits for the end of the event.
    pub(crate) fn row(mut self, event: usize) -> Row {
        let mut said = String::new();
        let stdout = self.unshare.stdout.as_mut().expect("a pipe");
        stdout.read_to_string(&mut said).expect("what the machine says");
        self.unshare.wait().expect("a child ends");
        let row = said.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
        row.as_ref().map_or_else(|| Row::failed(event, "its machine said nothing"), Row::from_json)
    }
}

/// Ends the machine that this process is the first of, when who has started it is gone.
#[expect(clippy::disallowed_methods, reason = "it is the end of the machine, whatever happens on it")]
pub(crate) fn end_with_its_starter() {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
}
