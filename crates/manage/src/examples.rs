//! What the help of the program and of each of its commands shows as examples.

pub(crate) const PROGRAM: &str = "\
  manage                       one pass over all builds, as cron does
  manage --dry-run             show for every build what would be done and why
  manage run p7                prepare or confirm the build p7 now
  manage why p7                show where p7 is, what it waits for, what would unblock it
  manage hold p7 --reason 'wrong licence file'
";

pub(crate) const RUN: &str = "\
  manage run                   as cron does
  manage run --dry-run         show what would be done, and do nothing
  manage run p7                prepare or confirm p7 now, without waiting for a pause to be over
";

pub(crate) const STATUS: &str = "\
  manage status                every build at a glance
  manage status --all          those that are Completed too
  manage status --json         the same for a program
";

pub(crate) const WHY: &str = "\
  manage why p7                by its name
  manage why a0B5g0000000001EAA
";

pub(crate) const VERIFY: &str = "\
  manage verify                all builds that the spool knows to be released
  manage verify --deep p7      read the payload of p7 back, where the site does not hash it
";

pub(crate) const CHECK_KEY: &str = "\
  manage check-key signing-key.asc
";

pub(crate) const INIT: &str = "\
  manage init                  once, on any of the hosts
  manage init --new            when the spool is lost
";

pub(crate) const LOG: &str = "\
  manage log -n 20             the last lines
  manage log --failed -n 20    the last failures, on all hosts
  manage log --build p7 --since 1h
";

pub(crate) const ACTIVITY: &str = "\
  manage activity -n 20        the last runs, on all hosts
  manage activity --check      which of those in [activity.expect] are missing or fail, for a monitor
";

pub(crate) const HOLD: &str = "\
  manage hold p7 --reason 'wrong licence file'
";

pub(crate) const UNHOLD: &str = "\
  manage unhold p7
";

pub(crate) const RETRY: &str = "\
  manage retry p7              the next run tries it again
";

pub(crate) const RECORDS: &str = "\
  manage records add --name p7 --path /builds/blast/5.1/p7
  manage records show p7
  manage records set p7 --status empty
";

pub(crate) const CONFIG: &str = "\
  manage config                each value, and where it came from
";

pub(crate) const FRAGMENT: &str = "\
  manage fragment out/blast/5.1 --machine flow
";

pub(crate) const PUBLISH: &str = "\
  manage publish --dry-run     which suites are due and why, and every hook
  manage publish               what is due in all trees, as cron does
  manage publish debian --suite stable-security
  manage publish fsck debian   look at the tree that readers get, down to every file of the pool
  manage publish rollback debian
";

pub(crate) const CHECK: &str = "\
  manage check                 as the user that cron runs it as
  manage check --json          the same for a monitor
";
