//! docs/sites.md: what came of the tries, for people who choose or judge a site.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::kept::{Kept, Versions};
use crate::life::Verdict;
use crate::server::{Protocol, SERVERS, Server};
use crate::way::{WAYS, Way};

const HEAD: &str = "\
# Sites

This page is for whoever chooses a delivery site, or has to judge the one that a customer offers. It says at which servers builds were
taken their whole way, what each of them can do, and what is weaker there. A server that is not here may fit as well: `upload check` finds
out what it can do by doing it, and says so in the same words; `docs/operations.md`, \"The site has changed\", tells when to run it again.

Each server was installed at this version, started on this host with one account, and tried as follows, with records in SQLite: `upload check`; builds
of about 200 bytes, 3 MiB and 40 MiB through `manage run` and `upload run`; the delivery of the largest killed by SIGKILL and gone on with by
the next run; another content at a new path; somebody else's file at a final name before the delivery, and another one put there while a
delivery was under way. *Whole* means that all of it became Completed within three runs, that payload, signature and the other sidecars
at the site are those of the build, and that the bytes of the foreign files are still there. *Refused* means that `upload check` ends with 78 and says
why, and that no record is set In Process. *Near* is this host; *far* is a line of 20 MiB/s with 30 ms there and back, over one connection
and over up to eight.

`tests/servers --write` tries all of them again and writes this page.
";

/// What is told of each server that was not refused; subjects of `upload check`, with the heading of their column.
const SUBJECTS: [(&str, &str); 5] = [
    ("proof", "Proof of what arrived"),
    ("resuming", "Going on with a file"),
    ("names", "Names"),
    ("files", "Files"),
    ("connections", "Connections"),
];

/// Words of `upload check`, and what they mean for deliveries.
const WEAKNESSES: [(&str, &str); 11] = [
    (
        "does not hash",
        "every payload is read back over the line to prove it, which takes as long as sending it",
    ),
    ("gives nothing back", "nothing can be read back: what is proven is what it hashes, or its size alone"),
    ("does not append", "a delivery that was interrupted begins anew"),
    ("not ahead", "a large payload goes over one connection, however far away the site is"),
    ("not inside of files", "a large payload goes over one connection, however far away the site is"),
    (
        "would overwrite taken names",
        "a rename replaces what stands there, so we look right before; somebody else's file that comes in that moment is lost",
    ),
    ("overwrites taken names", "a rename replaces what stands there"),
    (
        "nothing said of the disk",
        "it does not say whether a payload is on its disk; a power cut there may lose one that is Completed",
    ),
    ("free space unknown", "that it is full is noticed only when it is"),
    ("ASCII only", "builds with other characters in their path cannot go there"),
    ("one more was refused", "it takes few connections at once"),
];

/// Writes the page.
pub(crate) fn write(peers: &Path) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sites.md");
    fs::write(path, text(peers, &Versions::read(peers))).expect("docs/sites.md");
}

fn text(peers: &Path, versions: &Versions) -> String {
    let mut page = HEAD.to_owned();
    let tried: Vec<_> = SERVERS.iter().filter_map(|server| Tried::read(peers, server)).collect();
    page += "\n## What came of it\n\n| server | version | from | protocol | near | far, one | far, eight |\n";
    page += "|---|---|---|---|---|---|---|\n";
    for Tried { server, ways } in &tried {
        let word =
            |way| ways.iter().find(|(own, _)| *own == way).map_or("–", |(_, kept)| word(&kept.verdict));
        let words = WAYS.map(word);
        let (version, registry) = (versions.of(server.package), versions.registry(server.package));
        let protocol = protocol(server.protocol);
        writeln!(page, "| {} | {version} | {registry} | {protocol} | {} |", server.title, words.join(" | "))
            .expect("a text");
    }
    page += "\n## What they can do\n\nIn the words of `upload check`, which keeps them for all hosts.\n\n| server |";
    SUBJECTS.iter().for_each(|(_, heading)| page += &format!(" {heading} |"));
    page += "\n|---|---|---|---|---|---|\n";
    for tried in tried.iter().filter(|tried| !tried.abilities().is_empty()) {
        let cells = SUBJECTS.map(|(subject, _)| tried.abilities().get(subject).cloned().unwrap_or_default());
        writeln!(page, "| {} | {} |", tried.server.title, cells.join(" | ")).expect("a text");
    }
    page += "\n## What is weaker\n\n";
    tried.iter().for_each(|tried| page += &tried.weaknesses());
    page
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Sftp => "SFTP",
        Protocol::Ftp => "FTP",
        Protocol::Ftps => "FTPS",
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Delivered => "whole",
        Verdict::Refused(_) => "refused",
        Verdict::Failed(_) => "**failed**",
    }
}

/// A server, and what came of it by all ways.
struct Tried {
    server: &'static Server,
    ways: Vec<(Way, Kept)>,
}

impl Tried {
    /// Returns it if all ways that lead to it were tried.
    fn read(peers: &Path, server: &'static Server) -> Option<Self> {
        let read = |way| Some((way, Kept::read(peers, server.name, way)?));
        Some(Self {
            server,
            ways: WAYS
                .into_iter()
                .filter(|way| way.leads_to(server.protocol))
                .map(read)
                .collect::<Option<_>>()?,
        })
    }

    /// Returns what `upload check` found out on this host.
    fn abilities(&self) -> &BTreeMap<String, String> {
        &self.ways[0].1.abilities
    }

    fn weaknesses(&self) -> String {
        let Self { server, ways } = self;
        let all = self.abilities().values().cloned().collect::<Vec<_>>().join(", ");
        let mut told = BTreeSet::new();
        for (words, meaning) in WEAKNESSES {
            if all.contains(words) {
                told.insert(meaning.to_owned());
            }
        }
        for (way, kept) in ways {
            match &kept.verdict {
                Verdict::Delivered => {}
                Verdict::Refused(reason) => drop(told.insert(format!("refused: {}", plain(reason)))),
                Verdict::Failed(reason) => drop(told.insert(format!("{way}: failed: {}", plain(reason)))),
            }
            told.extend(kept.warnings.iter().map(|warning| format!("a run warns: {}", plain(warning))));
        }
        let lines: String = told.iter().map(|line| format!("- {line}\n")).collect();
        let lines = if lines.is_empty() { "- nothing\n".to_owned() } else { lines };
        format!("{}:\n\n{lines}\n", server.title)
    }
}

/// Takes out of a message what is another at each try (addresses, paths of the trial), and what is known here.
fn plain(message: &str) -> String {
    let message = message.trim_start_matches("upload check: ").trim_start_matches("FAILED").trim_start();
    let message = message.trim_start_matches("site: ").trim_end_matches(" (status 78)");
    let is_of_the_trial =
        |word: &&str| word.contains("127.0.0.1") || word.contains("/tmp/") || *word == "third-party";
    let words: Vec<_> = message.split(' ').filter(|word| !is_of_the_trial(word)).collect();
    words.join(" ").replace('|', "\\|")
}
