//! A loopback port whose connections are each handed to a server process of their own, as `inetd` does.
//!
//! The port is ours: no race for it, no waiting for a daemon. Each process reads its configuration anew, so
//! that a test can change the server between two connections to one address, as an attacker or an operator
//! would.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a server's process may take to end after its client has gone, on a machine that is busy.
const FAREWELL: Duration = Duration::from_millis(500);

/// A port and the processes behind it. Dropping it ends them.
pub struct Inetd {
    addr: SocketAddr,
    closing: Arc<AtomicBool>,
    children: Arc<Mutex<Vec<(SocketAddr, Child)>>>,
    accepted: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    accepting: Option<JoinHandle<()>>,
}

impl Inetd {
    /// Listens on a free port. `command` makes the process for a connection, which gets it as standard input
    /// and output and writes what it complains about to the file `log`.
    pub fn start(log: &Path, command: impl Fn() -> Command + Send + 'static) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, log, command)
    }

    /// The same at this address of this host.
    pub fn start_at(address: Ipv4Addr, log: &Path, command: impl Fn() -> Command + Send + 'static) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a free port");
        let addr = listener.local_addr().expect("the port's number");
        File::create(log).expect("a log file");
        let mut inetd = Self {
            addr,
            closing: Arc::default(),
            children: Arc::default(),
            accepted: Arc::default(),
            most: Arc::new(AtomicUsize::new(usize::MAX)),
            accepting: None,
        };
        let (closing, children) = (Arc::clone(&inetd.closing), Arc::clone(&inetd.children));
        let (accepted, most) = (Arc::clone(&inetd.accepted), Arc::clone(&inetd.most));
        let log = log.to_owned();
        inetd.accepting = Some(thread::spawn(move || {
            for stream in listener.incoming() {
                if closing.load(Ordering::SeqCst) {
                    return;
                }
                accepted.fetch_add(1, Ordering::SeqCst);
                let stream = stream.expect("an accepted connection");
                // One whose client has gone already is nobody's.
                let Ok(client) = stream.peer_addr() else { continue };
                if has_room(&children, most.load(Ordering::SeqCst)) {
                    let child = serve(stream, command(), &log);
                    children.lock().expect("no panic holds it").push((client, child));
                }
            }
        }));
        inetd
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns how many connections were made.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Closes connections while so many are served, as `xinetd` does with its `instances`. The process of a
    /// client that has gone has [`FAREWELL`] to end.
    pub fn limit(&self, most: usize) {
        self.most.store(most, Ordering::SeqCst);
    }

    /// Kills the processes of all connections and what they have started, as a crash of the server would.
    pub fn kill_connections(&self) {
        self.kill(|_| true);
    }

    /// The same for the connections of these clients alone.
    pub fn kill_connections_of(&self, clients: &[SocketAddr]) {
        self.kill(|client| clients.contains(client));
    }

    fn kill(&self, is_meant: impl Fn(&SocketAddr) -> bool) {
        let mut children = self.children.lock().expect("no panic holds it");
        for (_, mut child) in children.extract_if(.., |(client, _)| is_meant(client)) {
            let group = Pid::from_child(&child);
            // One that has ended already is as dead as wanted.
            let _ = kill_process_group(group, Signal::KILL);
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Inetd {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees the flag.
        let _ = TcpStream::connect(self.addr);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
        self.kill_connections();
    }
}

/// Returns whether fewer connections than `most` are served, or soon will be.
fn has_room(children: &Mutex<Vec<(SocketAddr, Child)>>, most: usize) -> bool {
    let asked = Instant::now();
    loop {
        let mut served = children.lock().expect("no panic holds it");
        served.retain_mut(|(_, old)| matches!(old.try_wait(), Ok(None)));
        let is_free = served.len() < most;
        drop(served);
        if is_free || asked.elapsed() > FAREWELL {
            return is_free;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Hands one connection to a process, the first of a group of its own.
fn serve(stream: TcpStream, mut command: Command, log: &Path) -> Child {
    use std::os::unix::process::CommandExt as _;
    let log = OpenOptions::new().append(true).open(log).expect("the log");
    let out = stream.try_clone().expect("a second descriptor of the connection");
    command
        .stdin(OwnedFd::from(stream))
        .stdout(OwnedFd::from(out))
        .stderr(log)
        .process_group(0)
        .spawn()
        .expect("the server starts")
}
