//! No message and no document names a command that does not exist, or an option that a command has not.
//!
//! What a message names is taken out of the string literals of the sources. The programs themselves say
//! whether they know it: whole, where a message names it, and as far as it goes, where a document does. Of
//! other programs the options of `gpg` are looked at, which are many and change.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_tests::Program;
use tempfile::TempDir;

/// Words behind "manage" or "upload" that make a sentence and no command.
const PROSE: [&str; 15] = [
    "and", "are", "as", "at", "decides", "do", "does", "goes", "has", "is", "nor", "of", "prepares", "says",
    "that",
];

/// Programs of others that messages may name.
const OTHERS: [&str; 12] = [
    "chmod",
    "chown",
    "gpg",
    "mount",
    "setpriv",
    "sq",
    "ssh-keygen",
    "ssh-keyscan",
    "su",
    "tar",
    "timedatectl",
    "ulimit",
];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project").to_owned()
}

/// Returns all files below a directory with this ending, without tests.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && !["tests", "examples", "target"].contains(&&name[..]) {
            found.extend(files(&path, ending));
        } else if path.is_file() && name.ends_with(ending) && name != "tests.rs" {
            found.push(path);
        }
    }
    found
}

/// Returns the string literals of a source file before its tests, as they are printed.
fn literals(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut found = Vec::new();
    let mut chars = source.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => while chars.next().is_some_and(|c| c != '\n') {},
            // A character, not a lifetime: '"' and '\'' would confuse what follows.
            '\'' => {
                let ahead: Vec<char> = chars.clone().take(3).collect();
                match ahead[..] {
                    ['\\', _, '\''] => drop(chars.by_ref().nth(2)),
                    [_, '\'', ..] => drop(chars.by_ref().nth(1)),
                    _ => {}
                }
            }
            '"' if before != '#' => found.push(literal(&mut chars, before == 'r')),
            _ => {}
        }
        before = c;
    }
    found
}

fn literal(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, is_raw: bool) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' if !is_raw => match chars.next() {
                // The line goes on behind the blanks.
                Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                Some('n') => text.push('\n'),
                Some(c) => text.push(c),
                None => break,
            },
            c => text.push(c),
        }
    }
    text
}

/// Splits a command as a shell does, with a word in the place of whatever is put in.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![];
    let mut word = None::<String>;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' => word.get_or_insert_default().extend(chars.by_ref().take_while(|c| *c != '\'')),
            '{' => {
                chars.by_ref().take_while(|c| *c != '}').for_each(drop);
                word.get_or_insert_default().push('1');
            }
            '…' => word.get_or_insert_default().push('1'),
            '<' | '>' | '|' | '#' => break,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn program(name: &str) -> Option<Program> {
    match name.trim_start_matches("./") {
        "manage" => Some(Program::Manage),
        "upload" => Some(Program::Upload),
        _ => None,
    }
}

/// Returns what a program says of a command line that it does not take. It does nothing: there is no
/// configuration.
fn refused(dir: &TempDir, command: &str, is_whole: bool) -> Option<String> {
    let words = words(command);
    let program = program(words.first()?)?;
    let mut command = Command::new(program.path());
    command.args(&words[1..]).current_dir(dir.path()).env_clear();
    command.env("INTRAWARE_CONFIG", dir.path().join("none.toml")).env("HOME", dir.path());
    if !is_whole {
        command.arg("--help");
    }
    let output = command.stdin(std::process::Stdio::null()).output().expect("the program");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code() == Some(2) && said.contains("--help")).then_some(said)
}

/// Returns the commands of ours that a message names without backticks.
fn in_prose(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["manage ", "upload "] {
        for (at, _) in text.match_indices(name) {
            let is_word =
                text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && !"-_`/.".contains(c));
            let rest = &text[at + name.len()..];
            let next = rest.split(|c: char| !c.is_alphanumeric() && c != '-').next().unwrap_or_default();
            if !is_word || next.is_empty() || PROSE.contains(&next) {
                continue;
            }
            let end = rest.find(['`', ';', ',', ')', '\n', ':']).unwrap_or(rest.len());
            let end = rest[..end].find("  ").unwrap_or(end);
            found.push(format!("{name}{}", &rest[..end]));
        }
    }
    found
}

fn spans(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn newcomer_no_message_names_a_command_that_does_not_exist() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Command::new("gpg").arg("--dump-options").output().expect("gpg").stdout;
    let options = String::from_utf8_lossy(&options).into_owned();
    let options: BTreeSet<&str> = options.lines().collect();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for krate in fs::read_dir(top().join("crates")).expect("crates") {
        for file in files(&krate.expect("a crate").path().join("src"), ".rs") {
            for text in literals(&fs::read_to_string(&file).expect("a source file")) {
                // What is written into a file is no command.
                let is_command = |span: &String| span.contains(' ') && !span.contains(" = ");
                let named = spans(&text).into_iter().filter(is_command);
                for command in named.chain(in_prose(&text)) {
                    seen += 1;
                    let first = command.split(' ').next().unwrap_or_default();
                    let is_known = program(first).is_some() || OTHERS.contains(&first);
                    let unknown = words(&command).into_iter().find(|word| {
                        first == "gpg" && word.starts_with("--") && !options.contains(&word[..])
                    });
                    let said = refused(&dir, &command, true);
                    if !is_known || unknown.is_some() || said.is_some() {
                        wrong.push(format!("{}: {command}: {said:?} {unknown:?}", file.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 30, "{seen} commands are found, which are too few to be all");
}

#[test]
fn newcomer_m5_messages_name_the_guide_where_it_is_installed() {
    for krate in fs::read_dir(top().join("crates")).expect("crates") {
        for file in files(&krate.expect("a crate").path().join("src"), ".rs") {
            for text in literals(&fs::read_to_string(&file).expect("a source file")) {
                assert!(!text.contains("docs/"), "{}: no host has that: {text}", file.display());
            }
        }
    }
}

#[test]
fn newcomer_no_document_names_a_command_that_does_not_exist() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut documents = vec![
        top().join("README.md"),
        top().join("CONTRIBUTING.md"),
        top().join("CHANGELOG.md"),
        top().join("quickstart.sh"),
    ];
    for (below, endings) in [("docs", ".md"), ("config", ".md"), ("config", ".toml"), ("cron", ".md")] {
        documents.extend(files(&top().join(below), endings));
    }
    documents.extend(["cron/crontab", "cron/logrotate.conf"].map(|name| top().join(name)));
    documents.retain(|path| !path.ends_with("docs/requirements.md"));
    let mut seen = 0;
    let mut wrong = Vec::new();
    for path in documents {
        let text = fs::read_to_string(&path).expect("a document");
        let mut is_code = false;
        let mut prose = String::new();
        let mut named = Vec::new();
        for line in text.lines() {
            let line = line.trim();
            if line.starts_with("```") {
                is_code = !is_code;
            } else if is_code {
                let line = line.trim_start_matches("su -s /bin/sh intraware -c ").trim_matches('\'');
                // What the command does stands behind two blanks.
                named.push(line.split("  ").next().unwrap_or_default().to_owned());
            } else {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        named.extend(spans(&prose));
        for command in named.into_iter().filter(|command| command.contains(' ')) {
            let first = command.split(' ').next().unwrap_or_default();
            if program(first).is_none() {
                continue;
            }
            seen += 1;
            if let Some(said) = refused(&dir, &command, false) {
                wrong.push(format!("{}: {command}: {said}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 60, "{seen} commands are found, which are too few to be all");
}
