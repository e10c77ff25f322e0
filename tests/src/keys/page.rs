//! The table, on the terminal and as docs/keys.md.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::customers::PROGRAMS;
use crate::kind::Kind;
use crate::trial::{Seen, Verdict};

const HEAD: &str = "\
# Keys

This page is for the person who makes the signing key, or wonders why one was refused. It says of each kind of key that was tried whether `manage`
takes it, and whether the programs that customers have verify what it signs. `manage check-key FILE` says so of a key of yours.

Each key was made by the program named. One that is *accepted* has signed a build in a real run, from `manage run` to Completed, and Debian 12's `gpg`,
`gpgv` and `sqv` were given that signature and the public key as the key's maker exports it. One that is *refused* is so with status 77
by `manage check-key` and by `manage run`, before any work: no record and nothing in the spool is changed. Then the three were given what the
key's maker had signed with it; – means that it signs nothing either. *Stricter* means that all three would verify. The commands that a
refusal names were typed, unless something has to be filled in, and the key was accepted then. Where the secret of the primary key is not in
the file, they were typed where it is kept.

`tests/keys --write` tries all of them again and writes this page. Commands for an `sq` newer than Debian 12's are typed
if `--new-sq FILE` names one; where nothing else can be typed, the row says so if there was none.
";

/// Returns the row of a kind for a terminal.
pub(crate) fn line(kind: &Kind, seen: &Seen) -> String {
    let word = match &seen.verdict {
        Verdict::Accepted => "accepted",
        Verdict::Refused => "refused",
        Verdict::Stricter(_) => "stricter",
        Verdict::Failed(_) => "FAILED",
    };
    let [gpg, gpgv, sqv] = answers(seen);
    format!(
        "{:<36} {:<10} {word:<8} {gpg:<4}{gpgv:<4}{sqv:<4} {}",
        kind.name,
        kind.maker.names().0,
        reason(seen)
    )
}

/// Returns how many came out how.
pub(crate) fn counts(rows: &[(Kind, Seen)]) -> String {
    let (mut accepted, mut refused, mut stricter, mut failed, mut typed, mut untyped) = (0, 0, 0, 0, 0, 0);
    for (_, seen) in rows {
        typed += seen.typed;
        untyped += usize::from(seen.untyped.is_some());
        match seen.verdict {
            Verdict::Accepted => accepted += 1,
            Verdict::Refused => refused += 1,
            Verdict::Stricter(_) => stricter += 1,
            Verdict::Failed(_) => failed += 1,
        }
    }
    format!(
        "{} keys: {accepted} accepted and verified by {}, {refused} refused, {stricter} refused that others would take, \
         {failed} failed; {typed} commands of refusals typed, {untyped} not for want of its program",
        rows.len(),
        PROGRAMS.join(", ")
    )
}

/// Writes the page.
pub(crate) fn write(rows: &[(Kind, Seen)], makers: &Path) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/keys.md");
    fs::write(path, text(rows, makers)).expect("docs/keys.md");
}

fn text(rows: &[(Kind, Seen)], makers: &Path) -> String {
    let mut page = HEAD.to_owned();
    let versions = fs::read_to_string(makers.join("versions")).unwrap_or_default();
    write!(page, "\n{}.\n", counts(rows)).expect("a text");
    let of = |name: &str| {
        let line = versions.lines().find(|line| line.split(' ').next() == Some(name));
        line.and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned()
    };
    let columns = "|---|---|---|---|---|---|\n";
    write!(page, "\n## Accepted\n\n| key | made by | {} |\n|---|---|---|---|---|\n", PROGRAMS.join(" | "))
        .expect("a text");
    for (kind, seen) in rows.iter().filter(|(_, seen)| matches!(seen.verdict, Verdict::Accepted)) {
        let (maker, package) = kind.maker.names();
        writeln!(page, "| {} | {maker} {} | {} |", kind.title, of(package), answers(seen).join(" | "))
            .expect("a text");
    }
    let heads = [("Refused", "what it says"), ("Stricter", "why all the same"), ("Failed", "what failed")];
    for (head, reasons) in heads {
        let is_here = |(_, seen): &&(Kind, Seen)| match seen.verdict {
            Verdict::Accepted => false,
            Verdict::Refused => head == "Refused",
            Verdict::Stricter(_) => head == "Stricter",
            Verdict::Failed(_) => head == "Failed",
        };
        let rows: Vec<_> = rows.iter().filter(is_here).collect();
        if rows.is_empty() {
            continue;
        }
        write!(page, "\n## {head}\n\n| key | made by | {} | {reasons} |\n{columns}", PROGRAMS.join(" | "))
            .expect("a text");
        for (kind, seen) in rows {
            let (maker, package) = kind.maker.names();
            let answers = answers(seen).join(" | ");
            writeln!(page, "| {} | {maker} {} | {answers} | {} |", kind.title, of(package), reason(seen))
                .expect("a text");
        }
    }
    page
}

/// Returns the answers of the customers' programs in a word each.
fn answers(seen: &Seen) -> [&'static str; 3] {
    seen.answers.map_or(["–"; 3], |answers| answers.map(|is_good| if is_good { "yes" } else { "no" }))
}

/// Returns the reason of a verdict, without what is another at each try.
fn reason(seen: &Seen) -> String {
    let said = match &seen.verdict {
        Verdict::Accepted => return String::new(),
        Verdict::Refused => seen.said.trim().trim_start_matches("error: ").to_owned(),
        Verdict::Stricter(why) => {
            let said = seen.said.trim().trim_start_matches("error: ");
            let what = said.split("; ").next().unwrap_or_default();
            format!("{what}: {why}")
        }
        Verdict::Failed(why) => why.clone(),
    };
    let untyped = seen.untyped.as_ref().map(|command| format!(" (not typed here: `{command}`)"));
    let said = said + &untyped.unwrap_or_default();
    let words = said.split_whitespace().map(|word| {
        let bare = word.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
        let is_fingerprint = bare.len() >= 40 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_time = bare.len() >= 20 && bare.starts_with("20") && bare.contains('T') && bare.ends_with('Z');
        match () {
            () if is_fingerprint => word.replace(bare, "KEY"),
            () if is_time => word.replace(bare, "TIME"),
            () => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
