//! A TCP relay between a client and a real server that is as far and as fast as it is told to be.
//!
//! Each direction of each connection has a thread that reads, a queue of chunks with the moment at which each
//! may go on, and a thread that writes. All connections share one way in each direction: a chunk takes the
//! time that the way's rate needs for it, and the next one, whosever it is, comes after it. A direction reads
//! on when its last chunk is nearly through, so that connections take turns, and what waits meanwhile comes
//! as one large chunk. The queue holds what is under way and more, so that it limits nobody's window, and no
//! more, so that a receiver that sleeps is noticed.
//!
//! A connection is made as over a distance: the server sees it one and a half round trips after the client
//! asked for it. What a distance has besides is not imitated: loss, and TCP's slow start.

use std::collections::{HashMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// The most that is read at once.
const CHUNK: usize = 256 << 10;

/// What the queue of a direction holds besides what is under way.
const SPARE: u64 = 16 << 20;

/// How long before its last chunk is through a direction reads on; more than a thread takes to wake up.
const AHEAD: Duration = Duration::from_millis(2);

/// How far and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distance {
    /// From one end to the other and back.
    pub round_trip: Duration,
    /// What all connections together can send in each direction, in bytes a second.
    pub rate: u64,
}

impl Distance {
    fn one_way(self) -> Duration {
        self.round_trip / 2
    }

    fn time_of(self, bytes: usize) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.rate as f64)
    }

    fn under_way(self) -> u64 {
        (self.round_trip.as_secs_f64() * self.rate as f64) as u64
    }
}

/// A relay on a free loopback port. Dropping it ends its connections.
pub struct DelayLine {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    distance: Mutex<Distance>,
    /// When the way to the server, and the way back, is free again.
    ways: [Mutex<Instant>; 2],
    /// Both ends of each connection that lives, by its number.
    open: Mutex<HashMap<u64, [TcpStream; 2]>>,
    closing: AtomicBool,
}

impl DelayLine {
    /// Starts a relay to `server`.
    pub fn start(server: SocketAddr, distance: Distance) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("the port's number");
        let now = Instant::now();
        let shared = Arc::new(Shared {
            server,
            distance: Mutex::new(distance),
            ways: [Mutex::new(now), Mutex::new(now)],
            open: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for (number, client) in (0..).zip(listener.incoming().map_while(Result::ok)) {
                if theirs.closing.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&theirs);
                thread::spawn(move || shared.take(number, client));
            }
        });
        Self { addr, shared }
    }

    /// Returns the address to connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes the distance for connections made from now on.
    pub fn set(&self, distance: Distance) {
        *lock(&self.shared.distance) = distance;
    }
}

impl Drop for DelayLine {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        for stream in lock(&self.shared.open).drain().flat_map(|(_, ends)| ends) {
            // An ended connection cannot be ended again.
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(self.addr);
    }
}

impl Shared {
    /// Serves a connection to its end.
    fn take(&self, number: u64, client: TcpStream) {
        let distance = *lock(&self.distance);
        // The client's first bytes come with the end of the handshake, half a round trip after it may send
        // them.
        thread::sleep(distance.round_trip);
        let [there, back] = [Queue::new(distance), Queue::new(distance)];
        thread::scope(|scope| {
            scope.spawn(|| self.read(&client, distance, 0, &there));
            thread::sleep(distance.one_way());
            if let Ok(server) = TcpStream::connect(self.server) {
                self.join(number, [&client, &server], [&there, &back], distance);
            } else {
                there.close();
                let _ = client.shutdown(Shutdown::Both);
            }
        });
    }

    /// Lets pass what the client sends and the server answers, until both have ended.
    fn join(&self, number: u64, ends: [&TcpStream; 2], [there, back]: [&Queue; 2], distance: Distance) {
        let [client, server] = ends;
        for end in ends {
            end.set_nodelay(true).expect("a socket option");
        }
        lock(&self.open).insert(number, ends.map(|end| end.try_clone().expect("a second descriptor")));
        thread::scope(|scope| {
            scope.spawn(|| there.write(server));
            scope.spawn(|| self.read(server, distance, 1, back));
            back.write(client);
        });
        lock(&self.open).remove(&number);
    }

    /// Reads to the end, and queues what comes with the moment at which it has gone the way.
    fn read(&self, mut from: &TcpStream, distance: Distance, way: usize, queue: &Queue) {
        let mut buffer = vec![0; CHUNK];
        while let Some(n) = from.read(&mut buffer).ok().filter(|&n| n > 0) {
            let through = self.pass(distance, way, n);
            if !queue.put(through + distance.one_way(), &buffer[..n]) {
                return;
            }
            let left = through.saturating_duration_since(Instant::now());
            // Not at once, so that what is read then is not little.
            if left > 2 * AHEAD {
                thread::sleep(left - AHEAD);
            }
        }
        queue.close();
    }

    /// Takes the way for so many bytes, behind what has taken it before. Returns when the last of them is on
    /// it.
    fn pass(&self, distance: Distance, way: usize, bytes: usize) -> Instant {
        let mut free = lock(&self.ways[way]);
        *free = (*free).max(Instant::now()) + distance.time_of(bytes);
        *free
    }
}

/// What is under way in one direction of a connection.
struct Queue {
    limit: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<(Instant, Vec<u8>)>,
    bytes: u64,
    /// Nothing more comes, or nobody takes it.
    is_closed: bool,
}

impl Queue {
    fn new(distance: Distance) -> Self {
        let limit = 2 * distance.under_way() + SPARE;
        Self { limit, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Adds a chunk, as soon as there is room. Returns whether somebody will take it.
    fn put(&self, due: Instant, bytes: &[u8]) -> bool {
        let full = |state: &mut State| state.bytes > self.limit && !state.is_closed;
        let mut state = self.changed.wait_while(lock(&self.state), full).expect("no panic holds it");
        state.chunks.push_back((due, bytes.to_vec()));
        state.bytes += bytes.len() as u64;
        self.changed.notify_all();
        !state.is_closed
    }

    fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }

    /// Writes each chunk when it is due, and behind the last one the end.
    fn write(&self, mut to: &TcpStream) {
        while let Some((due, bytes)) = self.take() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                self.close();
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    fn take(&self) -> Option<(Instant, Vec<u8>)> {
        let empty = |state: &mut State| state.chunks.is_empty() && !state.is_closed;
        let mut state = self.changed.wait_while(lock(&self.state), empty).expect("no panic holds it");
        let chunk = state.chunks.pop_front()?;
        state.bytes -= chunk.1.len() as u64;
        self.changed.notify_all();
        Some(chunk)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic holds it")
}

#[cfg(test)]
mod tests;
