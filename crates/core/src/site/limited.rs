//! A site that is sent to, and read back from, no faster than its timetable allows.
//!
//! One limiter is shared by all connections that one run has to a site. Each asks it for a small amount at a
//! time and waits until that is due, so that all get the same share, and what the timetable says counts
//! within a moment, in the middle of a transfer as well. What nobody used is kept for half a second: a
//! connection to a site that is far away cannot ask while it waits for an answer.
//!
//! A directory is a site as well, since it may be on the far end of a network file system.
//!
//! All waiting is done where the local side is read or written, which is no fault of the line
//! ([`super::pace`]).

use std::io::{self, ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use super::{Arrival, Entry, Pieces, Ran, RemotePath, Session, Site, SiteError};
use crate::bandwidth::{InForce, Rate, Timetable};
use crate::digest::Sha256Hex;
use crate::run::Clock;

/// How long a grant takes at the rate in force: this is how fast a change is felt, and a stop.
const GRANT: Duration = Duration::from_millis(50);

/// The most that is granted at once, so that no connection has to wait long for the others.
const MOST: usize = 32 << 10;

/// How long what nobody used is kept.
const KEPT: Duration = Duration::from_millis(500);

/// How often the timetable is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Says when how much may be moved.
pub struct Limiter {
    timetable: Timetable,
    zone: TimeZone,
    clock: Arc<dyn Clock>,
    state: Mutex<Option<State>>,
}

struct State {
    rate: Rate,
    looked: Instant,
    /// When all that was granted will have passed.
    due: Instant,
}

/// So many bytes, from this moment on.
#[derive(Clone, Copy)]
struct Grant {
    bytes: usize,
    due: Instant,
}

impl Limiter {
    /// Makes one that goes by the clock on the wall in this time zone.
    pub fn new(timetable: Timetable, zone: TimeZone, clock: Arc<dyn Clock>) -> Self {
        Self { timetable, zone, clock, state: Mutex::new(None) }
    }

    /// Returns what the timetable says now.
    pub fn in_force(&self) -> InForce {
        self.timetable.at(self.zone.to_datetime(self.clock.now()))
    }

    /// Grants some of `wanted` bytes, at least one.
    fn grant(&self, wanted: usize) -> Grant {
        let now = Instant::now();
        let mut state = self.state();
        let looked = state.as_ref().map(|state| state.looked);
        if looked.is_none_or(|looked| now.duration_since(looked) >= LOOK) {
            let rate = self.in_force().rate;
            // A change begins anew: what one rate has left unused is nothing to another.
            let due = state.as_ref().filter(|state| state.rate == rate).map_or(now, |state| state.due);
            *state = Some(State { rate, looked: now, due });
        }
        let Some(State { rate, due, .. }) = &mut *state else { return Grant { bytes: wanted, due: now } };
        let Some(rate) = rate.bytes_a_second() else { return Grant { bytes: wanted, due: now } };
        let most = (rate.get() as f64 * GRANT.as_secs_f64()) as usize;
        let bytes = wanted.min(most).clamp(1, MOST);
        let from = now.checked_sub(KEPT).map_or(*due, |kept| kept.max(*due));
        *due = from + time_of(bytes, rate.get());
        Grant { bytes, due: from }
    }

    /// Takes back what was granted and not used.
    fn take_back(&self, bytes: usize) {
        if let Some(State { rate, due, .. }) = &mut *self.state()
            && let Some(rate) = rate.bytes_a_second()
            && let Some(sooner) = due.checked_sub(time_of(bytes, rate.get()))
        {
            *due = sooner;
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn time_of(bytes: usize, rate: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate as f64)
}

/// A site with a limiter.
pub struct Limited {
    site: Box<dyn Site>,
    limiter: Arc<Limiter>,
}

impl Limited {
    /// Limits all connections to this site together.
    pub fn new(site: Box<dyn Site>, limiter: Limiter) -> Self {
        Self { site, limiter: Arc::new(limiter) }
    }
}

impl Site for Limited {
    fn name(&self) -> &str {
        self.site.name()
    }

    fn connect(&self) -> Result<Box<dyn Session>, SiteError> {
        self.connect_and_tell(&mut ())
    }

    fn connect_and_tell(&self, arrival: &mut dyn Arrival) -> Result<Box<dyn Session>, SiteError> {
        let session = self.site.connect_and_tell(arrival)?;
        Ok(Box::new(Slowed { session, limiter: Arc::clone(&self.limiter) }))
    }
}

/// A connection that asks the limiter.
struct Slowed {
    session: Box<dyn Session>,
    limiter: Arc<Limiter>,
}

impl Session for Slowed {
    fn put(
        &mut self,
        path: &RemotePath,
        from: u64,
        source: &mut dyn Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError> {
        let mut source = Source { source, limiter: &self.limiter, pending: None };
        self.session.put(path, from, &mut source, progress)
    }

    fn put_new(
        &mut self,
        path: &RemotePath,
        source: &mut dyn Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError> {
        let mut source = Source { source, limiter: &self.limiter, pending: None };
        self.session.put_new(path, &mut source, progress)
    }

    fn put_pieces(
        &mut self,
        path: &RemotePath,
        pieces: &mut dyn Pieces,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError> {
        self.session.put_pieces(path, &mut Parcels { pieces, limiter: &self.limiter }, progress)
    }

    fn widen(&mut self) -> Result<(), SiteError> {
        self.session.widen()
    }

    fn begin_peek(&mut self, path: &RemotePath) {
        self.session.begin_peek(path);
    }

    fn end_peek(&mut self) -> Option<Vec<u8>> {
        self.session.end_peek()
    }

    fn expect_rename(&mut self, to: &RemotePath) -> Result<(), SiteError> {
        self.session.expect_rename(to)
    }

    fn begin_hash(&mut self, path: &RemotePath) -> Result<(), SiteError> {
        self.session.begin_hash(path)
    }

    fn end_hash(&mut self, size: u64) -> Result<Option<Sha256Hex>, SiteError> {
        self.session.end_hash(size)
    }

    fn settle(&mut self, path: &RemotePath, size: u64) -> Result<(), SiteError> {
        self.session.settle(path, size)
    }

    fn get(&mut self, path: &RemotePath, from: u64, sink: &mut dyn Write) -> Result<u64, SiteError> {
        self.session.get(path, from, &mut Sink { sink, limiter: &self.limiter })
    }

    fn stat(&mut self, path: &RemotePath) -> Result<Option<Entry>, SiteError> {
        self.session.stat(path)
    }

    fn list(&mut self, dir: &RemotePath) -> Result<Vec<String>, SiteError> {
        self.session.list(dir)
    }

    fn make_dirs(&mut self, dir: &RemotePath) -> Result<usize, SiteError> {
        self.session.make_dirs(dir)
    }

    fn truncate(&mut self, path: &RemotePath, size: u64) -> Result<(), SiteError> {
        self.session.truncate(path, size)
    }

    fn rename_new(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), SiteError> {
        self.session.rename_new(from, to)
    }

    fn rename_blindly(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), SiteError> {
        self.session.rename_blindly(from, to)
    }

    fn remove(&mut self, path: &RemotePath) -> Result<(), SiteError> {
        self.session.remove(path)
    }

    fn sha256(&mut self, path: &RemotePath, size: u64) -> Result<Option<Sha256Hex>, SiteError> {
        self.session.sha256(path, size)
    }

    fn sha256_of_blocks(
        &mut self,
        path: &RemotePath,
        size: u64,
        block: u64,
    ) -> Result<Option<Vec<Sha256Hex>>, SiteError> {
        self.session.sha256_of_blocks(path, size, block)
    }

    fn run(
        &mut self,
        script: &str,
        hear: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Option<Ran>, SiteError> {
        self.session.run(script, hear)
    }

    fn writes_late(&self) -> bool {
        self.session.writes_late()
    }

    fn writes_anywhere(&self) -> bool {
        self.session.writes_anywhere()
    }

    fn spoils_pieces(&mut self) {
        self.session.spoils_pieces();
    }

    fn free_space(&mut self, dir: &RemotePath) -> Result<Option<u64>, SiteError> {
        self.session.free_space(dir)
    }

    fn appends(&self) -> Option<bool> {
        self.session.appends()
    }

    fn takes_dot_names(&self) -> Option<bool> {
        self.session.takes_dot_names()
    }

    fn refuses_dot_names(&mut self) {
        self.session.refuses_dot_names();
    }

    fn cannot_append(&mut self) {
        self.session.cannot_append();
    }

    fn is_flushed(&self) -> bool {
        self.session.is_flushed()
    }

    fn peer(&self) -> String {
        self.session.peer()
    }
}

/// Returns a source that is read no faster than the limiter allows, if there is one.
pub fn limited<'s>(source: &'s mut dyn Read, limiter: Option<&'s Limiter>) -> Box<dyn Read + 's> {
    match limiter {
        Some(limiter) => Box::new(Source { source, limiter, pending: None }),
        None => Box::new(source),
    }
}

/// What is sent.
struct Source<'s> {
    source: &'s mut dyn Read,
    limiter: &'s Limiter,
    /// A grant that was not due.
    pending: Option<Grant>,
}

impl Read for Source<'_> {
    /// Is interrupted once before it waits, so that whoever has something else to send does that first.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let grant = match self.pending.take() {
            Some(grant) => {
                thread::sleep(grant.due.saturating_duration_since(Instant::now()));
                grant
            }
            None => {
                let grant = self.limiter.grant(buffer.len());
                if grant.due > Instant::now() {
                    self.pending = Some(grant);
                    return Err(ErrorKind::Interrupted.into());
                }
                grant
            }
        };
        let most = grant.bytes.min(buffer.len());
        let read = self.source.read(&mut buffer[..most]);
        self.limiter.take_back(grant.bytes - read.as_ref().map_or(0, |n| *n));
        read
    }
}

/// What is sent in pieces.
struct Parcels<'p> {
    pieces: &'p mut dyn Pieces,
    limiter: &'p Limiter,
}

impl Pieces for Parcels<'_> {
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<(u64, usize)> {
        let grant = self.limiter.grant(buffer.len());
        thread::sleep(grant.due.saturating_duration_since(Instant::now()));
        let most = grant.bytes.min(buffer.len());
        let next = self.pieces.next(&mut buffer[..most]);
        self.limiter.take_back(grant.bytes - next.as_ref().map_or(0, |(_, n)| *n));
        next
    }

    fn complete_to(&self) -> u64 {
        self.pieces.complete_to()
    }

    fn go_on(&self) -> io::Result<()> {
        self.pieces.go_on()
    }

    fn is_begun(&self) -> bool {
        self.pieces.is_begun()
    }
}

/// What is read back.
struct Sink<'s> {
    sink: &'s mut dyn Write,
    limiter: &'s Limiter,
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let grant = self.limiter.grant(bytes.len());
        thread::sleep(grant.due.saturating_duration_since(Instant::now()));
        self.sink.write(&bytes[..grant.bytes.min(bytes.len())])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
