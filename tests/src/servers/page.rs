//! docs/sites.md: what came of the tries, for people who choose or judge a site.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::kept::{Kept, Versions};
use crate::life::Verdict;
use crate::server::{Protocol, SERVERS, Server};
use crate::way::{WAYS, Way};

const HEAD: &str = "\
# Sites

This page is for the person who chooses a delivery site, or has to judge the one that a customer offers. It says at which servers builds were
taken their whole way, what each of them can do, and what is weaker there. A server that is not here may fit as well: `upload check` finds
out what it can do by doing it, and says so in the same words; `docs/operations.md`, \"The site has changed\", tells when to run it again.

Each server was installed at this version, started on this host with one account, and tried as follows, with records in SQLite: `upload check`; builds
of about 200 bytes, 3 MiB and 40 MiB through `manage run` and `upload run`; the delivery of the largest killed by SIGKILL and gone on with by
the next run; another content at a new path; somebody else's file at a final name before the delivery, and another one put there while a
delivery was under way. *Whole* means that all of it became Completed within three runs, that payload, signature and the other sidecars
at the site are those of the build, and that the bytes of the foreign files are still there. *Refused* means that `upload check` ends with 78 and says
why, and that no record is set In Process. *Near* is this host; *far* is a line of 20 MiB/s with 30 ms there and back, over one connection
and over up to eight. FTP was mostly spoken in the clear, because the line has to understand it; in service, have it protected by TLS.

`tests/servers --write` tries all of them again and writes this page.
";

/// What is told of each server that was not refused; subjects of `upload check`, with the heading of their
/// column.
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
    for (meaning, servers) in weaknesses(&tried) {
        writeln!(page, "- {meaning}: {}.", servers.join(", ")).expect("a text");
    }
    page += "\n## What is refused, or fails\n\n";
    let reasons: String = tried.iter().flat_map(Tried::reasons).collect();
    page + if reasons.is_empty() { "Nothing.\n" } else { &reasons }
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

    /// Returns why it is refused, or fails: a line for each reason, with the ways.
    fn reasons(&self) -> Vec<String> {
        let mut by_reason = BTreeMap::<String, Vec<String>>::new();
        for (way, kept) in &self.ways {
            let reason = match &kept.verdict {
                Verdict::Delivered => continue,
                Verdict::Refused(reason) => format!("refused: {}", plain(reason)),
                Verdict::Failed(reason) => format!("failed: {}", plain(reason)),
            };
            by_reason.entry(reason).or_default().push(way.to_string());
        }
        let line = |(reason, ways): (String, Vec<String>)| {
            format!("- {} ({}) {reason}\n", self.server.title, ways.join("; "))
        };
        by_reason.into_iter().map(line).collect()
    }
}

/// Returns what is weaker, each with the servers, those with the most first; what runs warn of is told last.
fn weaknesses(tried: &[Tried]) -> Vec<(String, Vec<&'static str>)> {
    let mut found: Vec<(String, Vec<&'static str>)> = Vec::new();
    let mut note = |meaning: String, title| match found.iter_mut().find(|(known, _)| *known == meaning) {
        Some((_, servers)) if servers.contains(&title) => {}
        Some((_, servers)) => servers.push(title),
        None => found.push((meaning, vec![title])),
    };
    for (words, meaning) in WEAKNESSES {
        let has = |tried: &&Tried| tried.abilities().values().any(|told| told.contains(words));
        tried.iter().filter(has).for_each(|tried| note(meaning.to_owned(), tried.server.title));
    }
    for tried in tried {
        let warnings = tried.ways.iter().flat_map(|(_, kept)| &kept.warnings);
        warnings.for_each(|warning| note(format!("runs warn, \"{}\"", plain(warning)), tried.server.title));
    }
    found
}

/// Takes out of a message what is another at each try (addresses, paths of the trial), and what is known
/// here.
fn plain(message: &str) -> String {
    let message = message.trim_start_matches("upload check: ").trim_start_matches("FAILED").trim_start();
    let message = message.trim_start_matches("site: ").trim_end_matches(" (status 78)");
    let is_of_the_trial =
        |word: &&str| word.contains("127.0.0.1") || word.contains("/tmp/") || *word == "third-party";
    let words: Vec<_> = message.split(' ').filter(|word| !is_of_the_trial(word)).collect();
    words.join(" ").replace('|', "\\|")
}
