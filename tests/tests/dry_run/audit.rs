//! A run that must change nothing, and how one knows: trees byte for byte, records, calls to Salesforce,
//! system calls.

use std::path::Path;

use intraware_tests::tree::Tree;
use intraware_tests::{BUILD, Program, Run, trace};
use serde_json::Value;

use crate::scene::Scene;

/// Calls that change a file, a directory or what is known about one, whatever they are given.
const CHANGING: &str = "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,mknod,\
    mknodat,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,utime,utimes,utimensat,futimesat,truncate,ftruncate,\
    fallocate,setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr,creat,bind,mount,umount2";

/// Calls that change something or not, by what they are given.
const WRITING: &str =
    "open,openat,openat2,write,writev,pwrite64,pwritev,pwritev2,sendfile,copy_file_range,splice,mmap";

impl Scene {
    /// Reads all that a run could change.
    fn state(&self) -> (Tree, Vec<Value>) {
        let dirs = ["spool", "var", "etc", "home", "builds1"].map(|name| self.bench.path(name));
        let site = self.bench.site_file("");
        let tree = Tree::read(dirs.iter().chain([&site]).map(|dir| dir.as_path()));
        (tree, self.records())
    }

    fn records(&self) -> Vec<Value> {
        match self.is_salesforce() {
            true => self.bench.salesforce().records(BUILD),
            false => Vec::new(),
        }
    }

    fn is_salesforce(&self) -> bool {
        !self.bench.path("var/records.db").exists()
    }

    /// Returns the calls to Salesforce from `from` on.
    fn calls(&self, from: usize) -> Vec<String> {
        if self.is_salesforce() { self.bench.salesforce().log().split_off(from) } else { Vec::new() }
    }

    /// Runs a program that must change nothing, and returns what it says.
    #[track_caller]
    pub(crate) fn audit(&self, program: Program, arguments: &[&str]) -> Run {
        let (before, calls) = (self.state(), self.calls(0).len());
        let command = self.bench.command(program, arguments);
        let (run, log) = trace::calls(command, &format!("{CHANGING},{WRITING}"));
        let forbidden: Vec<&String> = log.iter().filter(|line| changes_something(line)).collect();
        assert!(forbidden.is_empty(), "{program:?} {arguments:?}: {forbidden:#?}");
        let printed = log.iter().filter(|line| line.contains("write(1<")).count();
        assert!(printed > 0, "strace has not seen what was printed: {log:#?}");
        let after = self.state();
        assert_eq!(before.0.differences(&after.0), Vec::<&Path>::new(), "{program:?} {arguments:?}");
        assert_eq!(before.1, after.1);
        for call in self.calls(calls) {
            let reads = call.starts_with("GET /services/data/") || call == "POST /services/oauth2/token";
            assert!(reads, "{program:?} {arguments:?} calls {call}");
        }
        run.expect(0)
    }
}

/// Returns whether a line of strace tells of a call that could change anything but standard output, standard
/// error or the state of a connection.
fn changes_something(line: &str) -> bool {
    let call = line.split_once(' ').map_or(line, |(_pid, call)| call.trim_start());
    let (name, arguments) = call.split_once('(').unwrap_or((call, ""));
    match name {
        "open" | "openat" | "openat2" => ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"]
            .iter()
            .any(|flag| arguments.contains(flag)),
        // A private mapping is the program's own memory.
        "mmap" => arguments.contains("MAP_SHARED") && arguments.contains("PROT_WRITE"),
        "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" => {
            let target = arguments.split(',').next().unwrap_or_default();
            let is_output = target.starts_with("1<") || target.starts_with("2<");
            !is_output
                && !target.contains("<socket:")
                && !target.contains("<TCP")
                && !target.contains("<UNIX")
        }
        _ => CHANGING.split(',').chain(WRITING.split(',')).any(|known| known == name),
    }
}
