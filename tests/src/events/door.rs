//! An address at which a server can be reached, or not: connections to it are passed on while it is open.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// The address. While it is shut, connections are refused.
pub(crate) struct Door {
    at: SocketAddr,
    to: SocketAddr,
    open: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Door {
    /// Opens one at this address, to that server.
    pub(crate) fn open(at: SocketAddr, to: SocketAddr) -> Self {
        let mut door = Self { at, to, open: None };
        door.open_again();
        door
    }

    /// Opens it again.
    pub(crate) fn open_again(&mut self) {
        let listener = TcpListener::bind(self.at).unwrap_or_else(|error| panic!("{}: {error}", self.at));
        let (shut, to) = (Arc::new(AtomicBool::new(false)), self.to);
        let seen = Arc::clone(&shut);
        let passes = thread::spawn(move || {
            for client in listener.incoming() {
                if seen.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                // A connection that breaks ends its threads and nothing else.
                let _ = pass(client, to);
            }
        });
        self.open = Some((shut, passes));
    }

    /// Shuts it. What was connected before stays so, as long as it lives.
    pub(crate) fn shut(&mut self) {
        let Some((shut, passes)) = self.open.take() else { return };
        shut.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.at));
        passes.join().expect("a thread that only passes on");
    }
}

fn pass(client: TcpStream, to: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(to)?;
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}
