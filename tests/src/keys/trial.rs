//! What comes of one kind of key: it is made, looked at by `manage check-key`, and used by `manage run`.

use std::collections::BTreeSet;
use std::fs;
use std::mem::discriminant;
use std::sync::Mutex;

use intraware_tests::{Bench, Run};

use crate::customers;
use crate::kind::{Expected, Kind, Told};
use crate::maker::Makers;
use crate::remedy;
use crate::room::Room;

/// What was found out.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    Accepted,
    Refused,
    /// Others would take it; and why it is refused.
    Stricter(&'static str),
    Failed(String),
}

/// What came of a kind.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) verdict: Verdict,
    /// Whether each of the customers' programs verifies: what `manage` has signed, if it takes the key, else
    /// what the key's maker has signed. None if nothing is signed.
    pub(crate) answers: Option<[bool; 3]>,
    /// What `manage check-key` said.
    pub(crate) said: String,
    /// The commands that were typed until the key was taken.
    pub(crate) typed: usize,
    /// The command that was not typed, since its program is not here.
    pub(crate) untyped: Option<String>,
}

/// The build that is signed.
const BUILD: &str = "p1";

/// Tries kinds; what it remembers is which commands to make another key were typed already.
pub(crate) struct Trials {
    pub(crate) makers: Makers,
    generated: Mutex<BTreeSet<String>>,
}

impl Trials {
    pub(crate) fn new(makers: Makers) -> Self {
        Self { makers, generated: Mutex::new(BTreeSet::new()) }
    }

    /// Tries one.
    pub(crate) fn of(&self, kind: &Kind) -> Seen {
        let room = Room::new();
        let home = self.makers.make(kind, &room);
        let mut seen = look(&room, kind.told);
        let is_all = seen.answers == Some([true; 3]);
        seen.verdict = match (seen.verdict, kind.expected) {
            (Verdict::Accepted, Expected::Accepted) => Verdict::Accepted,
            (Verdict::Refused, Expected::Refused(words) | Expected::Stricter(words, _))
                if !seen.said.contains(words) =>
            {
                Verdict::Failed(format!("it does not say: {words}"))
            }
            (Verdict::Refused, Expected::Refused(_)) if is_all => {
                Verdict::Failed("all others take it".to_owned())
            }
            (Verdict::Refused, Expected::Refused(_)) => Verdict::Refused,
            (Verdict::Refused, Expected::Stricter(_, why)) if is_all => Verdict::Stricter(why),
            (Verdict::Refused, Expected::Stricter(..)) => {
                Verdict::Failed("others refuse it as well".to_owned())
            }
            (Verdict::Accepted, _) => Verdict::Failed("it is accepted".to_owned()),
            (Verdict::Refused, _) => Verdict::Failed("it is refused".to_owned()),
            (failed, _) => failed,
        };
        if matches!(seen.verdict, Verdict::Refused | Verdict::Stricter(_)) {
            match self.mend(&room, home.as_ref(), &seen.said, kind.told) {
                Ok((typed, untyped)) => (seen.typed, seen.untyped) = (typed, untyped),
                Err(why) => seen.verdict = Verdict::Failed(format!("the remedy: {why}")),
            }
        }
        seen
    }

    /// Types the commands that refusals name, until the key is taken. Returns how many there were, and the
    /// one whose program is not here.
    fn mend(
        &self,
        room: &Room,
        home: Option<&intraware_tests::support::gpg::Gnupg>,
        said: &str,
        told: Told,
    ) -> Result<(usize, Option<String>), String> {
        let mut said = said.to_owned();
        let mut mended: Option<Room> = None;
        let mut typed = 0;
        while typed < 4 {
            let command = remedy::command(&said).ok_or("the message names no command")?;
            if !remedy::is_for_the_key(&command) {
                return Ok((typed, None));
            }
            if remedy::needs_new_sq(&command) && self.makers.new_sq.is_none() {
                return Ok((typed, Some(command)));
            }
            if remedy::makes_another(&command) {
                let mut generated = self.generated.lock().expect("no trial panics here");
                if !generated.insert(command.clone()) {
                    return Ok((typed, None));
                }
            }
            let at = mended.as_ref().unwrap_or(room);
            let next = remedy::type_it(&command, at, home, &self.makers)?;
            let seen = look(&next, told);
            typed += 1;
            if let Some(other) = remedy::for_new_sq(&said).filter(|_| self.makers.new_sq.is_some()) {
                let by_other = look(&remedy::type_it(&other, at, home, &self.makers)?, told);
                if discriminant(&by_other.verdict) != discriminant(&seen.verdict) {
                    return Err(format!("after {other}: {}", by_other.said));
                }
                typed += 1;
            }
            match seen.verdict {
                Verdict::Accepted => return Ok((typed, None)),
                Verdict::Refused => said = seen.said,
                Verdict::Failed(why) => return Err(format!("after {command}: {why}")),
                Verdict::Stricter(_) => {}
            }
            mended = Some(next);
        }
        Err(format!("it goes on for ever: {said}"))
    }
}

/// Has `manage` look at a key and use it. The verdict is Accepted, Refused or Failed.
fn look(room: &Room, told: Told) -> Seen {
    let (bench, passphrase) = bench(room, told);
    let secret = room.at("secret");
    let mut arguments = vec!["check-key", secret.to_str().expect("a path is text")];
    if let Some(file) = &passphrase {
        arguments.extend(["--passphrase-file", file]);
    }
    let checked = bench.manage(&arguments);
    let (said, verdict, answers) = match checked.status {
        0 => {
            let (verdict, answers) = accepted(&bench, room);
            (checked.stdout, verdict, answers)
        }
        77 => {
            let signature = room.at("signature");
            let is_signed = signature.exists();
            let answers =
                is_signed.then(|| customers::ask(&room.at("public"), &signature, &room.at("payload")));
            (checked.stderr.clone(), refused(&bench, &checked), answers)
        }
        _ => (checked.stderr.clone(), Verdict::Failed(format!("{checked:?}")), None),
    };
    Seen { verdict, answers, said, typed: 0, untyped: None }
}

/// Makes a company that signs with the key.
fn bench(room: &Room, told: Told) -> (Bench, Option<String>) {
    let file = match told {
        Told::Nothing => None,
        Told::Right => Some(room.at("passphrase")),
        Told::Wrong => Some(room.at("wrong")),
    };
    let file = file.map(|path| path.to_str().expect("a path is text").to_owned());
    let mut builder = Bench::builder();
    if let Some(file) = &file {
        builder = builder.set("signing.passphrase.file", file.as_str());
    }
    let bench = builder.build();
    fs::copy(room.at("secret"), bench.path("etc/signing-key.asc")).expect("a key");
    bench.add_build(BUILD, BUILD, |dir| fs::write(dir.join("setup.sh"), "exec true\n").expect("a file"));
    (bench, file)
}

/// A key that is taken: the build goes its whole way, and customers verify its signature.
fn accepted(bench: &Bench, room: &Room) -> (Verdict, Option<[bool; 3]>) {
    for run in bench.cycle() {
        if run.status != 0 {
            return (Verdict::Failed(format!("check-key takes it, and then: {run:?}")), None);
        }
    }
    let payload = bench.payload(BUILD);
    let signature = payload.with_file_name(format!("{BUILD}.tar.gz.asc"));
    if !signature.exists() {
        return (Verdict::Failed("check-key takes it, and nothing is delivered".to_owned()), None);
    }
    let answers = customers::ask(&room.at("public"), &signature, &payload);
    let failing = customers::PROGRAMS.iter().zip(answers).find(|(_, is_good)| !is_good);
    match failing {
        None => (Verdict::Accepted, Some(answers)),
        Some((program, _)) => {
            (Verdict::Failed(format!("{program} does not verify what it signs")), Some(answers))
        }
    }
}

/// A key that is refused: before any work, by a run as well, with a command.
fn refused(bench: &Bench, checked: &Run) -> Verdict {
    if remedy::command(&checked.stderr).is_none() {
        return Verdict::Failed(format!("the refusal names no command: {}", checked.stderr));
    }
    let run = bench.manage(&["run"]);
    let status = bench.status(BUILD).0;
    let counts = bench.spool_listing().counts();
    if run.status == 77 && status.is_empty() && counts == [0; 5] {
        return Verdict::Refused;
    }
    Verdict::Failed(format!(
        "check-key refuses it, and then the record is {status:?}, the spool {counts:?}: {run:?}"
    ))
}
