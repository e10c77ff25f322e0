//! Shell completions and manual pages, made from the command line's own definition.
//!
//! What stands behind a command's long help under headings in capitals, EXAMPLES and EXIT STATUS for example,
//! becomes sections of its page, line by line.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::spool::{Found, Room};

use crate::common::{Common, DEFAULT_CONFIG, OPERATIONS};
use crate::failure::Failure;
use crate::output;
use crate::parts::{self, Permission};

pub use clap_complete::Shell as ShellName;

/// Writes a shell's completions to standard output.
pub fn completions(mut command: Command, shell: Shell) -> Result<(), Failure> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name.clone(), &mut script);
    let script = String::from_utf8_lossy(&script);
    output::bytes(with_builds(shell, &name, &script).as_bytes())
}

/// Returns a script that completes the names of builds as well, where a build is what comes next: those that
/// have something in the spool.
fn with_builds(shell: Shell, program: &str, script: &str) -> String {
    let made_for = |template: &str| template.replace("PROGRAM", program);
    match shell {
        Shell::Bash => format!("{script}{}", made_for(BASH)),
        Shell::Fish => format!("{script}{}", made_for(FISH)),
        // An argument that is a build has a hint that it is nothing that the shell knows, and nothing is
        // offered for it. The file is run to its end when it is loaded, so what it calls there stands above.
        Shell::Zsh => {
            let script = script.replace(":' \\\n", &made_for(":_PROGRAM_builds' \\\n"));
            match script.split_once('\n') {
                Some((head, rest)) => format!("{head}\n{}{rest}", made_for(ZSH)),
                None => script,
            }
        }
        // Theirs complete nothing there.
        _ => script.to_owned(),
    }
}

const BASH: &str = r#"
_PROGRAM_builds() {
    local current=${COMP_WORDS[COMP_CWORD]} word
    if [[ $current != -* ]]; then
        for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
            case $word in why|hold|release|retry|run|verify|--build|--job) ;; *) continue ;; esac
            COMPREPLY=($(compgen -W "$(PROGRAM names 2>/dev/null)" -- "$current"))
            return
        done
    fi
    _PROGRAM "$@"
}
complete -F _PROGRAM_builds -o nosort PROGRAM
"#;

const ZSH: &str = r#"
_PROGRAM_builds() {
    local -a builds
    builds=(${(f)"$(PROGRAM names 2>/dev/null)"})
    compadd -a builds
}
"#;

const FISH: &str = r#"
complete -c PROGRAM -n "__fish_seen_subcommand_from why hold release retry run verify" -f -a "(PROGRAM names 2>/dev/null)"
complete -c PROGRAM -l build -x -a "(PROGRAM names 2>/dev/null)"
complete -c PROGRAM -l job -x -a "(PROGRAM names 2>/dev/null)"
"#;

/// Writes the names of builds that have something in the spool, as far as a shell takes them as they are.
pub fn names(common: &Common) -> Result<u8, Failure> {
    let spool = parts::spool(&common.load()?, Permission::ReadOnly)?;
    let mut names = BTreeSet::new();
    for room in Room::ALL {
        for found in spool.list(room)? {
            if let Found::Job(job) = found {
                names.insert(job.manifest.name);
            }
        }
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    names.retain(|name| name.chars().all(is_plain) && !name.starts_with('-'));
    output::text(names.into_iter().collect::<Vec<_>>().join("\n"))?;
    Ok(intraware_core::exit::OK)
}

/// Writes the manual pages of a program and all its commands, as roff: each into a file of its own in `dir`,
/// or all of them to standard output.
pub fn man(command: Command, dir: Option<&Path>) -> Result<(), Failure> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, &Family::of(&command), &mut pages)?;
    let Some(dir) = dir else {
        return output::bytes(&pages.into_iter().flat_map(|(_, page)| page).collect::<Vec<u8>>());
    };
    for (name, page) in pages {
        let path = dir.join(name);
        std::fs::write(&path, page).map_err(|e| {
            Failure::new(Fault::Access, format!("cannot write the manual page {}: {e}", foreign::path(&path)))
        })?;
        readable(&path)?;
    }
    Ok(())
}

/// Lets everybody read a page, which holds no secret; what this process makes is private otherwise.
fn readable(path: &Path) -> Result<(), Failure> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(path, mode).map_err(|e| {
        Failure::new(Fault::Access, format!("cannot make {} readable: {e}", foreign::path(path)))
    })
}

/// Writes the manual page of one command, as roff, to standard output.
pub fn man_of(command: Command, description: &'static str) -> Result<(), Failure> {
    let family = Family::of(&command);
    output::bytes(&page(&command.long_about(description), &family)?)
}

/// What all pages of a program have in common.
struct Family {
    /// Name and version.
    source: String,
    /// The page of the program itself.
    head: String,
}

impl Family {
    fn of(program: &Command) -> Self {
        let name = program.get_name().split(' ').next().unwrap_or_default();
        let version = program.get_version().unwrap_or(env!("CARGO_PKG_VERSION"));
        Self { source: format!("{name} {version}"), head: name.to_owned() }
    }
}

/// Adds the pages of a command and of all below it, each with the name of its file.
fn collect(command: &Command, family: &Family, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    pages.push((format!("{}.1", name(command)), page(command, family)?));
    command.get_subcommands().filter(|sub| !sub.is_hide_set()).try_for_each(|sub| collect(sub, family, pages))
}

fn name(command: &Command) -> String {
    command.get_display_name().unwrap_or(command.get_name()).replace(' ', "-")
}

fn page(command: &Command, family: &Family) -> Result<Vec<u8>, Failure> {
    let failed = |e| Failure::new(Fault::Bug, format!("cannot make the manual page: {e}"));
    let man = Man::new(command.clone()).source(&family.source).manual("Intraware");
    let mut page = Vec::new();
    man.render_title(&mut page).map_err(failed)?;
    man.render_name_section(&mut page).map_err(failed)?;
    man.render_synopsis_section(&mut page).map_err(failed)?;
    man.render_description_section(&mut page).map_err(failed)?;
    man.render_options_section(&mut page).map_err(failed)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page).map_err(failed)?;
    }
    let more = command.get_after_long_help().or(command.get_after_help());
    page.extend(more.map(|more| sections(&more.to_string())).unwrap_or_default().bytes());
    page.extend(files().bytes());
    page.extend(see_also(command, family).bytes());
    Ok(page)
}

/// Returns the sections of a text, each of whose headings is a line in capitals that ends with a colon.
fn sections(text: &str) -> String {
    let mut roff = String::new();
    for line in text.lines() {
        let is_heading = |heading: &&str| {
            !heading.is_empty() && heading.chars().all(|c| c.is_ascii_uppercase() || c == ' ')
        };
        match line.strip_suffix(':').filter(is_heading) {
            // Lines stay lines: what is to be typed is not filled.
            Some(heading) if roff.is_empty() => roff.push_str(&format!(".SH \"{heading}\"\n.nf\n")),
            Some(heading) => roff.push_str(&format!(".fi\n.SH \"{heading}\"\n.nf\n")),
            None if roff.is_empty() => {}
            None => roff.push_str(&format!("{}\n", plain(line))),
        }
    }
    if !roff.is_empty() {
        roff.push_str(".fi\n");
    }
    roff
}

/// Returns a line that roff takes as it is.
fn plain(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

fn files() -> String {
    let entry = |(file, what): (&str, &str)| format!(".TP\n.I {}\n{}\n", plain(file), plain(what));
    let files = [
        (DEFAULT_CONFIG, "the configuration, unless --config or INTRAWARE_CONFIG names another"),
        (OPERATIONS, "what each state, message and exit status means, and what to do about it"),
        ("/mnt/intraware", "the spool, unless the configuration names another"),
    ];
    format!(".SH FILES\n{}", files.map(entry).concat())
}

fn see_also(command: &Command, family: &Family) -> String {
    let own = name(command);
    let programs = ["manage", "upload"].into_iter().filter(|program| *program != own);
    let mut pages: Vec<String> = programs.map(|program| format!("{program}(1)")).collect();
    // What is next of kin stands first.
    pages.sort_by_key(|page| !page.starts_with(&family.head));
    format!(".SH \"SEE ALSO\"\n{}\n", plain(&pages.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomer_m15_what_stands_behind_the_help_becomes_sections_line_by_line() {
        let text = "EXAMPLES:\n  manage --dry-run   look\n.x\n\nEXIT STATUS:\n   0  done\n";
        let expected = ".SH \"EXAMPLES\"\n.nf\n  manage \\-\\-dry\\-run   look\n\\&.x\n\n.fi\n\
                        .SH \"EXIT STATUS\"\n.nf\n   0  done\n.fi\n";
        assert_eq!(sections(text), expected);
    }
}
