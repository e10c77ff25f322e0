//! `tests/tupkg-fuzz`: broken messages for the parsers, by a driver that needs no nightly compiler.
//!
//! Each execution makes a message of one kind, in either dialect, breaks it in none to six places (bits,
//! bytes, pieces taken out, doubled, swapped, fields of others, escapes, digits of numbers), and feeds it to
//! a parser. Nobody may panic, and what is accepted keeps the promises that the rest of the program relies
//! on:
//!
//! - a frame read is the frame that was written, and never longer than the limit;
//! - a list of fields, written and read again, is the same;
//! - an announcement accepted has 1 to as many packages as allowed, and means the same when it is written
//!   again;
//! - sizes held are never more than what was announced;
//! - verdicts are as many as there were packages.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use intraware_test_support::dice::Dice;
use intraware_test_support::rounds::say;
use tupkg::digest::Hex;
use tupkg::secret::Secret;
use tupkg::wire::form::Fields;
use tupkg::wire::frame;
use tupkg::wire::{
    Announced, Announcement, Dialect, Held, Login, LoginAnswer, Reason, Refusal, Verdict, Verdicts,
};

/// What names and broken bytes are made of, besides any bytes.
const SIGNS: &[u8] = b"abcxyz0189.+-_@/%& =\0";
/// The most packages that the parser is told to accept.
const LIMIT: usize = 8;

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        say(format_args!("usage: tests/tupkg-fuzz [--executions N] [--seed N] [--threads N]"));
        return ExitCode::from(2);
    };
    let (done, accepted, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let begin = Instant::now();
    thread::scope(|scope| {
        for thread in 0..options.threads {
            let (done, accepted, failed) = (&done, &accepted, &failed);
            scope.spawn(move || {
                let mine = options.executions / options.threads
                    + u64::from(thread < options.executions % options.threads);
                for n in 0..mine {
                    let seed = options.seed.wrapping_add(n * options.threads + thread);
                    if failed.load(Ordering::Relaxed) {
                        return;
                    }
                    let ended = std::panic::catch_unwind(|| one(&mut Dice(seed)));
                    match ended {
                        Ok(is_accepted) => accepted.fetch_add(u64::from(is_accepted), Ordering::Relaxed),
                        Err(_) => {
                            say(format_args!("broken by tests/tupkg-fuzz --executions 1 --seed {seed}"));
                            failed.store(true, Ordering::Relaxed);
                            return;
                        }
                    };
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let (done, accepted) = (done.into_inner(), accepted.into_inner());
    let took = begin.elapsed().as_secs_f64();
    say(format_args!(
        "{done} executions from seed {}, {accepted} of them accepted, in {took:.1} s",
        options.seed
    ));
    ExitCode::from(u8::from(failed.into_inner()))
}

#[derive(Debug, Clone, Copy)]
struct Options {
    executions: u64,
    seed: u64,
    threads: u64,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
        let mut options = Self { executions: 20_000_000, seed: 1, threads };
        while let Some(word) = words.next() {
            let value = words.next()?.parse().ok()?;
            match word.as_str() {
                "--executions" => options.executions = value,
                "--seed" => options.seed = value,
                "--threads" => options.threads = Some(value).filter(|value| *value > 0)?,
                _ => return None,
            }
        }
        Some(options)
    }
}

/// Makes one message, breaks it, and feeds it; returns whether it was accepted.
fn one(dice: &mut Dice) -> bool {
    // The seeds of neighbours are neighbours.
    dice.0 = dice.draw();
    let announcement = announcement(dice);
    let has_sha256 = announcement.packages[0].sha256.is_some();
    match dice.below(7) {
        0 => frames(dice),
        1 => fields(dice),
        2 => login(dice),
        3 => announced(dice, &announcement, has_sha256),
        4 => held(dice, &announcement),
        5 => verdicts(dice, &announcement, has_sha256),
        _ => answer(dice),
    }
}

fn announcement(dice: &mut Dice) -> Announcement {
    let dialect = if dice.below(2) == 0 { Dialect::Readme } else { Dialect::Y2004 };
    let has_sha256 = dice.below(2) == 0;
    let most = if dice.below(8) == 0 { LIMIT + 2 } else { 3 };
    let count = 1 + dice.below(most);
    let package = |_| {
        let shift = dice.below(63);
        let size = (dice.draw() >> 1) >> shift;
        let sum = dice.draw().to_le_bytes();
        let sha256 = has_sha256.then(|| Hex(std::array::from_fn(|n| sum[n % 8])));
        Announced { name: bytes(dice, 24), size, md5: Hex(std::array::from_fn(|n| sum[7 - n % 8])), sha256 }
    };
    Announcement { dialect, packages: (0..count).map(package).collect() }
}

fn frames(dice: &mut Dice) -> bool {
    let message = bytes(dice, 64);
    let mut bytes = Vec::new();
    frame::write(&mut bytes, &message).expect("a short message");
    let limit = dice.below(80);
    match frame::read(&mut &bytes[..], limit) {
        Ok(read) => assert_eq!(read, message, "another message"),
        Err(_) => assert!(message.len() > limit, "a message within the limit"),
    }
    let mut broken = damaged(dice, bytes);
    broken.truncate(dice.below(broken.len() + 1));
    match frame::read(&mut &broken[..], limit) {
        Ok(read) => {
            assert!(read.len() <= limit, "a message above the limit");
            assert!(broken[2..].starts_with(&read), "other bytes");
            true
        }
        Err(_) => false,
    }
}

fn fields(dice: &mut Dice) -> bool {
    let message = if dice.below(3) == 0 { bytes(dice, 80) } else { announcement(dice).message().to_vec() };
    let message = damaged(dice, message);
    let Ok(fields) = Fields::parse(&message) else { return false };
    let again = Fields::parse(&fields.message()).expect("what was accepted once");
    assert!(again == fields, "fields that change");
    true
}

fn login(dice: &mut Dice) -> bool {
    let login = Login { user: bytes(dice, 20), password: Secret::new(bytes(dice, 20)) };
    assert_eq!(Login::parse(&login.message()).expect("a login"), login);
    let message = damaged(dice, login.message().to_vec());
    let Ok(read) = Login::parse(&message) else { return false };
    assert_eq!(Login::parse(&read.message()).expect("a login"), read);
    true
}

fn announced(dice: &mut Dice, announcement: &Announcement, has_sha256: bool) -> bool {
    let message = announcement.message().to_vec();
    if announcement.packages.len() <= LIMIT {
        assert_eq!(&Announcement::parse(&message, LIMIT, has_sha256).expect("an announcement"), announcement);
        assert!(Announcement::parse(&message, LIMIT, !has_sha256).is_err(), "with and without SHA-256");
    }
    let message = damaged(dice, message);
    let Ok(read) = Announcement::parse(&message, LIMIT, has_sha256) else { return false };
    assert!((1..=LIMIT).contains(&read.packages.len()), "{} packages", read.packages.len());
    assert!(read.packages.iter().all(|package| package.sha256.is_some() == has_sha256), "SHA-256 unasked");
    assert!(
        read.packages.iter().all(|package| i64::try_from(package.size).is_ok()),
        "a size that no file has"
    );
    let again = Announcement::parse(&read.message(), LIMIT, has_sha256);
    assert_eq!(again.expect("what was accepted once"), read);
    true
}

fn held(dice: &mut Dice, announcement: &Announcement) -> bool {
    let sizes = announcement.packages.iter().map(|package| dice.draw() % (package.size + 1)).collect();
    let held = Held(sizes);
    let message = held.message(announcement).to_vec();
    assert_eq!(Held::parse(&message, announcement).expect("an answer"), held);
    let message = damaged(dice, message);
    let Ok(Held(read)) = Held::parse(&message, announcement) else { return false };
    assert_eq!(read.len(), announcement.packages.len(), "as many as announced");
    let pairs = read.iter().zip(&announcement.packages);
    assert!(pairs.into_iter().all(|(held, package)| *held <= package.size), "more than there is");
    true
}

fn verdicts(dice: &mut Dice, announcement: &Announcement, has_sha256: bool) -> bool {
    let (dialect, count) = (announcement.dialect, announcement.packages.len());
    let verdict = |_| if dice.below(2) == 0 { Verdict::Pass } else { Verdict::Fail };
    let verdicts = Verdicts((0..count).map(verdict).collect());
    let message = verdicts.message(dialect, has_sha256).to_vec();
    assert_eq!(Verdicts::parse(&message, dialect, count, has_sha256).expect("verdicts"), verdicts);
    let message = damaged(dice, message);
    let Ok(Verdicts(read)) = Verdicts::parse(&message, dialect, count, has_sha256) else { return false };
    assert_eq!(read.len(), count, "as many as packages");
    true
}

fn answer(dice: &mut Dice) -> bool {
    let reasons = [Reason::NotSaid, Reason::Busy, Reason::Quota, Reason::Name, Reason::Server];
    let refusal = Refusal { reason: reasons[dice.below(reasons.len())], package: None };
    let answer = if dice.below(2) == 0 { LoginAnswer::Pass } else { LoginAnswer::Fail(refusal) };
    assert_eq!(LoginAnswer::parse(&answer.message()).expect("an answer"), answer);
    let message = damaged(dice, answer.message().to_vec());
    LoginAnswer::parse(&message).is_ok()
}

/// Breaks a message in none to six places.
fn damaged(dice: &mut Dice, mut bytes: Vec<u8>) -> Vec<u8> {
    const PIECES: [&[u8]; 16] = [
        b"&",
        b"=",
        b"%",
        b"%00",
        b"%2F",
        b"%zz",
        b"+",
        b"&name1=x",
        b"&name0=x",
        b"&numpkgs=1",
        b"&size1=0",
        b"-1",
        b"18446744073709551616",
        b"&&",
        b"result=FAIL",
        b"0",
    ];
    for _ in 0..dice.below(7) {
        let (at, other) = (dice.below(bytes.len() + 1), dice.below(bytes.len() + 1));
        let (from, to) = (at.min(other), at.max(other));
        match dice.below(8) {
            0 if !bytes.is_empty() => {
                let bit = 1 << dice.below(8);
                let length = bytes.len();
                bytes[at % length] ^= bit;
            }
            1 if !bytes.is_empty() => {
                let length = bytes.len();
                bytes[at % length] = dice.draw() as u8;
            }
            2 => drop(bytes.drain(from..to.min(from + 8))),
            3 => {
                let piece = bytes[from..to.min(from + 32)].to_vec();
                bytes.splice(at.min(bytes.len())..at.min(bytes.len()), piece);
            }
            4 | 5 => {
                let piece = PIECES[dice.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            6 => bytes.truncate(at),
            _ => {
                // Two fields change places.
                let mut parts: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'&').map(<[u8]>::to_vec).collect();
                let (one, two) = (dice.below(parts.len()), dice.below(parts.len()));
                parts.swap(one, two);
                bytes = parts.join(&b'&');
            }
        }
    }
    bytes
}

/// Returns some bytes, `most` of them at the most.
fn bytes(dice: &mut Dice, most: usize) -> Vec<u8> {
    let count = dice.below(most + 1);
    match dice.below(3) {
        0 => (0..count).map(|_| dice.draw() as u8).collect(),
        _ => (0..count).map(|_| SIGNS[dice.below(SIGNS.len())]).collect(),
    }
}
