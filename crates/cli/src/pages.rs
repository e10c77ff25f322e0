//! Shell completions and manual pages, made from the command line's own definition.

use clap::Command;
use clap_complete::Shell;

use crate::failure::Failure;
use crate::output;

/// Writes a shell's completions to standard output.
pub fn completions(mut command: Command, shell: Shell) -> Result<(), Failure> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    output::bytes(&script)
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
