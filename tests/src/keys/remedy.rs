//! The command that a refusal names, and typing it: at a terminal, where GnuPG asks before it deletes
//! something.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use intraware_tests::support::gpg::Gnupg;

use crate::gpg::{self, Export, Recipe};
use crate::maker::Makers;
use crate::room::{PASSPHRASE, Room, USER};

/// What the programs are called that remedies use.
const PROGRAMS: [&str; 4] = ["gpg --", "sq key ", "manage check-key ", "timedatectl"];

/// Returns the command that a message names first: between backticks, as all that can be typed.
pub(crate) fn command(message: &str) -> Option<String> {
    commands(message).next()
}

/// Returns what a message names for a newer sq, beside the command for the one that Debian 12 has.
pub(crate) fn for_new_sq(message: &str) -> Option<String> {
    commands(message).skip(1).find(|command| needs_new_sq(command))
}

fn commands(message: &str) -> impl Iterator<Item = String> {
    let quoted = message.split('`').skip(1).step_by(2);
    let is_one = |text: &&str| PROGRAMS.iter().any(|program| text.starts_with(program));
    quoted.filter(is_one).map(str::to_owned)
}

/// Returns whether a command can be typed as it stands, and mends the key or makes another.
pub(crate) fn is_for_the_key(command: &str) -> bool {
    let names_a_key = command
        .split([' ', '\''])
        .any(|word| word.len() >= 40 && word.bytes().all(|b| b.is_ascii_hexdigit()));
    let is_of_gpg = command.starts_with("gpg ") && !command.contains("--export") && names_a_key;
    is_of_gpg || makes_another(command) || command.starts_with("sq key ")
}

/// Returns whether Debian 12's sq cannot do it.
pub(crate) fn needs_new_sq(command: &str) -> bool {
    command.starts_with("sq key ") && command.contains(" --cert-file ")
}

/// Returns whether a command makes another key, whatever is wrong with this one.
pub(crate) fn makes_another(command: &str) -> bool {
    command.starts_with("gpg --quick-generate-key ")
}

/// Types a command about the key in `room`, where the secret of its primary part is, and returns a room with
/// what the operator exports then.
pub(crate) fn type_it(
    command: &str,
    room: &Room,
    home: Option<&Gnupg>,
    makers: &Makers,
) -> Result<Room, String> {
    let mended = Room::new();
    if command.starts_with("sq ") {
        let at = |name| mended.at(name).display().to_string();
        let command = command.replace("NEW-FILE", &at("secret"));
        let command = command.replace(" FILE", &format!(" {}", room.at("secret").display()));
        let command = match (needs_new_sq(&command), &makers.new_sq) {
            (true, Some(sq)) => command.replacen("sq", &sq.display().to_string(), 1),
            (true, None) | (false, _) => command,
        };
        typed(&command, None, makers)?;
        mended.close("secret");
        let gnupg = Gnupg::new();
        gnupg.import(&mended.read("secret").ok_or("it writes no file")?);
        gpg::export(&gnupg, &WHOLE, &mended);
        return Ok(mended);
    }
    let is_elsewhere = room.at("whole").exists();
    let passphrase = if is_elsewhere { PASSPHRASE } else { "" };
    let own;
    let gnupg = match home {
        Some(home) => home,
        None => {
            own = Gnupg::new();
            // The operator has the key in GnuPG, or imports it.
            let file = room.at(if is_elsewhere { "whole" } else { "secret" });
            gpg::output(&own, &["--import", file.to_str().expect("a path is text")], "", "");
            &own
        }
    };
    let before = gpg::keys(gnupg);
    let options = format!("pinentry-mode loopback\npassphrase \"{passphrase}\"\n");
    fs::write(gnupg.home().join("gpg.conf"), options).expect("a file");
    let done = typed(command, Some(gnupg), makers);
    fs::remove_file(gnupg.home().join("gpg.conf")).expect("the file");
    done?;
    let after = gpg::keys(gnupg);
    let is_new = |key: &&Vec<String>| !before.iter().any(|known| known.first() == key.first());
    let key = after.iter().find(is_new).or(after.first()).and_then(|key| key.first());
    let key = key.ok_or("GnuPG has no key then")?;
    let whole = gnupg.export_secret(key, passphrase);
    if is_elsewhere {
        mended.write("whole", &whole);
        mended.write("secret", &gnupg.export_secret_subkeys(key, passphrase));
    } else {
        mended.write("secret", &whole);
    }
    mended.write("public", &gnupg.export_public(key));
    Ok(mended)
}

const WHOLE: Recipe = Recipe { steps: &[], export: Export::Whole, passphrase: "" };

/// Types a line into a shell at a terminal, and answers yes to what is asked.
fn typed(line: &str, gnupg: Option<&Gnupg>, makers: &Makers) -> Result<(), String> {
    let line = line.replace("NAME <ADDRESS>", &USER.replace("Build", "New Build"));
    let mut shell = Command::new("script");
    shell.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    if let Some(gnupg) = gnupg {
        shell.env("GNUPGHOME", gnupg.home());
    }
    let path = makers.debian("sq");
    let path = path.parent().expect("a directory").display();
    shell.env("PATH", format!("{path}:/usr/bin:/bin")).env("LC_ALL", "C.UTF-8");
    let mut child = shell
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("script: {error}"))?;
    // It may have ended before it reads.
    let _ = child.stdin.take().expect("a pipe").write_all(b"y\ny\n");
    let output = child.wait_with_output().map_err(|error| format!("script: {error}"))?;
    // At a key of which it has complained, GnuPG does all that it is told and ends with 2. Whether the key is
    // taken then is what counts.
    let has_complained = line.starts_with("gpg --edit-key ") && output.status.code() == Some(2);
    if output.status.success() || has_complained {
        return Ok(());
    }
    Err(format!("{line}: {}", String::from_utf8_lossy(&output.stdout).trim()))
}
