//! Sends what is missing at a site, over one connection or over several at the same time.
//!
//! A server takes a certain amount before it acknowledges, so one connection cannot pass that much in a round trip: far
//! away, a connection is slow however fast the line is, and only more connections are faster. Each writes a stretch of
//! its own of the same partial file. One that comes to its end takes half of what the slowest still has before it.
//! Since only what is acknowledged counts, and the whole is verified afterwards, none of them has to be trusted: what a
//! connection had under way when it broke is sent again by another.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use super::Stop;
use super::gaps::At;
use crate::site::{Pool, RemotePath, Session, SiteError};

/// The least that is worth a connection's opening, flushing and closing the file.
const SHARE: u64 = 8 << 20;

/// A site at which a question takes at least so long is far away.
const FAR: Duration = Duration::from_millis(5);

/// How often the caller hears of progress while others send.
const TICK: Duration = Duration::from_millis(100);

/// What is sent.
pub(super) struct Sending<'a> {
    pub(super) part: &'a RemotePath,
    pub(super) payload: &'a File,
    /// Asked before each piece is read.
    pub(super) go_on: &'a (dyn Fn() -> Result<(), Stop> + Sync),
    /// Where further connections come from.
    pub(super) pool: Option<&'a Pool<'a>>,
}

/// Why not everything was sent.
pub(super) enum Unsent {
    Stopped(Stop),
    Site(SiteError),
}

/// What is left to be done, shared by all connections.
struct Work<'a> {
    sending: &'a Sending<'a>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Stretches that nobody has begun.
    waiting: Vec<Range<u64>>,
    /// What each connection has not read yet of its stretch.
    under_way: Vec<Range<u64>>,
    /// How many connections besides the caller's are at work, or may still be.
    others: usize,
    acknowledged: u64,
    /// Nobody reads any further.
    is_over: bool,
    stop: Option<Stop>,
}

impl Sending<'_> {
    /// Sends the ranges in `missing` and returns how many bytes were acknowledged. `distance` is how long the site takes
    /// to answer; `progress` hears how many bytes of this call are acknowledged.
    pub(super) fn send(
        &self,
        session: &mut dyn Session,
        missing: &[Range<u64>],
        distance: Duration,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, Unsent> {
        let lines = self.lines(session, missing, distance);
        let state = State {
            waiting: cut(missing, lines),
            under_way: vec![0..0; lines],
            others: lines - 1,
            acknowledged: 0,
            is_over: false,
            stop: None,
        };
        let work = &Work { sending: self, state: Mutex::new(state), changed: Condvar::new() };
        let sent = thread::scope(|scope| {
            for line in 1..lines {
                let help = move || work.help(line);
                if Builder::new().name(format!("line {line}")).spawn_scoped(scope, help).is_err() {
                    work.state().others -= 1;
                }
            }
            let sent = work.lead(session, progress);
            work.state().is_over = true;
            sent
        });
        let mut state = work.state();
        match (state.stop.take(), sent) {
            (Some(stop), _) => Err(Unsent::Stopped(stop)),
            (None, Err(error)) => Err(Unsent::Site(error)),
            (None, Ok(())) => Ok(state.acknowledged),
        }
    }

    /// Returns over how many connections to send.
    fn lines(&self, session: &dyn Session, missing: &[Range<u64>], distance: Duration) -> usize {
        let bytes: u64 = missing.iter().map(|range| range.end - range.start).sum();
        match self.pool {
            Some(pool) if distance >= FAR && session.writes_anywhere() => {
                usize::try_from(bytes / SHARE).unwrap_or(usize::MAX).clamp(1, pool.most())
            }
            _ => 1,
        }
    }
}

/// Cuts ranges into about so many stretches, the first one last. An empty range stays one.
fn cut(missing: &[Range<u64>], lines: usize) -> Vec<Range<u64>> {
    let bytes: u64 = missing.iter().map(|range| range.end - range.start).sum();
    let share = bytes.div_ceil(lines as u64).max(1);
    let stretches = missing.iter().flat_map(|range| {
        let count = (range.end - range.start).div_ceil(share).max(1);
        (0..count).map(move |i| range.start + i * share..range.end.min(range.start + (i + 1) * share))
    });
    let mut stretches: Vec<_> = stretches.collect();
    stretches.reverse();
    stretches
}

impl Work<'_> {
    /// Sends over the caller's connection until everything is sent. Its failure ends all.
    fn lead(&self, session: &mut dyn Session, progress: &mut dyn FnMut(u64)) -> Result<(), SiteError> {
        let mut told = None;
        let mut tell = |acknowledged: u64| {
            if told != Some(acknowledged) {
                progress(acknowledged);
                told = Some(acknowledged);
            }
        };
        tell(0);
        loop {
            self.run(0, session, &mut tell)?;
            let acknowledged = self.state().acknowledged;
            tell(acknowledged);
            let state = self.state();
            if state.is_over || (state.waiting.is_empty() && state.others == 0) {
                return Ok(());
            }
            if state.waiting.is_empty() {
                drop(self.changed.wait_timeout(state, TICK));
            }
        }
    }

    /// Sends over a connection of its own, if there is one to spare while there is something to send.
    fn help(&self, line: usize) {
        while self.state().has_work() {
            let Some(pool) = self.sending.pool else { break };
            let Some(mut link) = pool.spare() else {
                pool.wait();
                continue;
            };
            let sent = link.open().and_then(|session| self.run(line, session, &mut |_| ()));
            if let Err(error) = sent {
                match error.kind.is_dead() {
                    true => tracing::warn!(%error, "one of several connections was lost; the others go on"),
                    false => tracing::debug!(%error, "one of several connections sends no more"),
                }
                link.heard(error.kind);
                break;
            }
        }
        self.state().others -= 1;
        self.changed.notify_all();
    }

    /// Sends one stretch after the other, as long as there are any; `tell` hears how much all have sent.
    fn run(
        &self,
        line: usize,
        session: &mut dyn Session,
        tell: &mut dyn FnMut(u64),
    ) -> Result<(), SiteError> {
        while let Some(from) = self.begin(line) {
            let (begin, mut done) = (Instant::now(), 0);
            let mut source = Stretch { work: self, line };
            let put = session.put(self.sending.part, from, &mut source, &mut |acknowledged| {
                let so_far = self.acknowledge(acknowledged - done);
                done = acknowledged;
                tell(so_far);
            });
            let ms = begin.elapsed().as_millis();
            tracing::debug!(line, from, bytes = done, ms, ok = put.is_ok(), "sending a stretch");
            if let Err(error) = put {
                self.give_back(line, from + done);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Gives a connection a stretch and returns where that begins.
    fn begin(&self, line: usize) -> Option<u64> {
        let mut state = self.state();
        if state.is_over {
            return None;
        }
        let stretch = state.waiting.pop().or_else(|| state.steal())?;
        let from = stretch.start;
        state.under_way[line] = stretch;
        Some(from)
    }

    /// Counts bytes that the site has acknowledged, and returns all.
    fn acknowledge(&self, bytes: u64) -> u64 {
        let mut state = self.state();
        state.acknowledged += bytes;
        state.acknowledged
    }

    /// Puts back what a connection that failed has not had acknowledged.
    fn give_back(&self, line: usize, from: u64) {
        let mut state = self.state();
        let end = state.under_way[line].end;
        state.under_way[line] = 0..0;
        if from < end {
            state.waiting.push(from..end);
        }
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_work(&self) -> bool {
        !self.is_over && (!self.waiting.is_empty() || self.longest().is_some())
    }

    /// Returns whose stretch is worth being shared most.
    fn longest(&self) -> Option<usize> {
        let left = |line: &usize| self.under_way[*line].end - self.under_way[*line].start;
        (0..self.under_way.len()).max_by_key(left).filter(|line| left(line) >= 2 * SHARE)
    }

    /// Takes half of the longest stretch away from whoever has it.
    fn steal(&mut self) -> Option<Range<u64>> {
        let longest = self.longest()?;
        let theirs = &mut self.under_way[longest];
        let middle = theirs.start + (theirs.end - theirs.start) / 2;
        let stolen = middle..theirs.end;
        theirs.end = middle;
        Some(stolen)
    }
}

/// The bytes of one connection's stretch, whose end may come nearer while it is read.
struct Stretch<'w> {
    work: &'w Work<'w>,
    line: usize,
}

impl Read for Stretch<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Sending { payload, go_on, .. } = *self.work.sending;
        let going_on = go_on();
        let range = {
            let mut state = self.work.state();
            if let Err(stop) = going_on {
                state.is_over = true;
                return Err(io::Error::other(state.stop.insert(stop).clone()));
            }
            if state.is_over {
                return Err(io::Error::other("another connection has come to an end"));
            }
            let ours = &mut state.under_way[self.line];
            let from = ours.start;
            ours.start = ours.end.min(from + buffer.len() as u64);
            from..ours.start
        };
        let len = usize::try_from(range.end - range.start).unwrap_or(buffer.len());
        At { payload, range }.read_exact(&mut buffer[..len])?;
        Ok(len)
    }
}
