//! What happens to builds and their records.

use std::fs;
use std::path::Path;
use std::thread;

use serde_json::json;

use super::Story;
use crate::document::{OPERATIONS, command_in};
use crate::installation::BUILDS;
use crate::mail;
use crate::office::{TWO_RUNS, payload};
use crate::shell::as_root;

/// Somebody has left a fifo in a build.
pub(super) fn fifo(story: &mut Story<'_>) -> Result<(), String> {
    let pipe = Path::new(BUILDS).join("blast/5.1/p2/ctl");
    as_root(&format!("mkdir {0} && mkfifo {0}/ctl", pipe.parent().unwrap_or(&pipe).display()))
        .expect("mkfifo");
    story.office.add_build("p2", 20_000);
    let mail = story.is_told("named pipe")?;
    story.expect_words(&mail.body, "remove it from the build");
    let named = mail.body.split_whitespace().find(|word| word.ends_with("/ctl"));
    story.types_as_root(&format!("rm {}", named.ok_or("the message does not name the fifo")?));
    story.is_completed("p2")
}

/// A record has a path at which there is nothing.
pub(super) fn wrong_path(story: &mut Story<'_>) -> Result<(), String> {
    let right = Path::new(BUILDS).join("blast/5.1/p2");
    fs::create_dir(&right).and_then(|()| fs::write(right.join("content"), "p2")).expect("a build");
    story.office.add_record("p2", &Path::new(BUILDS).join("blast/5.2/p2"));
    let mail = story.is_told("Build Not Found")?;
    story.expect_words(&mail.body, "correct the record's build path");
    story.office.edit("p2", "Build_Path__c", &json!(right));
    story.note_remedy("(the record's build path is corrected)");
    story.is_completed("p2")
}

/// A build is not to go out, and later it is.
pub(super) fn held(story: &mut Story<'_>) -> Result<(), String> {
    story.office.add_build("p2", 20_000);
    let hold = OPERATIONS.command("A build must not go out", "manage hold NAME");
    story.types(&hold.replace("NAME", "p2").replace('…', "a customer asked to wait"));
    thread::sleep(TWO_RUNS);
    let status = story.office.status("p2");
    if status == "Completed" {
        return Err("p2 is Completed, and it was held".to_owned());
    }
    // Who asks by name is told what to type; held builds are no news, so there is no mail.
    let answer = crate::shell::as_intraware("manage run --build p2").said;
    answer.trim().clone_into(&mut story.row.sentence);
    if let Some(mail) = mail::all().first() {
        return Err(format!("a hold is no news, and there is mail: {}", mail.body));
    }
    let release = command_in(&answer, "manage unhold").ok_or("nothing says how the hold is lifted")?;
    story.types(&release);
    story.is_completed("p2")
}

/// Somebody changes a build that customers have, and sets its record to be done again.
pub(super) fn changed_after_release(story: &mut Story<'_>) -> Result<(), String> {
    let (payload, dir) = (payload("p1"), Path::new(BUILDS).join("blast/5.1/p1"));
    let before = fs::read(&payload).expect("a payload");
    fs::write(dir.join("content"), "another").expect("a build");
    story.office.empty_status("p1");
    let mail = story.is_told("was released")?;
    story.expect_words(&mail.body, "make a new path for the new content");
    let right =
        mail.body.split_once("set its status to ").ok_or("nothing says how the record is put right")?.1;
    story.note_remedy(&format!(
        "(the record's status is set to {}, p2 is made of the new content)",
        right.trim()
    ));
    story.office.set_status("p1", right.trim());
    story.office.add_build("p2", 20_000);
    story.is_completed("p1")?;
    story.is_completed("p2")?;
    let is_same = fs::read(&payload).is_ok_and(|after| after == before);
    if is_same { Ok(()) } else { Err("customers get other bytes than before".to_owned()) }
}
