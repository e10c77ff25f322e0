//! What was said lately, so that whoever is woken by mail is told once.
//!
//! Cron mails whatever a run prints, and runs that meet one fault all say the same. With `--tell-once FILE` a
//! warning or an error that was said lately is left out: the second time for half an hour, then for an hour,
//! and so on to six hours, the same pauses as after failures ([`intraware_core::retry`]). The exit status,
//! the log and what `status` shows do not change.
//!
//! Two lines are one if they differ in numbers and times alone; a name with a digit in it is no number. What
//! a line says of a cause that stops several builds is one thing, whichever builds they are ([`of`]). What
//! was not said for an hour, which is longer than cron waits between two runs, is over, and news when it
//! comes again. The file is one for all programs on a host, and under a lock while it is read and written,
//! because cron starts them in the same second. Whatever goes wrong with it, the line is said: better twice
//! than never.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};

use intraware_core::retry::{self, Pause};
use intraware_core::run::{Clock as _, SystemClock};
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use crate::output;

/// What was not said for so long is over.
const OVER: SignedDuration = SignedDuration::from_hours(1);

thread_local! {
    static CAUSE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does what prints a line about this cause, which is told once, whatever else is in the line.
pub(crate) fn of(cause: &str, print: impl FnOnce()) {
    CAUSE.set(Some(cause.to_owned()));
    print();
    CAUSE.set(None);
}

/// Standard error, and what is remembered of it.
#[derive(Debug, Clone)]
pub struct Told {
    /// Where it is remembered, if it is.
    file: Option<PathBuf>,
}

impl Told {
    /// Remembers in this file, if there is one.
    pub fn new(file: Option<&Path>) -> Self {
        Self { file: file.map(Path::to_owned) }
    }

    /// Writes lines for people to standard error, unless they were told lately.
    pub fn complain(&self, message: &str) {
        if self.is_news(message) {
            output::complain(message);
        }
    }

    /// Returns whether this is to be said, and remembers that it was.
    fn is_news(&self, message: &str) -> bool {
        let Some(file) = &self.file else { return true };
        let cause = CAUSE.with_borrow(Clone::clone);
        hear(file, cause.as_deref().unwrap_or(message), SystemClock.now()).unwrap_or_else(|error| {
            output::complain(&format!("cannot remember what was told in {}: {error}", file.display()));
            true
        })
    }
}

/// Asks the file whether this is to be said.
fn hear(file: &Path, message: &str, now: Timestamp) -> io::Result<bool> {
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(file)?;
    // Held for as long as it takes to write a few lines.
    flock(&file, FlockOperation::LockExclusive)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    // One that a crash has cut is as good as none.
    let mut lately: Lately = serde_json::from_str(&text).unwrap_or_default();
    let is_news = lately.hear(message, now);
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(serde_json::to_string_pretty(&lately)?.as_bytes())?;
    Ok(is_news)
}

/// What was said lately, by what is the same each time.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Lately(BTreeMap<String, Said>);

/// When something was said.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    /// How often it was told.
    times: u32,
    /// When it was told last.
    told: Timestamp,
    /// When a run had it to say last, whether it was told or left out.
    last: Timestamp,
}

impl Lately {
    fn hear(&mut self, message: &str, now: Timestamp) -> bool {
        self.0.retain(|_, said| now.duration_since(said.last) < OVER && !retry::is_ahead(said.last, now));
        let key = wording(message);
        let Some(said) = self.0.get_mut(&key) else {
            self.0.insert(key, Said { times: 1, told: now, last: now });
            return true;
        };
        said.last = now;
        let until = retry::next_try(said.times.saturating_add(1), said.told, &key);
        let is_news = !Pause { begun: said.told, until }.is_on(now);
        if is_news {
            *said = Said { times: said.times.saturating_add(1), told: now, last: now };
        }
        is_news
    }
}

/// Returns a message without what is different each time: numbers and times.
fn wording(message: &str) -> String {
    let ends_word = |c: char| c.is_whitespace() || "\"(){}[],;".contains(c);
    let is_number = |word: &str| word.chars().all(|c| c.is_ascii_digit() || ".:-+/%".contains(c));
    let varies = |word: &str| !word.is_empty() && (is_number(word) || word.parse::<Timestamp>().is_ok());
    let parts = message.split_inclusive(ends_word).map(|part| {
        let (word, end) = part.split_at(part.rfind(ends_word).unwrap_or(part.len()));
        let bare = word.trim_end_matches([':', '.']);
        if varies(bare) { format!("#{}{end}", &word[bare.len()..]) } else { part.to_owned() }
    });
    parts.collect::<String>().trim_end().to_owned()
}

impl<'a> MakeWriter<'a> for Told {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(None)
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Line<'a> {
        Line((*about.level() <= Level::WARN).then_some(self))
    }
}

/// Writes one message, which comes whole.
pub struct Line<'a>(Option<&'a Told>);

impl Write for Line<'_> {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let is_news = self.0.is_none_or(|told| told.is_news(&String::from_utf8_lossy(message)));
        if is_news { io::stderr().write_all(message).map(|()| message.len()) } else { Ok(message.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_mins(minutes)).unwrap()
    }

    const LINE: &str = "ERROR p2 (a0B5g0000000004EAA): needs 5000639 bytes at the site and 2076672 are free";

    #[test]
    fn newcomer_k5_what_goes_on_is_told_again_after_half_an_hour_an_hour_and_so_on_to_six_hours() {
        let mut lately = Lately::default();
        let told: Vec<i64> = (0..24 * 60).filter(|&minute| lately.hear(LINE, at(minute))).collect();
        let pauses: Vec<i64> = told.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses.len(), 6, "{told:?}");
        for (pause, least) in pauses.iter().zip([30, 60, 120, 240, 360, 360]) {
            assert!((least..=least + least / 10 + 1).contains(pause), "{told:?}");
        }
    }

    #[test]
    fn newcomer_k5_what_was_over_for_an_hour_is_news() {
        let mut lately = Lately::default();
        assert!(lately.hear(LINE, at(0)));
        assert!(!lately.hear(LINE, at(15)));
        assert!(lately.hear(LINE, at(75)));
        // And what a wrong clock has noted holds up nothing.
        assert!(lately.hear(LINE, at(100_000)));
        assert!(lately.hear(LINE, at(90)));
    }

    #[test]
    fn newcomer_k5_lines_are_one_if_they_differ_in_numbers_and_times_alone() {
        let mut lately = Lately::default();
        let mut hear = |line: &str| lately.hear(line, at(0));
        assert!(hear(LINE));
        assert!(!hear("ERROR p2 (a0B5g0000000004EAA): needs 5000639 bytes at the site and 4096 are free\n"));
        assert!(hear("ERROR p3 (a0B5g0000000004EAA): needs 5000639 bytes at the site and 2076672 are free"));
        assert!(hear("error: site a cannot be reached since 2026-11-30T16:44:01Z: 3 builds wait"));
        assert!(!hear("error: site a cannot be reached since 2026-11-30T16:45:01Z: 4 builds wait"));
        assert!(hear("error: site b cannot be reached since 2026-11-30T16:45:01Z: 4 builds wait"));
        let json = |time: &str| format!(r#"{{"timestamp":"{time}","level":"ERROR","message":"no"}}"#);
        assert!(hear(&json("2026-11-30T16:44:01.123Z")));
        assert!(!hear(&json("2026-11-30T16:44:02.123Z")));
    }

    #[test]
    fn newcomer_k5_a_memory_that_cannot_be_used_hides_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("told.json");
        std::fs::write(&file, "{ cut").unwrap();
        assert!(hear(&file, LINE, at(0)).unwrap());
        assert!(!hear(&file, LINE, at(1)).unwrap());
        assert!(hear(&dir.path().join("nowhere/told.json"), LINE, at(0)).is_err());
    }
}
