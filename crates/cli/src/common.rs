//! The options that every command of both programs takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use intraware_config::Config;

use crate::failure::Failure;

/// Where the configuration is unless the command line or the environment says otherwise.
pub const DEFAULT_CONFIG: &str = "/etc/intraware/intraware.toml";

/// Where what to do at night is, on a host that was installed as `cron/README.md` says.
pub const OPERATIONS: &str = "/usr/local/share/doc/intraware/operations.md";

/// The heading of the options that every command has, which stand behind its own.
const GLOBAL: &str = "Global options";

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Configuration file
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE", env = "INTRAWARE_CONFIG", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,

    /// Say more on standard error: -v the steps, -vv every effect
    #[arg(short, long, global = true, help_heading = GLOBAL, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Say nothing on standard error but errors, and show no progress
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub quiet: bool,

    /// Do not say on standard error what was said lately, as FILE remembers it (for cron: told once, then
    /// after half an hour, an hour, and so on to six hours)
    #[arg(long, global = true, value_name = "FILE")]
    pub tell_once: Option<PathBuf>,

    /// Form of the messages on standard error
    #[arg(long, global = true, help_heading = GLOBAL, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// When to color what people read
    #[arg(long, global = true, help_heading = GLOBAL, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// The forms of messages on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line of text a message
    Text,
    /// One JSON object a message
    Json,
}

/// When to color.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Common {
    /// Reads the configuration.
    pub fn load(&self) -> Result<Config, Failure> {
        Config::load(&self.config).map_err(Failure::from)
    }
}

/// The part of each command's help that tells what its exit statuses mean.
pub const EXIT_STATUS: &str = "\
EXIT STATUS:
   0  done, nothing to do, or another instance runs
   1  some builds failed, the others were processed
   2  wrong command line
  69  record store or site unreachable, nothing could be done
  70  a bug in this program
  74  the spool cannot be read or written
  75  a passing fault, try again later
  77  authentication, host key, signing key or permission
  78  wrong configuration

/usr/local/share/doc/intraware/operations.md says for each what to do.";

/// Returns what stands behind a command's long help: examples, each on a line, and the exit statuses.
pub fn with_examples(examples: &str) -> String {
    format!("EXAMPLES:\n  {}\n{EXIT_STATUS}", examples.trim_start())
}
