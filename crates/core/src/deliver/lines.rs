//! Sends what is missing at a site, over one connection or over several at the same time, and has the site
//! hash it meanwhile.
//!
//! A server takes a certain amount before it acknowledges, so one connection cannot pass that much in a round
//! trip: far away, a connection is slow however fast the line is, and only more connections are faster. All
//! write to one partial file, each the next piece that nobody has begun, so that the file grows from its
//! beginning on, and the fastest sends most. Since only what is acknowledged counts, and the whole is
//! verified afterwards, none of them has to be trusted: what a connection had under way when it broke is sent
//! again by another.
//!
//! Because the file grows from its beginning on, the site can hash it while the rest is still on its way.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder, Scope};
use std::time::{Duration, Instant};

use super::Stop;
use super::gaps::At;
use crate::site::{Pieces, Pool, RemotePath, Session, SiteError};

/// The least that is worth a connection.
const SHARE: u64 = 8 << 20;

/// Fewer connections than this are made more of, if so much is to be sent.
const ENOUGH: usize = 4;
const MUCH: u64 = 4 * SHARE;

/// A site at which a question takes at least so long is far away.
const FAR: Duration = Duration::from_millis(5);

/// How often the caller hears of progress while others send.
const TICK: Duration = Duration::from_millis(100);

/// What is sent.
pub(super) struct Sending<'a> {
    pub(super) part: &'a RemotePath,
    pub(super) payload: &'a File,
    /// How long the payload is.
    pub(super) size: u64,
    /// Asked before each piece is read.
    pub(super) go_on: &'a (dyn Fn() -> Result<(), Stop> + Sync),
    /// Whether the site is to hash the partial file while it grows.
    pub(super) hashes: bool,
    /// Where further connections come from; over one alone, and one channel of that, if from nowhere.
    pub(super) pool: Option<&'a Pool<'a>>,
}

/// Why not everything was sent.
pub(super) enum Unsent {
    Stopped(Stop),
    Site(SiteError),
}

/// Has as many connections made as a payload of `size` bytes is worth at a site that takes `distance` to
/// answer, while other things are asked there.
pub fn prepare<'s>(scope: &'s Scope<'s, '_>, pool: &'s Pool<'_>, size: u64, distance: Duration) {
    if distance < FAR {
        return;
    }
    let enough = lines(size, pool);
    for line in 1..enough {
        let add = move || pool.add(enough);
        if Builder::new().name(format!("line {line}")).spawn_scoped(scope, add).is_err() {
            break;
        }
    }
}

/// Returns over how many connections so many bytes are best sent far away.
fn lines(bytes: u64, pool: &Pool<'_>) -> usize {
    usize::try_from(bytes / SHARE).unwrap_or(usize::MAX).clamp(1, pool.most())
}

/// What is left to be done, shared by all connections.
struct Work<'a> {
    sending: &'a Sending<'a>,
    /// Whether the site is far away, and much is to be sent.
    is_far: bool,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// What nobody has begun, in order.
    waiting: VecDeque<Range<u64>>,
    /// What each connection has begun and not had acknowledged, in order.
    under_way: Vec<VecDeque<Range<u64>>>,
    /// How many connections besides the caller's are at work, or may still be.
    others: usize,
    acknowledged: u64,
    /// The caller's connection has opened the file, which makes it.
    is_begun: bool,
    /// Nobody reads any further.
    is_over: bool,
    stop: Option<Stop>,
}

impl Sending<'_> {
    /// Sends the ranges in `missing`, in order, and returns how many bytes were acknowledged. `distance` is
    /// how long the site takes to answer; `progress` hears how many bytes of this call are acknowledged.
    pub(super) fn send(
        &self,
        session: &mut dyn Session,
        missing: &[Range<u64>],
        distance: Duration,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, Unsent> {
        let lines = self.lines(session, missing, distance);
        let state = State {
            waiting: missing.iter().filter(|range| !range.is_empty()).cloned().collect(),
            under_way: vec![VecDeque::new(); lines],
            others: lines - 1,
            acknowledged: 0,
            is_begun: false,
            is_over: false,
            stop: None,
        };
        let bytes: u64 = missing.iter().map(|range| range.end - range.start).sum();
        let may_share = self.pool.is_some() && session.writes_anywhere();
        let is_far = may_share && distance >= FAR && bytes >= MUCH;
        let work = &Work { sending: self, is_far, state: Mutex::new(state), changed: Condvar::new() };
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

    /// Returns whether other connections send as well.
    pub(super) fn has_help(&self, session: &dyn Session, missing: &[Range<u64>], distance: Duration) -> bool {
        self.lines(session, missing, distance) > 1
    }

    /// Returns over how many connections to send.
    fn lines(&self, session: &dyn Session, missing: &[Range<u64>], distance: Duration) -> usize {
        let bytes: u64 = missing.iter().map(|range| range.end - range.start).sum();
        match self.pool {
            Some(pool) if distance >= FAR && session.writes_anywhere() => lines(bytes, pool),
            _ => 1,
        }
    }
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
        let lines = self.state().under_way.len();
        if self.is_far && lines < ENOUGH {
            session.widen()?;
        }
        if self.sending.hashes {
            // The others send meanwhile. If it cannot be begun, the site hashes it afterwards, or says what
            // is wrong.
            match session.begin_hash(self.sending.part) {
                Err(error) if error.kind.is_dead() => return Err(error),
                _ => {}
            }
        }
        loop {
            self.run(0, session, &mut tell)?;
            loop {
                let state = self.state();
                tell(state.acknowledged);
                if state.is_over || (state.waiting.is_empty() && state.others == 0) {
                    return Ok(());
                }
                if !state.waiting.is_empty() {
                    break;
                }
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
            let sent = link.open().and_then(|session| match self.waits_for_the_first() {
                true => self.run(line, session, &mut |_| ()),
                false => Ok(()),
            });
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

    /// Waits until the file is there, and returns whether it is.
    fn waits_for_the_first(&self) -> bool {
        let mut state = self.state();
        while !state.is_begun && !state.is_over {
            let waited = self.changed.wait_timeout(state, TICK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_begun
    }

    /// Sends one piece after the other, as long as there are any; `tell` hears how much all have sent.
    fn run(
        &self,
        line: usize,
        session: &mut dyn Session,
        tell: &mut dyn FnMut(u64),
    ) -> Result<(), SiteError> {
        let (begin, mut done) = (Instant::now(), 0);
        let mut pieces = Line { work: self, line };
        let put = session.put_pieces(self.sending.part, &mut pieces, &mut |acknowledged| {
            let so_far = self.acknowledge(line, acknowledged - done);
            done = acknowledged;
            tell(so_far);
        });
        tracing::debug!(line, bytes = done, ms = begin.elapsed().as_millis(), ok = put.is_ok(), "sending");
        self.give_back(line);
        put.map(drop)
    }

    /// Counts bytes of a connection that the site has acknowledged, and returns all.
    fn acknowledge(&self, line: usize, mut bytes: u64) -> u64 {
        let mut state = self.state();
        state.acknowledged += bytes;
        let under_way = &mut state.under_way[line];
        while let Some(first) = under_way.front_mut().filter(|_| bytes > 0) {
            let n = bytes.min(first.end - first.start);
            first.start += n;
            bytes -= n;
            if first.is_empty() {
                under_way.pop_front();
            }
        }
        state.acknowledged
    }

    /// Puts back what a connection has not had acknowledged.
    fn give_back(&self, line: usize) {
        let mut state = self.state();
        let lost: Vec<_> = state.under_way[line].drain(..).collect();
        for range in lost {
            let at = state.waiting.partition_point(|waiting| waiting.start < range.start);
            state.waiting.insert(at, range);
        }
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_work(&self) -> bool {
        !self.is_over && !self.waiting.is_empty()
    }

    /// Returns the first `most` bytes that nobody has begun, or fewer.
    fn begin(&mut self, line: usize, most: usize) -> Option<Range<u64>> {
        let first = self.waiting.front_mut()?;
        let piece = first.start..first.end.min(first.start + most as u64);
        first.start = piece.end;
        if first.is_empty() {
            self.waiting.pop_front();
        }
        self.under_way[line].push_back(piece.clone());
        Some(piece)
    }
}

/// The pieces that one connection sends.
struct Line<'w> {
    work: &'w Work<'w>,
    line: usize,
}

impl Pieces for Line<'_> {
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<(u64, usize)> {
        let Sending { payload, size, .. } = *self.work.sending;
        self.go_on()?;
        let piece = {
            let mut state = self.work.state();
            if self.line == 0 && !state.is_begun {
                state.is_begun = true;
                self.work.changed.notify_all();
            }
            state.begin(self.line, buffer.len())
        };
        let Some(range) = piece else { return Ok((size, 0)) };
        let (at, len) = (range.start, usize::try_from(range.end - range.start).unwrap_or(buffer.len()));
        At { payload, range }.read_exact(&mut buffer[..len])?;
        Ok((at, len))
    }

    fn go_on(&self) -> io::Result<()> {
        let going_on = (self.work.sending.go_on)();
        let mut state = self.work.state();
        if let Err(stop) = going_on {
            state.is_over = true;
            return Err(io::Error::other(state.stop.insert(stop).clone()));
        }
        match state.is_over {
            true => Err(io::Error::other("another connection has come to an end")),
            false => Ok(()),
        }
    }

    fn complete_to(&self) -> u64 {
        let state = self.work.state();
        let firsts = state.under_way.iter().map(VecDeque::front).chain([state.waiting.front()]);
        firsts.flatten().map(|range| range.start).min().unwrap_or(self.work.sending.size)
    }

    fn is_begun(&self) -> bool {
        self.line > 0
    }
}
