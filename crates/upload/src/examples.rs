//! What the help of the program and of each of its commands shows as examples.

pub(crate) const PROGRAM: &str = "\
  upload                       deliver all that waits, as cron does
  upload --dry-run             show what would be delivered, and why not the rest
  upload run p7                deliver the build p7 now, whatever failed before
  upload status                show what waits, who is at work on it, what failed
  upload send a.pkg.tar.gz     send a package to the tupkg server that ~/.tupkg names
  upload serve                 be such a server
";

pub(crate) const RUN: &str = "\
  upload run                   as cron does
  upload run --dry-run         show what would be delivered, and why not the rest
  upload run p7                deliver p7 now, whatever failed before
";

pub(crate) const STATUS: &str = "\
  upload status
  upload status --json         the same for a program
";

pub(crate) const DISPATCH: &str = "\
  upload dispatch app-1.2.tar.gz      send it where its name says
  upload dispatch                     go on with what has not got there, as cron does
  upload dispatch --scan              find what is new in the trees of the configuration, and go on, as cron does
  upload dispatch --status            how far each package is at each machine
  upload dispatch --why app-1.2.tar.gz@10.8.6.2
  upload dispatch route app-1.2.tar.gz
  upload dispatch versions
  upload dispatch check
  upload dispatch pin 10.8.6.2
";

pub(crate) const SEND: &str = "\
  upload send a.pkg.tar.gz b.pkg.tar.gz
  upload send --json --no-check *.pkg.tar.xz
";

pub(crate) const SERVE: &str = "\
  upload serve                 as /etc/intraware/tupkgs.toml says
  upload serve passwd bfinch@example.net
";

pub(crate) const CHECK: &str = "\
  upload check                 as the user that cron runs it as
  upload check --json          the same for a monitor
";
