//! A small FTP server whose habits can be chosen, for those that the servers of [`crate::ftpd`] do not have.
//!
//! It speaks the protocol over real connections and keeps real files. Each habit is one that servers in use
//! were seen to have; a server with none of them is a plain one of the usual kind, with `ls -l` and a line
//! for the directory itself.

mod disk;
mod listing;
mod talk;
mod wire;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use crate::certificate::Certificates;
pub use listing::Listing;

/// What a server does with a file that is gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoingOn {
    /// What it is asked to.
    Does,
    /// Takes position and command, and then reads nothing.
    Stalls,
    /// Takes position and command, and refuses afterwards with 450.
    Fails,
}

/// What a server does about ports for data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// Knows EPSV and PASV.
    Both,
    /// Names ports for EPSV at which nobody is, as behind a packet filter that reads PASV alone.
    ExtendedRefused,
    /// The same, where nothing is heard.
    ExtendedSilent,
    /// Names ports for PASV at which nobody is.
    PassiveRefused,
}

/// When a server speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    None,
    /// After `AUTH TLS`.
    Explicit,
    /// After `AUTH TLS`, but takes what comes right after its answer for a command, this often.
    ExplicitRaced(usize),
    /// After `AUTH TLS`; answers a transfer only when its connection for data speaks TLS.
    ExplicitDataFirst,
    /// After `AUTH TLS`, and not for data: `PBSZ` is refused.
    ExplicitControlOnly,
}

/// What a server is like.
#[derive(Debug, Clone)]
pub struct Habits {
    /// How it lists.
    pub listing: Listing,
    /// Whether it lists the directory itself as `.`.
    pub lists_itself: bool,
    /// Whether `STAT` lists.
    pub stat_lists: bool,
    /// The number by which it says that a name is not there.
    pub absent: u16,
    /// The features it names, each a line; `None` if it does not know `FEAT`.
    pub features: Option<&'static [&'static str]>,
    /// Commands that it does not know.
    pub lacks: &'static [&'static str],
    /// Whether `MLST` finds names in the directory that was entered alone, and no absolute paths.
    pub facts_are_local: bool,
    /// What becomes of a file that is gone on with.
    pub going_on: GoingOn,
    /// Which ports for data are of use.
    pub ports: Ports,
    /// When it speaks TLS.
    pub tls: Tls,
    /// The longest that a file may become.
    pub longest: u64,
    /// How long it takes to bring what was sent to its disk, for each byte.
    pub flush_ns_per_byte: u64,
    /// Whether each answer is sent in two pieces, as by servers that write a line at a time.
    pub answers_in_pieces: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            listing: Listing::Unix,
            lists_itself: true,
            stat_lists: true,
            absent: 550,
            features: Some(&["SIZE"]),
            lacks: &["MLST", "MLSD"],
            facts_are_local: false,
            going_on: GoingOn::Does,
            ports: Ports::Both,
            tls: Tls::None,
            longest: u64::MAX,
            flush_ns_per_byte: 0,
            answers_in_pieces: false,
        }
    }
}

/// A running server. Dropping it ends it and every connection to it.
pub struct OddFtpd {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    habits: Mutex<Habits>,
    dir: TempDir,
    certificates: Certificates,
    commands: Mutex<Vec<String>>,
    open: Mutex<Vec<TcpStream>>,
    raced: AtomicUsize,
    closing: AtomicBool,
}

impl OddFtpd {
    /// Starts a server.
    pub fn start(habits: Habits) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for name in ["site", "tls"] {
            std::fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        let certificates = Certificates::make(&dir.path().join("tls"));
        let shared = Arc::new(Shared {
            habits: Mutex::new(habits),
            dir,
            certificates,
            commands: Mutex::default(),
            open: Mutex::default(),
            raced: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("the port's number");
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if theirs.closing.load(Ordering::SeqCst) {
                    return;
                }
                theirs.keep(&client);
                let shared = Arc::clone(&theirs);
                thread::spawn(move || talk::serve(&shared, client));
            }
        });
        Self { addr, shared }
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the directory that its account knows as `/`.
    pub fn root(&self) -> PathBuf {
        self.shared.root()
    }

    /// Returns the URL of that directory.
    pub fn url(&self) -> String {
        let scheme = if self.shared.habits().tls == Tls::None { "ftp" } else { "ftps" };
        format!("{scheme}://upload@{}/", self.addr)
    }

    /// Returns when it speaks TLS.
    pub fn tls(&self) -> Tls {
        self.shared.habits().tls
    }

    /// Returns the certificates it has.
    pub fn certificates(&self) -> &Certificates {
        &self.shared.certificates
    }

    /// Has other habits from the next connection on.
    pub fn change(&self, change: impl FnOnce(&mut Habits)) {
        change(&mut self.shared.habits.lock().expect("no panic holds it"));
    }

    /// Returns the commands of all clients, and forgets them.
    pub fn take_commands(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.commands.lock().expect("no panic holds it"))
    }
}

impl Drop for OddFtpd {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().expect("no panic holds it").drain(..) {
            // An ended connection cannot be ended again.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        let _ = TcpStream::connect(self.addr);
    }
}

impl Shared {
    fn habits(&self) -> Habits {
        self.habits.lock().expect("no panic holds it").clone()
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("site")
    }

    /// Keeps a connection to be ended with the server.
    fn keep(&self, stream: &TcpStream) {
        stream.set_nodelay(true).expect("a socket option");
        self.open.lock().expect("no panic holds it").push(stream.try_clone().expect("a second descriptor"));
    }
}
