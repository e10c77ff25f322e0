//! `manage records`: the records of the SQLite store, by hand. With Salesforce, people use Salesforce.
//!
//! The database is for the spool's owner as the spool is: another user's journal or new database would shut
//! all runs out.

use clap::{Args, Subcommand, ValueEnum};
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, table};
use intraware_config::{Backend, Config};
use intraware_core::exit;
use intraware_core::foreign::escape;
use intraware_core::record::Record;
use intraware_core::spool::Spool;
use intraware_core::store::Access;
use intraware_store_sqlite::{NewRecord, SqliteStore, StatusByHand};

use super::find;

/// What to do with records.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Register a build
    Add {
        /// What people call it; no two builds have the same name
        #[arg(long)]
        name: String,
        /// Its directory: absolute, below a build root
        #[arg(long)]
        path: String,
        /// Its build type; the first configured one by default
        #[arg(long = "type", value_name = "TYPE")]
        build_type: Option<String>,
        /// Lower is more urgent
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        priority: Option<i64>,
    },
    /// List all records
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one record
    Show {
        /// Record id or name
        build: String,
    },
    /// Set a record's status, as a person does: to empty for a new try, or to Do Not Release
    Set {
        /// Record id or name
        build: String,
        /// The new status
        #[arg(long, value_enum)]
        status: NewStatus,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NewStatus {
    /// Nothing was tried yet
    Empty,
    /// No program touches it
    DoNotRelease,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    match &arguments.command {
        Command::Add { name, path, build_type, priority } => {
            let Backend::Sqlite { path: database } = &config.records.backend else {
                return Err(not_sqlite());
            };
            Spool::check_user_at(&config.spool.root)?;
            let mut store = SqliteStore::open_or_create(database, config.records.values.clone())?;
            let new = NewRecord {
                name: name.clone(),
                path: path.clone(),
                build_type: build_type.clone(),
                priority: *priority,
            };
            let record = store.add(new)?;
            output::text(format!("added {} as record {}", escape(&record.name), record.id))?;
        }
        Command::List { json } => list(&open(&config, Access::ReadOnly)?, *json)?,
        Command::Show { build } => {
            output::object(&find::record(&mut open(&config, Access::ReadOnly)?, build)?)?;
        }
        Command::Set { build, status } => {
            Spool::check_user_at(&config.spool.root)?;
            let mut store = open(&config, Access::ReadWrite)?;
            let record = find::record(&mut store, build)?;
            let to = match status {
                NewStatus::Empty => StatusByHand::Release,
                NewStatus::DoNotRelease => StatusByHand::Hold,
            };
            let record = store.set_status(&record.id, to)?;
            output::text(format!("{} is {} now", escape(&record.name), record.status))?;
        }
    }
    Ok(exit::OK)
}

fn open(config: &Config, access: Access) -> Result<SqliteStore, Failure> {
    match &config.records.backend {
        Backend::Sqlite { path } => Ok(SqliteStore::open(path, config.records.values.clone(), access)?),
        Backend::Salesforce(_) => Err(not_sqlite()),
    }
}

fn not_sqlite() -> Failure {
    Failure::usage("the records are in Salesforce, not in SQLite; work on them there")
}

fn list(store: &SqliteStore, json: bool) -> Result<(), Failure> {
    let mut records = Vec::new();
    for read in store.list()? {
        match read {
            Ok(record) => records.push(record),
            Err(error) => tracing::error!("{error}"),
        }
    }
    if json {
        return output::list("records", &records);
    }
    let row = |record: &Record| {
        let text = |text: &Option<String>| table::or_dash(text.as_ref().map(escape));
        vec![
            escape(&record.name),
            record.id.to_string(),
            record.status.to_string(),
            table::or_dash(record.priority.map(|p| p.to_string())),
            text(&record.build_path),
            text(&record.detail),
        ]
    };
    let rows = records.iter().map(row).collect();
    output::text(table::columns(&["BUILD", "RECORD", "STATUS", "PRIORITY", "PATH", "NOTE"], rows))
}
