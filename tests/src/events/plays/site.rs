//! What happens to the site.

use std::fs;
use std::thread;
use std::time::Duration;

use super::Story;
use crate::document::OPERATIONS;
use crate::office::{INCOMING, payload};
use crate::shell::as_root;

/// Nobody listens there for three minutes.
pub(super) fn down(story: &mut Story<'_>) -> Result<(), String> {
    story.office.site_down();
    story.office.add_build("p2", 20_000);
    story.is_told("site intraware")?;
    thread::sleep(Duration::from_secs(50));
    story.office.site_up("host_ed25519");
    story.note_remedy("(nothing; the site is back)");
    story.is_completed("p2")
}

/// Its operator has given it another host key.
pub(super) fn host_key(story: &mut Story<'_>) -> Result<(), String> {
    story.office.site_down();
    story.office.site_up("other_ed25519");
    story.office.add_build("p2", 20_000);
    let mail = story.is_told("known_hosts")?;
    // The operator says which key it is, and it is the one that the message shows.
    let fingerprint = as_root("ssh-keygen -lf /srv/sshd/other_ed25519").expect("ssh-keygen");
    let fingerprint = fingerprint.split(' ').nth(1).unwrap_or_default().to_owned();
    story.expect_words(&mail.body, &fingerprint);
    // The recipe has the rest, line by line, for a site of this name.
    let recipe = OPERATIONS.blocks("The site's host key has changed").concat();
    for line in recipe.lines().filter(|line| !line.is_empty()) {
        let said = story.types_as_root(line);
        if line.starts_with("ssh-keygen -lf") {
            story.expect_words(&said, &fingerprint);
        }
    }
    story.is_completed("p2")
}

/// Its disk is full.
pub(super) fn full(story: &mut Story<'_>) -> Result<(), String> {
    let small = format!(
        "cp -a {INCOMING} /srv/incoming && mount -t tmpfs -o size=8m site {INCOMING} && \
         cp -a /srv/incoming/. {INCOMING}/ && head -c 6M /dev/zero > {INCOMING}/others"
    );
    as_root(&small).expect("a small disk");
    story.office.add_build("p2", 5_000_000);
    let mail = story.is_told("are free")?;
    story.expect_words(&mail.body, "have room made there");
    story.types_as_root(&format!("rm {INCOMING}/others"));
    story.is_completed("p2")
}

/// Somebody removes there what customers have.
pub(super) fn payload_gone(story: &mut Story<'_>) -> Result<(), String> {
    let payload = payload("p1");
    let before = fs::read(&payload).expect("a payload");
    fs::remove_file(&payload).expect("a payload");
    // The line is switched on, as it is on one of the hosts, and fires soon, which as shipped is once a week.
    let soon = "cd /etc/cron.d && grep 'manage verify' intraware && at=$(date -d '2 minutes' '+%M %H') &&
        sed -i \"s/^#* *[0-9].*intraware  *manage verify/$at * * *  intraware  manage verify/\" intraware";
    as_root(soon).expect("a line of the crontab for manage verify");
    let mail = story.is_told("p1.tar.gz")?;
    story.expect_words(&mail.body, "set the record's status to empty");
    story.office.empty_status("p1");
    story.note_remedy("(the record's status is set to empty)");
    story.is_completed("p1")?;
    let is_same = fs::read(&payload).is_ok_and(|after| after == before);
    if is_same { Ok(()) } else { Err("customers get other bytes than before".to_owned()) }
}
