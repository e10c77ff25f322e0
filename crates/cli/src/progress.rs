//! Progress of long steps on a terminal: bytes, rate, time left.

use std::io::IsTerminal as _;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};
use intraware_core::foreign;
use intraware_core::run::Progress;

/// One bar for the step under way, on standard error.
pub struct Bars(Mutex<Option<ProgressBar>>);

impl Bars {
    /// Returns bars if a person looks at standard error and wants to see them.
    pub fn new(quiet: bool) -> Option<Self> {
        (!quiet && std::io::stderr().is_terminal()).then(|| Self(Mutex::new(None)))
    }

    fn with(&self, change: impl FnOnce(&mut Option<ProgressBar>)) {
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

const TEMPLATE: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";

impl Progress for Bars {
    fn begin(&self, what: &str, total: u64) {
        self.with(|bar| {
            let style =
                ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            *bar = Some(ProgressBar::new(total).with_style(style).with_message(foreign::escape(what)));
        });
    }

    fn advance(&self, done: u64) {
        self.with(|bar| bar.iter().for_each(|bar| bar.set_position(done)));
    }

    fn end(&self) {
        self.with(|bar| bar.take().iter().for_each(ProgressBar::finish_and_clear));
    }
}
