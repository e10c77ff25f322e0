//! A TCP relay between a client and a real server that fails when it is told to.
//!
//! Faults count the bytes that the client has sent, or the server if that is asked for, so that a test can try every
//! moment of a conversation: cut in the handshake, in the login, in the middle of a transfer.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

/// What happens to a connection once the side that is counted has sent so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing; all bytes pass.
    None,
    /// Both sides see an orderly end.
    CutAfter(u64),
    /// Both sides see a reset.
    ResetAfter(u64),
    /// No byte passes in either direction any more, and nothing is closed.
    StallAfter(u64),
    /// The other side sees an orderly end, and the one that is counted notices nothing.
    LoseAfter(u64),
    /// No more than so many bytes a second pass in each direction.
    DripAfter(u64, u64),
    /// The connection is accepted and nothing is ever said.
    Mute,
    /// Every byte arrives this much later, in each direction.
    Delay(Duration),
}

/// Whose bytes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that connects.
    Client,
    /// The one that is connected to.
    Server,
}

impl Fault {
    /// Returns how many bytes pass before anything happens.
    fn limit(self) -> u64 {
        match self {
            Self::CutAfter(n)
            | Self::ResetAfter(n)
            | Self::StallAfter(n)
            | Self::LoseAfter(n)
            | Self::DripAfter(n, _) => n,
            Self::None | Self::Mute | Self::Delay(_) => u64::MAX,
        }
    }
}

/// A relay on a free loopback port. Dropping it ends its connections.
pub struct Relay {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    fault: Mutex<(Fault, Side)>,
    open: Mutex<Vec<TcpStream>>,
    accepted: AtomicUsize,
    sent: AtomicU64,
    pieces: Mutex<Vec<u64>>,
    ends: Mutex<Vec<SocketAddr>>,
    met: Mutex<Option<Instant>>,
    closing: AtomicBool,
}

impl Relay {
    /// Starts a relay to `server` that does `fault` to each connection, by what its client has sent.
    pub fn start(server: SocketAddr, fault: Fault) -> Self {
        Self::counting(server, fault, Side::Client)
    }

    /// Starts a relay that does `fault` by what this side has sent.
    pub fn counting(server: SocketAddr, fault: Fault, side: Side) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("the port's number");
        let shared = Arc::new(Shared {
            server,
            fault: Mutex::new((fault, side)),
            open: Mutex::default(),
            accepted: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            pieces: Mutex::default(),
            ends: Mutex::default(),
            met: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if theirs.closing.load(Ordering::SeqCst) {
                    return;
                }
                theirs.accepted.fetch_add(1, Ordering::SeqCst);
                theirs.sent.store(0, Ordering::SeqCst);
                *theirs.met.lock().expect("no panic holds it") = None;
                theirs.take(client);
            }
        });
        Self { addr, shared }
    }

    /// Returns the address to connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes what happens to connections made from now on.
    pub fn set(&self, fault: Fault) {
        self.shared.fault.lock().expect("no panic holds it").0 = fault;
    }

    /// Returns how many connections were made.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Returns how many bytes the client has sent over the newest connection.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// Returns how many bytes the client had sent over its connection after each piece that arrived over any. Who waits
    /// for an answer sends a message in one piece.
    pub fn pieces(&self) -> Vec<u64> {
        self.shared.pieces.lock().expect("no panic holds it").clone()
    }

    /// Returns the addresses from which it has connected to the server.
    pub fn ends(&self) -> Vec<SocketAddr> {
        self.shared.ends.lock().expect("no panic holds it").clone()
    }

    /// Returns since when the fault is there on the newest connection, if it was met.
    pub fn met(&self) -> Option<Instant> {
        *self.shared.met.lock().expect("no panic holds it")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().expect("no panic holds it").drain(..) {
            // An ended connection cannot be ended again.
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(self.addr);
    }
}

impl Shared {
    fn take(self: &Arc<Self>, client: TcpStream) {
        let (fault, counted) = *self.fault.lock().expect("no panic holds it");
        let again = |stream: &TcpStream| stream.try_clone().expect("a second descriptor");
        let mut open = self.open.lock().expect("no panic holds it");
        open.push(again(&client));
        if fault == Fault::Mute {
            return;
        }
        let Ok(server) = TcpStream::connect(self.server) else { return };
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("a socket option");
        }
        self.ends.lock().expect("no panic holds it").extend(server.local_addr().ok());
        open.push(again(&server));
        drop(open);
        let is_met = Arc::new(AtomicBool::new(false));
        for (side, from, to) in
            [(Side::Client, again(&client), again(&server)), (Side::Server, server, client)]
        {
            let limit = if side == counted { fault.limit() } else { u64::MAX };
            let way = Way { side, from, to, fault, limit, is_met: Arc::clone(&is_met) };
            let shared = Arc::clone(self);
            thread::spawn(move || shared.pass(way));
        }
    }

    /// Passes on what comes from one side until that ends or the fault ends it.
    fn pass(&self, mut way: Way) {
        let mut out = Line::new(way.to.try_clone().expect("a second descriptor"), way.fault);
        let mut buffer = vec![0; 64 * 1024];
        let mut passed = 0;
        // The fault may be met on the other way, so this one looks up now and then.
        way.from.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket option");
        loop {
            if passed >= way.limit && !way.is_met() {
                *self.met.lock().expect("no panic holds it") = Some(Instant::now());
                self.do_harm(&way);
                way.is_met.store(true, Ordering::SeqCst);
                match way.fault {
                    Fault::DripAfter(..) => way.limit = u64::MAX,
                    Fault::LoseAfter(_) => {
                        out.end();
                        return way.swallow();
                    }
                    _ => return,
                }
            }
            let room = buffer.len().min(usize::try_from(way.limit - passed).unwrap_or(usize::MAX));
            let read = way.from.read(&mut buffer[..room]);
            match (read, way.fault) {
                (_, Fault::ResetAfter(_)) if way.is_met() => return,
                (Ok(0), Fault::StallAfter(_)) if way.is_met() => return,
                // Swallowed: the line is dead, and nobody is told.
                (Ok(_), Fault::StallAfter(_)) if way.is_met() => {}
                (Ok(0), _) => return out.end(),
                (Ok(n), fault) => {
                    passed += n as u64;
                    if way.side == Side::Client {
                        self.sent.store(passed, Ordering::SeqCst);
                        self.pieces.lock().expect("no panic holds it").push(passed);
                    }
                    let pieces = match fault {
                        Fault::DripAfter(_, rate) if way.is_met() => Pieces::at_rate(rate),
                        _ => Pieces::WHOLE,
                    };
                    if !pieces.of(&buffer[..n]).all(|piece| out.send(piece)) {
                        return;
                    }
                }
                (Err(err), _) if is_silence(&err) => {}
                (Err(_), _) => return out.end(),
            }
        }
    }

    /// Does to both sides at once what the fault does to both.
    fn do_harm(&self, way: &Way) {
        let both = [&way.from, &way.to];
        match way.fault {
            Fault::ResetAfter(_) => {
                for stream in both {
                    set_socket_linger(stream, Some(Duration::ZERO)).expect("a socket option");
                }
                // The reset goes out when the last descriptor is closed; ours must not keep it open.
                both.into_iter().for_each(|stream| self.forget(stream));
            }
            Fault::CutAfter(_) => {
                for stream in both {
                    // One that has ended cannot be ended again.
                    let _ = stream.shutdown(Shutdown::Both);
                }
            }
            _ => {}
        }
    }

    fn forget(&self, stream: &TcpStream) {
        let Ok(addr) = stream.local_addr() else { return };
        let peer = stream.peer_addr().ok();
        self.open
            .lock()
            .expect("no panic holds it")
            .retain(|other| other.local_addr().ok() != Some(addr) || other.peer_addr().ok() != peer);
    }
}

/// One direction of a connection.
struct Way {
    /// Who speaks.
    side: Side,
    from: TcpStream,
    to: TcpStream,
    fault: Fault,
    /// How many bytes pass before the fault is there.
    limit: u64,
    is_met: Arc<AtomicBool>,
}

impl Way {
    fn is_met(&self) -> bool {
        self.is_met.load(Ordering::SeqCst)
    }

    /// Takes what still comes, so that whoever sends it notices nothing.
    fn swallow(mut self) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.from.read(&mut buffer) {
                Ok(0) => return,
                Err(err) if !is_silence(&err) => return,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

fn is_silence(err: &std::io::Error) -> bool {
    matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// In what pieces bytes pass, and how long each takes.
struct Pieces {
    size: usize,
    time: Duration,
}

impl Pieces {
    const WHOLE: Self = Self { size: usize::MAX, time: Duration::ZERO };

    /// Ten pieces a second, or as many as there are bytes if those are fewer.
    fn at_rate(bytes_a_second: u64) -> Self {
        let size = (bytes_a_second / 10).max(1);
        let time = Duration::from_secs_f64(size as f64 / bytes_a_second as f64);
        Self { size: usize::try_from(size).unwrap_or(usize::MAX), time }
    }

    fn of(self, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
        bytes.chunks(self.size).inspect(move |_| thread::sleep(self.time))
    }
}

/// One direction's way out, delayed if the fault says so.
enum Line {
    Direct(TcpStream),
    Delayed { delay: Duration, queue: mpsc::Sender<(Instant, Vec<u8>)> },
}

impl Line {
    fn new(mut stream: TcpStream, fault: Fault) -> Self {
        let Fault::Delay(delay) = fault else { return Self::Direct(stream) };
        let (queue, due) = mpsc::channel::<(Instant, Vec<u8>)>();
        thread::spawn(move || {
            for (when, bytes) in due {
                thread::sleep(when.saturating_duration_since(Instant::now()));
                if stream.write_all(&bytes).is_err() {
                    return;
                }
            }
            let _ = stream.shutdown(Shutdown::Write);
        });
        Self::Delayed { delay, queue }
    }

    fn send(&mut self, bytes: &[u8]) -> bool {
        match self {
            Self::Direct(stream) => stream.write_all(bytes).is_ok(),
            Self::Delayed { delay, queue } => queue.send((Instant::now() + *delay, bytes.to_vec())).is_ok(),
        }
    }

    /// Tells the other side that no more comes; a delayed line does so once its queue is empty.
    fn end(self) {
        if let Self::Direct(stream) = self {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}
