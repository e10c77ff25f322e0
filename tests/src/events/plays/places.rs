//! What happens to all the rest that a run needs: the signing key, Salesforce, the spool.

use std::thread;
use std::time::Duration;

use super::Story;
use crate::document::{OPERATIONS, command_in};
use crate::installation::SPOOL;
use crate::office::{INSTANCE, TWO_RUNS, payload, wait_for_mail, wait_until};
use crate::shell::as_root;

/// Its subkey, which signs, has reached its end.
pub(super) fn signing_key(story: &mut Story<'_>) -> Result<(), String> {
    let made = "
         key=$(gpg --list-keys --with-colons | awk -F: '$1 == \"fpr\" { print $10; exit }')
         subkey=$(gpg --list-keys --with-colons | awk -F: '$1 == \"fpr\" { print $10 }' | tail -n 1)
         gpg --batch --quick-set-expire $key seconds=2 $subkey
         gpg --batch --armor --export-secret-subkeys $key > signing-key.asc
         install -o intraware -g intraware -m 0600 signing-key.asc /etc/intraware/signing-key.asc
         sleep 3
    ";
    as_root(made).expect("a key that expires");
    story.office.add_build("p2", 20_000);
    let mail = story.is_told("expired")?;
    let extend = command_in(&mail.body, "gpg --quick-set-expire")
        .ok_or("the message does not say how it is extended")?;
    story.types_as_root(&extend);
    let key = extend.split(' ').nth(2).unwrap_or_default().to_owned();
    // The recipe has the rest, line by line, but for what the message has told already.
    let rest = mail.body.split_once(&extend).map_or("", |(_, rest)| rest);
    let export = command_in(rest, "gpg --").inspect(|export| {
        story.types_as_root(export);
    });
    // What stands behind it is for a key that Sequoia has made.
    let recipe = OPERATIONS.blocks("The signing key").remove(0);
    let lines = recipe.lines().filter(|line| !line.is_empty());
    for line in lines.skip(usize::from(export.is_some())) {
        match line {
            "manage check" => story.types(line),
            _ => story.types_as_root(&format!("{line} ").replace(" KEY ", &format!(" {key} "))),
        };
    }
    story.is_completed("p2")
}

/// Nobody listens there for two minutes; what is prepared is delivered meanwhile.
pub(super) fn salesforce(story: &mut Story<'_>) -> Result<(), String> {
    story.office.add_build("p2", 20_000);
    wait_until(TWO_RUNS, || story.office.status("p2") == "In Process").ok_or("p2 does not get In Process")?;
    story.office.door.borrow_mut().shut();
    INSTANCE.clone_into(&mut story.cause);
    let mail = wait_for_mail(INSTANCE, TWO_RUNS)?;
    mail.line(INSTANCE).unwrap_or_default().clone_into(&mut story.row.sentence);
    wait_until(TWO_RUNS, || payload("p2").exists()).ok_or("p2 is not delivered while Salesforce is away")?;
    // A second run fails as the first did, and that is not told again.
    thread::sleep(Duration::from_secs(75));
    story.office.door.borrow_mut().open_again();
    let recipe = OPERATIONS.section("Salesforce is down for long");
    story.expect_words(&recipe, "Nothing to do.");
    story.note_remedy("(nothing; Salesforce is back)");
    story.is_completed("p2")
}

/// Its file system is away.
pub(super) fn spool(story: &mut Story<'_>) -> Result<(), String> {
    let unmounted = wait_until(TWO_RUNS, || as_root(&format!("umount {SPOOL}")).status == 0);
    unmounted.ok_or("the spool stays busy")?;
    story.office.add_build("p2", 20_000);
    let mail = story.is_told("no spool at")?;
    // As a command, or in words, with the path before them.
    let mount = command_in(&mail.body, "mount /").unwrap_or_else(|| format!("mount {SPOOL}"));
    story.expect_words(&mail.body, "mount");
    story.expect_words(&mail.body, SPOOL);
    story.types_as_root(&mount);
    story.is_completed("p2")
}
