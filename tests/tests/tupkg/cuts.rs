//! kill -9 of either end, cuts, resets, stalls and drips at random places: the next session goes on, sends at most 64 KiB
//! of what had arrived again, and the bytes are right.
//!
//! `tests/tupkg-cuts --rounds 200` makes as many rounds as wanted; here there are a few.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use intraware_tests::support::dice::Dice;
use intraware_tests::support::relay::{Fault, Relay, Side};
use intraware_tests::support::rounds::{number_from, say};
use rustix::process::Signal;

use crate::scene::{PATIENCE, Scene, Server, Tls, content};

/// What a session has besides the packages' bytes: TLS, login, announcement. More than that is not passed before data.
const WORDS: u64 = 8 << 10;
/// What may be lost besides what was under way.
const LOST: u64 = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    Cut,
    Reset,
    Stall,
    Drip,
    KillServer,
    KillClient,
}

const HARMS: [Harm; 6] =
    [Harm::Cut, Harm::Reset, Harm::Stall, Harm::Drip, Harm::KillServer, Harm::KillClient];

#[test]
fn s4_13_s4_19_a_session_that_is_cut_anywhere_is_gone_on_with() {
    let rounds = number_from("INTRAWARE_TUPKG_ROUNDS").unwrap_or(12);
    let first = number_from("INTRAWARE_TUPKG_SEED").unwrap_or_else(|| RandomState::new().hash_one("tupkg"));
    let scene = Scene::new("limits.idle_s = 1\nlimits.quota = \"1T\"\nlimits.files = 100000");
    let mut server = scene.serve();
    let mut resumed = 0;
    for round in 0..rounds {
        let seed = first.wrapping_add(round);
        let harm = HARMS[usize::try_from(round).unwrap_or(0) % HARMS.len()];
        resumed += u64::from(one(&scene, &mut server, harm, round, &mut Dice(seed)));
    }
    say(format_args!("{resumed} of {rounds} sessions were gone on with in the middle of a package"));
    assert!(resumed * 4 >= rounds, "only {resumed} of {rounds} were cut in the middle of a package");
}

/// What happens in one round, where, and to what.
struct Round {
    harm: Harm,
    tls: Tls,
    /// Whose bytes are counted, and after how many it happens.
    side: Side,
    at: u64,
    name: String,
    size: usize,
    seed: u64,
}

impl Round {
    fn draw(harm: Harm, number: u64, dice: &mut Dice) -> Self {
        let seed = dice.0;
        let size = match harm {
            // A little at a time takes its time.
            Harm::Drip => 2000 + dice.below(20_000),
            _ => 200_000 + dice.below(3_000_000),
        };
        let tls = if dice.below(2) == 0 { Tls::Yes } else { Tls::No };
        // Every fifth time the server's words are cut and not the client's.
        let (side, at) = match dice.below(5) {
            0 => (Side::Server, dice.below(1500) as u64),
            _ => (Side::Client, dice.below(size + 3000) as u64),
        };
        say(format_args!(
            "round {number}, INTRAWARE_TUPKG_SEED={seed}: {harm:?} at {at} of {size}, {side:?}, {tls:?}"
        ));
        let name = format!("{number}-{seed:x}.pkg.tar.xz");
        Self { harm, tls, side, at, name, size, seed }
    }

    fn fault(&self) -> Fault {
        match self.harm {
            Harm::Cut => Fault::CutAfter(self.at),
            Harm::Reset => Fault::ResetAfter(self.at),
            Harm::Stall => Fault::StallAfter(self.at),
            Harm::Drip => Fault::DripAfter(self.at, 20_000),
            Harm::KillServer | Harm::KillClient => Fault::None,
        }
    }

    /// Sends the package while the harm is done; returns whether the client is through, and how many bytes it has sent.
    fn disturbed(&self, scene: &Scene, server: &mut Server) -> (bool, u64) {
        let relay = Relay::counting(server.address(), self.fault(), self.side);
        let account = scene.account("disturbed", relay.addr(), self.tls, "");
        let mut client = scene.start_send(&account, &[&self.name, "--tries", "1"]);
        let begin = Instant::now();
        while client.is_alive() && begin.elapsed() < PATIENCE {
            let is_there = relay.sent() >= self.at;
            match self.harm {
                Harm::KillServer if is_there => {
                    server.signal(Signal::KILL);
                    // It notices by itself.
                    assert!(
                        client.ends_within(PATIENCE),
                        "the client does not notice that the server is gone"
                    );
                }
                Harm::KillClient if is_there => client.signal(Signal::KILL),
                // Nobody tells the client either, who would wait a minute.
                Harm::Stall if relay.met().is_some_and(|met| met.elapsed() > Duration::from_millis(200)) => {
                    client.signal(Signal::KILL);
                }
                _ => thread::sleep(Duration::from_micros(200)),
            }
        }
        (client.wait().status == 0, relay.sent())
    }
}

/// Makes one round; returns whether some of the package was there when it was gone on with.
fn one(scene: &Scene, server: &mut Server, harm: Harm, number: u64, dice: &mut Dice) -> bool {
    let round = Round::draw(harm, number, dice);
    scene.package(&round.name, round.size, round.seed);
    let before = scene.partial();
    let (has_passed, sent) = round.disturbed(scene, server);
    if harm == Harm::KillServer {
        server.reap();
        let restarted = scene.serve();
        let _ = std::mem::replace(server, restarted);
    }
    let account = scene.account("whole", server.address(), round.tls, "");
    // The server may not have noticed yet, and says that the package is under way.
    let ended = scene.send(&account, &[&round.name, "--json", "--tries", "50"]).expect(0).json();
    let from = ended[0]["resumed_from"].as_u64().expect("a number");
    let is_through = has_passed || from == round.size as u64;
    if harm == Harm::Cut && round.side == Side::Client && !is_through {
        // An orderly end: all that was passed has arrived.
        assert!(from + WORDS + LOST >= sent.min(round.at), "{sent} bytes were passed, and {from} are there");
    }
    let arrived = scene.path("root/incoming/u1").join(&round.name);
    assert!(fs::read(&arrived).expect("a package") == content(round.size, round.seed), "round {number}");
    fs::remove_file(arrived).expect("a package");
    assert_eq!(scene.partial(), before, "round {number}: nothing is left of it");
    !is_through && from > 0
}
