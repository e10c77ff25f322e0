//! What a site can do, in words.

use intraware_core::site::probe::{Abilities, Connections, Hashing, Reading, Renaming, Rewriting, Stat};

/// Returns what a site can do: a word for each subject, and what there is to say about it.
pub(crate) fn told(abilities: &Abilities) -> [(&'static str, String); 5] {
    [
        ("proof", proof(abilities)),
        ("resuming", resuming(abilities)),
        ("names", names(abilities)),
        ("files", files(abilities)),
        ("connections", connections(abilities)),
    ]
}

fn proof(abilities: &Abilities) -> String {
    let hashes = match abilities.hashes {
        Hashing::Files => "hashes files",
        Hashing::Nothing => "does not hash",
        Hashing::Wrong => "hashes wrongly",
    };
    let reads = match abilities.reads {
        Reading::Right => "gives back what it was sent",
        Reading::Wrong => "gives back something else than it was sent",
        Reading::Withheld => "gives nothing back",
    };
    format!("{hashes}, {reads}")
}

fn resuming(abilities: &Abilities) -> String {
    let rewrites = match abilities.rewrites {
        Rewriting::Keeps => "keeps what is behind",
        Rewriting::Cuts => "cuts off what is behind",
        Rewriting::Refused => "not inside of files",
    };
    let appends = if abilities.appends { "appends" } else { "does not append" };
    let ahead = if abilities.writes_ahead { "writes ahead" } else { "not ahead" };
    let cuts = if abilities.cuts { "cuts files" } else { "does not cut files" };
    format!("{appends}, {rewrites}, {ahead}, {cuts}")
}

fn names(abilities: &Abilities) -> String {
    let renames = match abilities.renames {
        Renaming::Guarded => "a rename refuses taken names",
        Renaming::LookedAt => "a rename would overwrite taken names, so we look before",
        Renaming::Overwritten => "a rename overwrites taken names",
        Renaming::Impossible => "the site does not rename",
    };
    let characters = if abilities.takes_unicode { "all characters" } else { "ASCII only" };
    let cases = match abilities.tells_cases {
        Some(false) => ", does not tell upper from lower case",
        Some(true) | None => "",
    };
    let dots = if abilities.takes_dot_names { "" } else { ", none that begin with a dot" };
    format!("{renames}; names may have up to {} bytes, {characters}{cases}{dots}", abilities.longest_name)
}

fn files(abilities: &Abilities) -> String {
    let stat = match abilities.stat {
        Stat::Right => "right size at once",
        Stat::Wrong => "wrong size at first",
        Stat::Absent => "not to be seen at first",
    };
    let keeps = if abilities.keeps { "stay" } else { "do not stay" };
    let flushes = if abilities.flushes { "flushed to disk" } else { "nothing said of the disk" };
    let space = if abilities.tells_space { "free space known" } else { "free space unknown" };
    format!("{stat}, {keeps}, {flushes}, {space}")
}

fn connections(abilities: &Abilities) -> String {
    match abilities.connections {
        Connections::AtMost(most) => format!("{most} at once, one more was refused"),
        Connections::AtLeast(least) => format!("{least} at once, more were not tried"),
    }
}
