//! kill -9 of either end, cuts, resets, stalls and drips at random places: the next session goes on, sends at
//! most 64 KiB of what had arrived again, and the bytes are right.
//!
//! What had arrived is counted outside of both programs. As long as the server lives, it is what the relay
//! passed on. Where it is killed, it is what it took from the kernel: it is stopped first, so that nothing
//! moves while that is asked.
//!
//! `tests/tupkg-cuts --rounds 200` makes as many rounds as wanted; here there are a few.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use intraware_tests::support::dice::Dice;
use intraware_tests::support::relay::{Fault, Relay, Side};
use intraware_tests::support::rounds::{number_from, say};
use rustix::process::Signal;

use crate::scene::{PATIENCE, Scene, Server, Tls, content};

/// What a session has besides the packages' bytes: TLS, login, announcement. More than that is not passed
/// before data.
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

    /// Returns how many bytes the server had at least when it was over with its session; `None` if nobody
    /// knows.
    fn had(&self, relay: &Relay, left: Option<&Left>) -> Option<u64> {
        match (self.harm, self.side) {
            // What the relay was about to pass on may be lost when the other way is cut.
            (Harm::Cut, Side::Client) => Some(relay.sent().min(self.at)),
            // All that was passed arrives, because the relay stays, and the server takes it before it gives
            // up.
            (Harm::Stall | Harm::KillClient, _) => Some(relay.sent()),
            (Harm::KillServer, _) => left?.taken,
            // A reset throws away what is under way, and a drip ends by itself.
            (Harm::Cut | Harm::Reset | Harm::Drip, _) => None,
        }
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

    /// Sends the package while the harm is done; returns whether the client is through, and what was left of
    /// the server if it was killed meanwhile.
    fn disturbed(&self, scene: &Scene, server: &mut Server, relay: &Relay) -> (bool, Option<Left>) {
        let account = scene.account("disturbed", relay.addr(), self.tls, "");
        let mut left = None;
        let mut client = scene.start_send(&account, &[&self.name, "--tries", "1"]);
        let begin = Instant::now();
        while client.is_alive() && begin.elapsed() < PATIENCE {
            let is_there = relay.sent() >= self.at;
            match self.harm {
                Harm::KillServer if is_there => {
                    left = Some(Left::by(scene, server, relay));
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
        (client.wait().status == 0, left)
    }
}

/// What a server that was killed had of the package.
struct Left {
    /// How many bytes it took from its connection, if that still stood.
    taken: Option<u64>,
    /// How many of the package are in its partial file.
    written: u64,
}

impl Left {
    /// Kills the server, and finds out what it had.
    fn by(scene: &Scene, server: &Server, relay: &Relay) -> Self {
        server.stop();
        let taken = relay.ends().pop().and_then(|end| taken(server.address(), end));
        let left = Self { taken, written: scene.partial() };
        server.signal(Signal::KILL);
        left
    }
}

/// Returns how many bytes the process at `here` has taken from its connection to `there`: those that have
/// come, without those that wait in the kernel.
fn taken(here: SocketAddr, there: SocketAddr) -> Option<u64> {
    let which = format!("src {here} and dst {there}");
    let output = Command::new("ss").args(["-HtinO", &which]).output().expect("ss starts");
    assert!(output.status.success(), "ss: {}", String::from_utf8_lossy(&output.stderr));
    let line = String::from_utf8(output.stdout).expect("text");
    let waiting = line.split_whitespace().nth(1)?.parse::<u64>().expect("a number");
    let come = line.split_once("bytes_received:").map_or("0", |(_, rest)| rest);
    let come = come.split_whitespace().next().expect("a number").parse::<u64>().expect("a number");
    Some(come - waiting)
}

/// Makes one round; returns whether some of the package was there when it was gone on with.
fn one(scene: &Scene, server: &mut Server, harm: Harm, number: u64, dice: &mut Dice) -> bool {
    let round = Round::draw(harm, number, dice);
    scene.package(&round.name, round.size, round.seed);
    let before = scene.partial();
    let relay = Relay::counting(server.address(), round.fault(), round.side);
    let (has_passed, left) = round.disturbed(scene, server, &relay);
    if harm == Harm::KillServer {
        server.reap();
        let restarted = scene.serve();
        let _ = std::mem::replace(server, restarted);
    }
    let further = Relay::start(server.address(), Fault::None);
    let account = scene.account("whole", further.addr(), round.tls, "");
    // The server may not have noticed yet, and says that the package is under way.
    let ended =
        scene.send(&account, &[&round.name, "--json", "--tries", "50"]).expect(0).json()["packages"].clone();
    let (from, size) = (ended[0]["resumed_from"].as_u64().expect("a number"), round.size as u64);
    assert!(further.sent() <= size - from + WORDS, "{} were sent of {size} from {from} on", further.sent());
    let is_through = has_passed || from == size;
    if !is_through && let Some(had) = round.had(&relay, left.as_ref()) {
        assert!(from + WORDS + LOST >= had, "{had} bytes had arrived, and {from} are there");
    }
    if let Some(left) = left {
        assert!(from >= left.written, "{} were in the file, and {from} are there", left.written);
    }
    let arrived = scene.path("root/incoming/u1").join(&round.name);
    assert!(fs::read(&arrived).expect("a package") == content(round.size, round.seed), "round {number}");
    fs::remove_file(arrived).expect("a package");
    assert_eq!(scene.partial(), before, "round {number}: nothing is left of it");
    !is_through && from > 0
}
