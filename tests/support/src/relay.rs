//! A TCP relay between a client and a real server that fails when it is told to.
//!
//! Faults count the bytes that the client has sent, or the server if that is asked for, so that a test can
//! try every moment of a conversation: cut in the handshake, in the login, in the middle of a transfer.

mod line;

use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use line::{Line, Pieces};

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
    addrs: Vec<SocketAddr>,
    shared: Arc<Shared>,
}

struct Shared {
    fault: Mutex<(Fault, Side)>,
    open: Mutex<Vec<TcpStream>>,
    accepted: AtomicUsize,
    sent: AtomicU64,
    pieces: Mutex<Vec<(Side, u64)>>,
    talks: Mutex<Vec<[u64; 2]>>,
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
        Self::listening(vec![(listener, server)], fault, side)
    }

    /// Starts a relay to two successive ports at another address of this host from the ports of the same
    /// numbers.
    pub fn to_namesakes(server: IpAddr) -> Self {
        let two = || {
            let first = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = first.local_addr().expect("the port's number").port();
            let second = TcpListener::bind(("127.0.0.1", port.checked_add(1)?)).ok()?;
            Some(vec![(first, (server, port).into()), (second, (server, port + 1).into())])
        };
        let listeners = (0..100).find_map(|_| two()).expect("two free ports in a row");
        Self::listening(listeners, Fault::None, Side::Client)
    }

    fn listening(listeners: Vec<(TcpListener, SocketAddr)>, fault: Fault, side: Side) -> Self {
        let addrs: Vec<_> =
            listeners.iter().map(|(listener, _)| listener.local_addr().expect("the port's number")).collect();
        let shared = Arc::new(Shared {
            fault: Mutex::new((fault, side)),
            open: Mutex::default(),
            accepted: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            pieces: Mutex::default(),
            talks: Mutex::default(),
            ends: Mutex::default(),
            met: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        for (listener, server) in listeners {
            let theirs = Arc::clone(&shared);
            thread::spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    if theirs.closing.load(Ordering::SeqCst) {
                        return;
                    }
                    theirs.accepted.fetch_add(1, Ordering::SeqCst);
                    theirs.sent.store(0, Ordering::SeqCst);
                    *theirs.met.lock().expect("no panic holds it") = None;
                    theirs.take(client, server);
                }
            });
        }
        Self { addrs, shared }
    }

    /// Returns the address to connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addrs[0]
    }

    /// Changes what happens to connections made from now on.
    pub fn set(&self, fault: Fault) {
        self.shared.fault.lock().expect("no panic holds it").0 = fault;
    }

    /// The same, by what this side has sent.
    pub fn set_counting(&self, fault: Fault, side: Side) {
        *self.shared.fault.lock().expect("no panic holds it") = (fault, side);
    }

    /// Returns how many connections were made.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Returns how many bytes the client has sent over the newest connection.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// Returns how many bytes the client had sent over its connection after each piece that arrived over any.
    /// Who waits for an answer sends a message in one piece.
    pub fn pieces(&self) -> Vec<u64> {
        self.pieces_of(Side::Client)
    }

    /// The same for what this side has sent.
    pub fn pieces_of(&self, side: Side) -> Vec<u64> {
        let pieces = self.shared.pieces.lock().expect("no panic holds it");
        pieces.iter().filter(|(whose, _)| *whose == side).map(|(_, sent)| *sent).collect()
    }

    /// Returns how many bytes the client and the server have sent over each connection.
    pub fn talks(&self) -> Vec<[u64; 2]> {
        self.shared.talks.lock().expect("no panic holds it").clone()
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
        for addr in &self.addrs {
            let _ = TcpStream::connect(addr);
        }
    }
}

impl Shared {
    fn take(self: &Arc<Self>, client: TcpStream, server: SocketAddr) {
        let (fault, counted) = *self.fault.lock().expect("no panic holds it");
        let again = |stream: &TcpStream| stream.try_clone().expect("a second descriptor");
        let mut open = self.open.lock().expect("no panic holds it");
        open.push(again(&client));
        if fault == Fault::Mute {
            return;
        }
        let Ok(server) = TcpStream::connect(server) else { return };
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("a socket option");
        }
        self.ends.lock().expect("no panic holds it").extend(server.local_addr().ok());
        open.push(again(&server));
        drop(open);
        let is_met = Arc::new(AtomicBool::new(false));
        let number = {
            let mut talks = self.talks.lock().expect("no panic holds it");
            talks.push([0; 2]);
            talks.len() - 1
        };
        for (side, from, to) in
            [(Side::Client, again(&client), again(&server)), (Side::Server, server, client)]
        {
            let limit = if side == counted { fault.limit() } else { u64::MAX };
            let way = Way { number, side, from, to, fault, limit, is_met: Arc::clone(&is_met) };
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
                    }
                    self.pieces.lock().expect("no panic holds it").push((way.side, passed));
                    self.talks.lock().expect("no panic holds it")[way.number][way.side as usize] = passed;
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
    /// The how manieth connection it belongs to.
    number: usize,
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
