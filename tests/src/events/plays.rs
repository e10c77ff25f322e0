//! The events, and what is asked of each.

mod builds;
mod places;
mod site;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::Instant;

use crate::mail::{self, Mail};
use crate::office::{CYCLE, Office, TWO_RUNS, wait_for_mail};
use crate::row::Row;
use crate::shell::{as_intraware, as_root};

/// An event.
pub(crate) struct Play {
    pub(crate) event: usize,
    pub(crate) name: &'static str,
    happen: fn(&mut Story<'_>) -> Result<(), String>,
}

/// All of them.
pub(crate) const PLAYS: [Play; 11] = [
    Play { event: 1, name: "a fifo in a build", happen: builds::fifo },
    Play { event: 2, name: "a wrong path", happen: builds::wrong_path },
    Play { event: 3, name: "held, and released", happen: builds::held },
    Play { event: 4, name: "the site is down for 3 minutes", happen: site::down },
    Play { event: 5, name: "the site has another host key", happen: site::host_key },
    Play { event: 6, name: "the site is full", happen: site::full },
    Play { event: 7, name: "the signing key has expired", happen: places::signing_key },
    Play { event: 8, name: "Salesforce is down for 2 minutes", happen: places::salesforce },
    Play { event: 9, name: "a released payload is deleted", happen: site::payload_gone },
    Play { event: 10, name: "a released build is changed", happen: builds::changed_after_release },
    Play { event: 11, name: "the spool is not mounted", happen: places::spool },
];

/// What happens, and what is seen of it.
struct Story<'a> {
    office: &'a Office,
    row: Row,
    /// Words of the messages that name the cause.
    cause: String,
    /// When the remedy was typed, or what was away came back.
    remedied: Instant,
}

/// Has an event happen on this machine.
pub(crate) fn play(event: usize, files: &Path) -> Row {
    let Some(play) = PLAYS.iter().find(|play| play.event == event) else {
        return Row::failed(event, "there is no such event");
    };
    let row = Row { event, name: play.name.to_owned(), ..Row::default() };
    let mut left = row.clone();
    // What the tests assert is asserted here too; what they say then is what is wrong.
    let played = catch_unwind(AssertUnwindSafe(|| {
        let office = Office::open(files);
        let mut story = Story { office: &office, row, cause: String::new(), remedied: Instant::now() };
        if let Err(fault) = story.begin().and_then(|()| (play.happen)(&mut story)) {
            story.row.faults.push(fault);
        }
        story.judge_mail();
        left = story.row;
    }));
    if let Err(panic) = played {
        left.faults.push(words_of(&*panic));
    }
    // For who wants to know more than the row says.
    as_root(
        "cp -r /var/mail-sink /mnt/intraware/log /etc/cron.d /etc/intraware/intraware.toml /kept/ || true",
    );
    left
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panics").to_owned()
}

impl Story<'_> {
    /// A first build goes its whole way by cron alone, in silence.
    fn begin(&self) -> Result<(), String> {
        self.office.add_build("p1", 20_000);
        self.office.completed("p1", CYCLE)?;
        match mail::all().first() {
            None => Ok(()),
            Some(mail) => Err(format!("there is mail before anything happened: {}", mail.body)),
        }
    }

    /// Waits for the message that names the cause, by these words, and then as long as a person takes to
    /// come.
    fn is_told(&mut self, cause: &str) -> Result<Mail, String> {
        cause.clone_into(&mut self.cause);
        let mail = wait_for_mail(cause, CYCLE)?;
        mail.line(cause).unwrap_or_default().clone_into(&mut self.row.sentence);
        thread::sleep(TWO_RUNS);
        Ok(mail)
    }

    /// A message or a recipe has to say this; else there is no remedy that could be typed as told.
    fn expect_words(&mut self, text: &str, words: &str) {
        if !text.contains(words) {
            self.row.faults.push(format!("nothing says {words:?}"));
        }
    }

    /// Types what was told, as root.
    fn types_as_root(&mut self, command: &str) -> String {
        self.note_remedy(command);
        self.finish(&as_root(command), command)
    }

    /// Types what was told, as the user whom the programs run as.
    fn types(&mut self, command: &str) -> String {
        self.note_remedy(command);
        self.finish(&as_intraware(command), command)
    }

    fn finish(&mut self, typed: &crate::shell::Typed, command: &str) -> String {
        if typed.status != 0 {
            self.row.faults.push(format!("`{command}` ends with {}: {}", typed.status, typed.said.trim()));
        }
        typed.said.clone()
    }

    /// Notes what a person does, in words or as a command.
    fn note_remedy(&mut self, what: &str) {
        if !self.row.remedy.is_empty() {
            self.row.remedy += "; ";
        }
        self.row.remedy += what;
        self.remedied = Instant::now();
    }

    /// The build is Completed a few runs later.
    fn is_completed(&mut self, name: &str) -> Result<(), String> {
        self.office.completed(name, CYCLE)?;
        self.row.minutes = Some(self.remedied.elapsed().as_secs_f64() / 60.0);
        Ok(())
    }

    /// One message has named the cause, and no other has come.
    fn judge_mail(&mut self) {
        let (named, others): (Vec<_>, Vec<_>) = mail::all()
            .into_iter()
            .partition(|mail| !self.cause.is_empty() && mail.line(&self.cause).is_some());
        self.row.mails = named.len();
        if !self.cause.is_empty() && named.len() != 1 {
            self.row.faults.push(format!("{} messages name the cause", named.len()));
        }
        let others =
            others.iter().map(|mail| format!("another message, {}: {}", mail.subject, mail.body.trim()));
        self.row.faults.extend(others);
    }
}
