//! Where a build is what comes next, the shells complete the names of those that have something in the spool.

use std::fs;
use std::path::Path;
use std::process::Command;

use intraware_tests::{Bench, Program, Run, Running};

fn bench() -> Bench {
    let bench = Bench::builder().build();
    for name in ["forge-1", "other"] {
        bench.add_build(name, name, |dir| fs::write(dir.join("README"), name).expect("a file"));
    }
    bench.manage(&["run"]).expect_silence();
    bench
}

const PROGRAMS: [(Program, &str); 2] = [(Program::Manage, "manage"), (Program::Upload, "upload")];

/// Writes a program's completions for a shell.
fn completions(bench: &Bench, (program, name): (Program, &str), shell: &str) -> String {
    let made = Running::start(bench.command(program, &["completions", shell])).wait().expect(0);
    let file = bench.path(name);
    fs::write(&file, made.stdout).expect("a file");
    file.display().to_string()
}

fn shell(bench: &Bench, words: &[&str]) -> Run {
    let mut shell = Command::new(words[0]);
    shell.args(&words[1..]).env_clear().current_dir(bench.path("home")).env("HOME", bench.path("home"));
    shell.env("PATH", "/usr/bin:/bin").env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
    Running::start(shell).wait()
}

/// Returns the lines at which the tab key is pressed, each up to there.
fn lines(name: &str) -> &'static [&'static str] {
    match name {
        "manage" => {
            &["manage why fo", "manage hold fo", "manage run fo", "manage run --build fo", "manage verify fo"]
        }
        _ => &["upload run fo", "upload run --job fo", "upload --job fo"],
    }
}

#[test]
fn newcomer_m17_fish_completes_the_names_of_builds_in_the_spool() {
    let bench = bench();
    let config = bench.path("etc/intraware.toml").display().to_string();
    for (program, name) in PROGRAMS {
        let file = completions(&bench, (program, name), "fish");
        let path = program.path().display();
        for line in lines(name) {
            let asked = format!(
                "function {name}; {path} --config {config} $argv; end; source {file}; complete -C '{line}'"
            );
            let run = shell(&bench, &["fish", "--no-config", "-c", &asked]).expect(0);
            assert_eq!(run.stdout, "forge-1\n", "{line}");
        }
    }
}

/// A person at a terminal: types LINE and the tab key, and what the program is called with then is in the
/// file `called`.
const TYPES: &str = r#"
zmodload zsh/zpty
until_there() { local n; for n in {1..600}; do [[ -s $1 ]] && return; sleep 0.1; done; exit 1 }
zpty terminal zsh -f -i
zpty -w terminal "PS1=; autoload -U compinit; compinit -D -u; source person; print ready >ready"
until_there ready
zpty -w -n terminal $'LINE\t\n'
until_there called
zpty -d terminal
"#;

#[test]
fn newcomer_m17_zsh_completes_the_names_of_builds_in_the_spool() {
    let bench = bench();
    let config = bench.path("etc/intraware.toml").display().to_string();
    let home = |name: &str| bench.path("home").join(name);
    for (program, name) in PROGRAMS {
        let file = completions(&bench, (program, name), "zsh");
        let path = program.path().display();
        let person = format!(
            "{name}() {{ if [[ $1 == names ]]; then {path} --config {config} names; else print -r -- $@ >|called; fi }}\n\
             source {file}\n"
        );
        fs::write(home("person"), person).expect("a file");
        for line in lines(name) {
            forget(&[&home("ready"), &home("called")]);
            shell(&bench, &["zsh", "-f", "-c", &TYPES.replace("LINE", line)]).expect(0);
            let words = line.split_once(' ').expect("a word behind the program").1;
            let called = fs::read_to_string(home("called")).expect("the program was called");
            assert_eq!(called, words.replace(" fo", " forge-1\n"), "{line}");
        }
    }
}

fn forget(files: &[&Path]) {
    for file in files.iter().filter(|file| file.exists()) {
        fs::remove_file(file).expect("a file of ours");
    }
}
