//! A spool that is not mounted, not made, or another user's.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::process::{Child, Command, Stdio};

use intraware_tests::{Bench, Program, Run, Running};
use serde_json::json;

use super::{USER, as_root, as_user, fill, give, remedy, shell, type_as_root};

/// A mount namespace with an fstab of its own, which ends when it is dropped.
struct Namespace(Child);

impl Namespace {
    fn new(bench: &Bench, fstab: &str) -> Self {
        let file = bench.path("fstab");
        fs::write(&file, fstab).expect("an fstab");
        let ready = bench.path("ready");
        let line = format!(
            "mount --bind {} /etc/fstab && touch {} && exec sleep 1000",
            file.display(),
            ready.display()
        );
        let mut command = Command::new("/usr/bin/unshare");
        command.args(["--mount", "--propagation", "private", "/bin/sh", "-c", &line]).stdin(Stdio::null());
        let namespace = Self(command.spawn().expect("unshare"));
        for _ in 0..1000 {
            if ready.exists() {
                return namespace;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the namespace is not made");
    }

    /// Runs a command within.
    fn run(&self, plain: &Command) -> Run {
        let mut command = Command::new("/usr/bin/nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.0.id())).arg("--");
        command.arg(plain.get_program()).args(plain.get_args()).env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(plain.get_current_dir().expect("a directory"));
        Running::start(command).wait()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes a bench whose spool, with a build in it, is a file system that fstab names, and not mounted.
fn unmounted() -> (Bench, Namespace) {
    let mut bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill);
    bench.deliver();
    fs::rename(bench.path("spool"), bench.path("disk")).expect("the spool elsewhere");
    let (point, disk) = (bench.path("mnt"), bench.path("disk"));
    fs::create_dir(&point).expect("a mount point");
    bench.set("spool.root", json!(point));
    let fstab = format!("{} {} none bind 0 0\n", disk.display(), point.display());
    let namespace = Namespace::new(&bench, &fstab);
    (bench, namespace)
}

#[test]
fn newcomer_s2_a_spool_that_is_not_mounted_names_the_mount_and_nothing_of_init() {
    let (bench, namespace) = unmounted();
    let calls: [(Program, &[&str]); 5] = [
        (Program::Manage, &["run"]),
        (Program::Manage, &["status"]),
        (Program::Upload, &["run"]),
        (Program::Manage, &["init"]),
        (Program::Manage, &["init", "--new", "--as-root"]),
    ];
    let mount = format!("mount {}", bench.path("mnt").display());
    for (program, arguments) in calls {
        let run = namespace.run(&bench.command(program, arguments)).expect(74);
        assert_eq!(remedy(&run, "mount"), mount);
        assert!(!run.stderr.contains("manage init"), "{run:?}");
        assert_eq!(fs::read_dir(bench.path("mnt")).expect("the mount point").count(), 0, "nothing is made");
    }
    namespace.run(&shell(&bench, &mount)).expect(0);
    let status = namespace.run(&bench.command(Program::Manage, &["status"])).expect(0);
    assert!(status.stdout.contains("Completed"), "{status:?}");
    namespace.run(&bench.command(Program::Manage, &["run"])).expect_silence();
}

#[test]
fn newcomer_s2_where_records_tell_of_a_spool_none_is_made_unless_that_is_said() {
    let mut bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill);
    bench.manage(&["run"]).expect_silence();
    bench.set("spool.root", json!(bench.path("other")));
    let run = bench.manage(&["run"]).expect(74).complains(&["mount the file system", "p1 is In Process"]);
    assert!(!run.stderr.contains("init"), "{run:?}");
    let refused = bench.manage(&["init", "--as-root"]).expect(74).complains(&["p1 is In Process"]);
    assert!(!bench.path("other").exists(), "{refused:?}");
    assert_eq!(remedy(&refused, "manage"), "manage init --new");
    // It is the programs' user who types it.
    bench.manage(&["init", "--new", "--as-root"]).expect(0);
    bench.manage(&["status"]).expect(0);
}

#[test]
fn newcomer_s2_the_first_spool_is_made_as_the_message_says() {
    let mut bench = Bench::builder().build();
    let root = bench.path("other");
    bench.set("spool.root", json!(root));
    bench.add_build("p1", "p1", fill);
    fs::create_dir(&root).expect("a directory");
    give(&bench);
    let told = as_user(&bench, Program::Manage, &["run"]).expect(74).complains(&["mount the file system"]);
    let line = remedy(&told, "manage");
    let typed = shell(&bench, &line);
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--reuid", USER.0, "--regid", USER.0, "--clear-groups"]);
    command.arg(typed.get_program()).args(typed.get_args()).env_clear();
    command.envs(typed.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(bench.path("home"));
    Running::start(command).wait().expect(0);
    as_user(&bench, Program::Manage, &["run"]).expect_silence();
}

#[test]
fn newcomer_s2_root_is_sent_to_the_programs_user_to_make_the_spool() {
    let mut bench = Bench::builder().build();
    let root = bench.path("other");
    bench.set("spool.root", json!(root));
    bench.add_build("p1", "p1", fill);
    fs::create_dir(&root).expect("a directory");
    give(&bench);
    let run =
        as_root(&bench, Program::Manage, &["init"]).expect(77).complains(&["nothing was made", "--as-root"]);
    assert_eq!(fs::read_dir(&root).expect("the place").count(), 0);
    type_as_root(&bench, &remedy(&run, "su"));
    assert_eq!(fs::metadata(root.join("intraware-spool.json")).expect("the marker").uid(), USER.1);
    as_user(&bench, Program::Manage, &["run"]).expect_silence();
}

#[test]
fn newcomer_s1_root_is_told_the_command_that_holds_the_build() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill);
    give(&bench);
    let run =
        as_root(&bench, Program::Manage, &["hold", "p1", "--reason", "the customer's 'wish'"]).expect(77);
    type_as_root(&bench, &remedy(&run, "su"));
    let why = as_user(&bench, Program::Manage, &["why", "p1"]).expect(0).stdout;
    assert!(why.contains("held since") && why.contains("the customer's 'wish'"), "{why}");
}

#[test]
fn newcomer_s1_a_lock_of_roots_is_given_back_as_the_message_says() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill);
    bench.manage(&["run"]).expect_silence();
    give(&bench);
    chown(bench.path("spool/locks/manage.lock"), Some(0), Some(0)).expect("root takes it");
    let run = as_user(&bench, Program::Manage, &["run"]).expect(74);
    type_as_root(&bench, &remedy(&run, "chown"));
    as_user(&bench, Program::Manage, &["run"]).expect_silence();
}

#[test]
fn newcomer_s5_check_says_when_this_host_can_send_no_mail() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill);
    let line = "note    no /usr/sbin/sendmail: what cron prints is lost";
    let has = std::path::Path::new("/usr/sbin/sendmail").exists();
    for run in [bench.manage(&["check"]).expect(0), bench.upload(&["check"]).expect(0)] {
        assert_eq!(run.stdout.lines().any(|said| said == line), !has, "{run:?}");
    }
}
