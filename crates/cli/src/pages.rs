//! Shell completions and manual pages, made from the command line's own definition.

use std::collections::BTreeSet;

use clap::Command;
use clap_complete::Shell;
use intraware_core::spool::{Found, Room};

use crate::common::Common;
use crate::failure::Failure;
use crate::output;
use crate::parts::{self, Permission};

/// Writes a shell's completions to standard output.
pub fn completions(mut command: Command, shell: Shell) -> Result<(), Failure> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name.clone(), &mut script);
    script.extend(builds(shell, &name).into_bytes());
    output::bytes(&script)
}

/// Returns what completes the names of builds, where a build is what comes next: those that have something in the spool.
fn builds(shell: Shell, program: &str) -> String {
    let template = match shell {
        Shell::Bash => BASH,
        Shell::Fish => FISH,
        // Theirs complete nothing there.
        _ => "",
    };
    template.replace("PROGRAM", program)
}

const BASH: &str = r#"
_PROGRAM_builds() {
    local current=${COMP_WORDS[COMP_CWORD]} word
    if [[ $current != -* ]]; then
        for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
            case $word in why|hold|release|retry|run|--build|--job) ;; *) continue ;; esac
            COMPREPLY=($(compgen -W "$(PROGRAM names 2>/dev/null)" -- "$current"))
            return
        done
    fi
    _PROGRAM "$@"
}
complete -F _PROGRAM_builds -o nosort PROGRAM
"#;

const FISH: &str = r#"
complete -c PROGRAM -n "__fish_seen_subcommand_from why hold release retry run" -f -a "(PROGRAM names 2>/dev/null)"
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

/// Writes the manual page of a program and all its commands, as roff, to standard output.
pub fn man(command: Command) -> Result<(), Failure> {
    let mut page = Vec::new();
    let failed =
        |e| Failure::new(intraware_core::exit::Fault::Bug, format!("cannot make the manual page: {e}"));
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(failed)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let name: &'static str = format!("{} {}", command.get_name(), sub.get_name()).leak();
        clap_mangen::Man::new(sub.clone().name(name)).render(&mut page).map_err(failed)?;
    }
    output::bytes(&page)
}

/// Writes the manual page of one command, as roff, to standard output.
pub fn man_of(command: Command, description: &'static str) -> Result<(), Failure> {
    let mut page = Vec::new();
    let failed =
        |e| Failure::new(intraware_core::exit::Fault::Bug, format!("cannot make the manual page: {e}"));
    clap_mangen::Man::new(command.long_about(description)).render(&mut page).map_err(failed)?;
    output::bytes(&page)
}

pub use clap_complete::Shell as ShellName;
