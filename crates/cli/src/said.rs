//! What a run has said to people, for the transaction log.
//!
//! Mail gets lost, and a message that was printed is nowhere else. So whatever a run prints as a warning or
//! an error is remembered here as well, by a listener beside the printer, so that nothing can be printed and
//! forgotten; and when the run ends, [`keep`] writes it all to the log, with how the run ended. `manage log
//! --failed` reads it again. What cannot be kept is what keeps a run from its spool: a wrong configuration, a
//! spool that is not mounted, a stranger.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use intraware_core::exit::{self, Fault};
use intraware_core::foreign::tame;
use intraware_core::outcome::Outcome;
use intraware_core::run::{Clock as _, RunContext, SystemClock};
use intraware_core::spool::Spool;
use intraware_core::txlog::{Subject, TxLog};
use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::failure::Failure;
use crate::txlog;

/// So many messages of a run are kept. Who has more to say says the same of many builds.
const MOST: usize = 1000;

static SAID: Mutex<Vec<Said>> = Mutex::new(Vec::new());

thread_local! {
    static ABOUT: RefCell<Option<About>> = const { RefCell::new(None) };
}

/// A message that was printed.
struct Said {
    at: Timestamp,
    level: Level,
    about: Option<About>,
    text: String,
}

/// The build that a message is about.
#[derive(Clone)]
struct About {
    record: String,
    name: String,
}

/// Does what prints a message about this build, so that it is found by the build's name.
pub(crate) fn of(outcome: &Outcome, print: impl FnOnce()) {
    ABOUT.set(Some(About { record: outcome.record.to_string(), name: outcome.name.clone() }));
    print();
    ABOUT.set(None);
}

/// Writes what a run has said to the transaction log, and that it has ended, unless all went well. Returns
/// how it ended.
pub fn keep(ended: Result<u8, Failure>, spool: &Spool, context: &RunContext) -> Result<u8, Failure> {
    let said = std::mem::take(&mut *all());
    let (status, reason) = match &ended {
        Ok(status) => (*status, None),
        Err(failure) => (failure.status, Some(tame(&failure.message))),
    };
    if said.is_empty() && status == exit::OK {
        return ended;
    }
    let builds = said.iter().filter_map(|said| said.about.as_ref());
    let names = builds.map(|about| (about.record.clone(), about.name.clone()));
    let log = TxLog::open(&spool.log_dir(), context).with_names(names);
    for Said { at, level, about, text } in &said {
        let record = about.as_ref().map_or("", |about| &about.record);
        log.said(*at, Subject { record, job: "" }, level.as_str(), text);
    }
    if status != exit::OK {
        let error = said.iter().find(|said| said.level == Level::ERROR).or(said.first());
        let cause = reason.or_else(|| error.map(|said| said.text.clone())).unwrap_or_default();
        log.ended(status, &cause);
    }
    match txlog::close(log) {
        Some(fault) if status == exit::OK => Ok(Fault::exit_status(fault)),
        Some(_) | None => ended,
    }
}

fn all() -> MutexGuard<'static, Vec<Said>> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hears what is printed.
pub(crate) struct Memory;

impl<S: Subscriber> Layer<S> for Memory {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        if level > Level::WARN {
            return;
        }
        let mut words = Words::default();
        event.record(&mut words);
        let about = ABOUT.with_borrow(Clone::clone);
        let mut said = all();
        if said.len() < MOST {
            said.push(Said { at: SystemClock.now(), level, about, text: tame(words.0) });
        }
    }
}

/// The words of a message, and then its further fields.
#[derive(Default)]
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            self.0.push_str(&format!(" {}={value:?}", field.name()));
        }
    }
}
