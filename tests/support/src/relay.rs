//! A TCP relay between a client and a real server that fails when it is told to.
//!
//! Faults count the bytes that the client has sent, so that a test can try every moment of a
//! conversation: cut in the handshake, in the login, in the middle of a transfer.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing; all bytes pass.
    None,
    /// Both sides see an orderly end after this many bytes from the client.
    CutAfter(u64),
    /// Both sides see a reset after this many bytes from the client.
    ResetAfter(u64),
    /// No byte passes in either direction after this many from the client, and nothing is closed.
    StallAfter(u64),
    /// The server sees an orderly end after this many bytes from the client, who notices nothing.
    LoseAfter(u64),
    /// The connection is accepted and nothing is ever said.
    Mute,
    /// Every byte arrives this much later, in each direction.
    Delay(Duration),
}

/// A relay on a free loopback port. Dropping it ends its connections.
pub struct Relay {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    fault: Mutex<Fault>,
    open: Mutex<Vec<TcpStream>>,
    accepted: AtomicUsize,
    sent: AtomicU64,
    closing: AtomicBool,
}

impl Relay {
    /// Starts a relay to `server` that does `fault` to each connection.
    pub fn start(server: SocketAddr, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("the port's number");
        let shared = Arc::new(Shared {
            server,
            fault: Mutex::new(fault),
            open: Mutex::default(),
            accepted: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
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
        *self.shared.fault.lock().expect("no panic holds it") = fault;
    }

    /// Returns how many connections were made.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Returns how many bytes the client has sent over the newest connection.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
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
        let fault = *self.fault.lock().expect("no panic holds it");
        let mut open = self.open.lock().expect("no panic holds it");
        open.push(client.try_clone().expect("a second descriptor"));
        if fault == Fault::Mute {
            return;
        }
        let Ok(server) = TcpStream::connect(self.server) else { return };
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("a socket option");
        }
        open.push(server.try_clone().expect("a second descriptor"));
        drop(open);
        let (to, from) = (Arc::clone(self), Arc::clone(self));
        let (client2, server2) =
            (client.try_clone().expect("a descriptor"), server.try_clone().expect("a descriptor"));
        let stalled = Arc::new(AtomicBool::new(false));
        let also = Arc::clone(&stalled);
        thread::spawn(move || to.client_to_server(client, server, fault, &stalled));
        thread::spawn(move || from.server_to_client(server2, client2, fault, &also));
    }

    fn client_to_server(&self, mut client: TcpStream, server: TcpStream, fault: Fault, stalled: &AtomicBool) {
        let limit = match fault {
            Fault::CutAfter(n) | Fault::ResetAfter(n) | Fault::StallAfter(n) | Fault::LoseAfter(n) => n,
            Fault::None | Fault::Mute | Fault::Delay(_) => u64::MAX,
        };
        let mut out = Line::new(server.try_clone().expect("a descriptor"), fault);
        let mut buffer = vec![0; 64 * 1024];
        let mut passed = 0;
        while passed < limit {
            let room = buffer.len().min(usize::try_from(limit - passed).unwrap_or(usize::MAX));
            let Some(n) = read(&mut client, &mut buffer[..room]) else { break };
            passed += n as u64;
            self.sent.store(passed, Ordering::SeqCst);
            if !out.send(&buffer[..n]) {
                break;
            }
        }
        match fault {
            Fault::StallAfter(n) if passed >= n => stalled.store(true, Ordering::SeqCst),
            Fault::LoseAfter(n) if passed >= n => {
                out.end();
                while read(&mut client, &mut buffer).is_some() {}
            }
            Fault::ResetAfter(n) if passed >= n => {
                for stream in [&client, &server] {
                    set_socket_linger(stream, Some(Duration::ZERO)).expect("a socket option");
                }
                // The reset goes out when the last descriptor is closed, or at once on this side's shutdown
                // of an unread connection; our registered copies must not keep it open.
                self.forget(&client);
                self.forget(&server);
            }
            Fault::CutAfter(n) if passed >= n => {
                let _ = client.shutdown(Shutdown::Both);
                let _ = server.shutdown(Shutdown::Both);
            }
            _ => out.end(),
        }
    }

    fn server_to_client(&self, mut server: TcpStream, client: TcpStream, fault: Fault, stalled: &AtomicBool) {
        let mut out = Line::new(client, fault);
        let mut buffer = vec![0; 64 * 1024];
        // A reset needs every descriptor of the sockets closed, so this side looks up now and then.
        let patience = Duration::from_millis(20);
        server.set_read_timeout(Some(patience)).expect("a socket option");
        loop {
            match server.read(&mut buffer) {
                Ok(0) if stalled.load(Ordering::SeqCst) => return,
                Ok(0) => return out.end(),
                // Swallowed: the line is dead, and nobody is told.
                Ok(_) if stalled.load(Ordering::SeqCst) => {}
                Ok(n) if !out.send(&buffer[..n]) => return,
                Ok(_) => {}
                Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if self.is_forgotten(&server) {
                        return;
                    }
                }
                Err(_) => return out.end(),
            }
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

    fn is_forgotten(&self, stream: &TcpStream) -> bool {
        let (addr, peer) = (stream.local_addr().ok(), stream.peer_addr().ok());
        let open = self.open.lock().expect("no panic holds it");
        !open.iter().any(|other| other.local_addr().ok() == addr && other.peer_addr().ok() == peer)
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

fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> Option<usize> {
    stream.read(buffer).ok().filter(|&n| n > 0)
}
