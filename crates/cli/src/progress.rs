//! Progress of long steps on a terminal: bytes, files, rate, time left.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use intraware_core::foreign;
use intraware_core::run::{Amount, Progress};

/// One bar for the step under way, on standard error.
pub struct Bars(Mutex<Option<Bar>>);

struct Bar {
    bar: ProgressBar,
    things: String,
    total: Amount,
}

impl Bars {
    /// Returns bars if a person looks at standard error and wants to see them.
    pub fn new(quiet: bool) -> Option<Self> {
        (!quiet && std::io::stderr().is_terminal()).then(|| Self(Mutex::new(None)))
    }

    fn with(&self, change: impl FnOnce(&mut Option<Bar>)) {
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

const TEMPLATE: &str = "{prefix} {wide_bar} {bytes}/{total_bytes}{msg} {bytes_per_sec} {eta}";
/// Of what has no known end: that it goes on, and since when.
const ENDLESS: &str = "{prefix} {spinner} {elapsed}";
/// How often that is shown.
const TICK: Duration = Duration::from_millis(250);

impl Bar {
    fn new(what: &str, things: &str, total: Amount) -> Self {
        let is_endless = total == Amount::default();
        let template = if is_endless { ENDLESS } else { TEMPLATE };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total.bytes).with_style(style).with_prefix(foreign::escape(what));
        if is_endless {
            bar.enable_steady_tick(TICK);
        }
        Self { bar, things: things.to_owned(), total }
    }

    fn set(&self, done: Amount) {
        // One needs no count.
        if self.total.files > 1 {
            self.bar.set_message(format!(" {}/{} {}", done.files, self.total.files, self.things));
        }
        self.bar.set_position(done.bytes);
    }
}

impl Progress for Bars {
    fn begin(&self, what: &str, things: &str, total: Amount) {
        self.with(|bar| *bar = Some(Bar::new(what, things, total)));
    }

    fn advance(&self, done: Amount) {
        self.with(|bar| bar.iter().for_each(|bar| bar.set(done)));
    }

    fn end(&self) {
        self.with(|bar| bar.take().iter().for_each(|bar| bar.bar.finish_and_clear()));
    }
}
