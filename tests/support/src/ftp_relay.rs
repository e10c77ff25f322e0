//! A relay between a client and a real FTP server in the clear that understands what they say.
//!
//! It puts itself into data connections as well, with a fault of their own, and may answer commands in the
//! server's place, as a server of another make, or a hostile one, would.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use crate::delay_line::{DelayLine, Distance};
use crate::relay::{Fault, Relay, Side};

/// An address that belongs to nobody (RFC 5737), for answers that lie.
const NOBODYS: &str = "192,0,2,1";

/// A relay on a free loopback port. Dropping it ends its connections.
pub struct FtpRelay {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    data: Mutex<(Fault, Side)>,
    answers: Mutex<HashMap<String, String>>,
    commands: Mutex<Vec<String>>,
    /// Words that the server is told as others.
    folded: Mutex<Vec<(&'static str, &'static str)>>,
    open: Mutex<Vec<TcpStream>>,
    channels: Mutex<Vec<Relay>>,
    /// How far data connections go instead, if so.
    distance: Option<Distance>,
    lines: Mutex<Vec<DelayLine>>,
    ends: Mutex<Vec<SocketAddr>>,
    closing: AtomicBool,
}

impl FtpRelay {
    /// Starts a relay to `server` that does `fault` to each data connection.
    pub fn start(server: SocketAddr, fault: Fault) -> Self {
        Self::start_at(server, fault, None)
    }

    /// Starts a relay to `server` whose data connections go this far. Each has a way of its own.
    pub fn start_far(server: SocketAddr, distance: Distance) -> Self {
        Self::start_at(server, Fault::None, Some(distance))
    }

    fn start_at(server: SocketAddr, fault: Fault, distance: Option<Distance>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("the port's number");
        let shared = Arc::new(Shared {
            server,
            data: Mutex::new((fault, Side::Client)),
            answers: Mutex::default(),
            commands: Mutex::default(),
            folded: Mutex::default(),
            open: Mutex::default(),
            channels: Mutex::default(),
            distance,
            lines: Mutex::default(),
            ends: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if theirs.closing.load(Ordering::SeqCst) {
                    return;
                }
                theirs.take(client);
            }
        });
        Self { addr, shared }
    }

    /// Returns the address to connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes what happens to data connections that are announced from now on.
    pub fn set_data(&self, fault: Fault) {
        *self.shared.data.lock().expect("no panic holds it") = (fault, Side::Client);
    }

    /// The same, but counts what the server sends over them.
    pub fn set_fetched(&self, fault: Fault) {
        *self.shared.data.lock().expect("no panic holds it") = (fault, Side::Server);
    }

    /// Returns the addresses from which it has connected to the server, those for data not counted.
    pub fn ends(&self) -> Vec<SocketAddr> {
        self.shared.ends.lock().expect("no panic holds it").clone()
    }

    /// Returns since when the fault is there on a data connection, if it was met.
    pub fn met(&self) -> Option<Instant> {
        self.shared.channels.lock().expect("no panic holds it").iter().filter_map(Relay::met).max()
    }

    /// Answers a command by these lines from now on, without asking the server.
    pub fn answer(&self, verb: &str, lines: &str) {
        let lines = format!("{lines}\r\n");
        self.shared.answers.lock().expect("no panic holds it").insert(verb.to_owned(), lines);
    }

    /// Tells the server the second of two words where the client says the first, as if they were one name
    /// there: one that keeps its files in a system which does not tell cases apart takes them for one.
    pub fn fold(&self, words: &[(&'static str, &'static str)]) {
        self.shared.folded.lock().expect("no panic holds it").extend_from_slice(words);
    }

    /// Returns the commands of all clients.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().expect("no panic holds it").clone()
    }
}

impl Drop for FtpRelay {
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
        let Ok(server) = TcpStream::connect(self.server) else { return };
        self.ends.lock().expect("no panic holds it").extend(server.local_addr().ok());
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("a socket option");
        }
        let again = |stream: &TcpStream| stream.try_clone().expect("a second descriptor");
        self.open.lock().expect("no panic holds it").extend([again(&client), again(&server)]);
        let (to, from) = (Arc::clone(self), Arc::clone(self));
        let (client2, server2) = (again(&client), again(&server));
        let announced = Arc::<AtomicBool>::default();
        let announced2 = Arc::clone(&announced);
        thread::spawn(move || to.commands_of(client, server, &announced));
        thread::spawn(move || from.answers_of(server2, client2, &announced2));
    }

    fn commands_of(&self, client: TcpStream, mut server: TcpStream, announced: &AtomicBool) {
        let mut out = client.try_clone().expect("a second descriptor");
        for line in BufReader::new(client).lines().map_while(Result::ok) {
            if announced.swap(false, Ordering::SeqCst)
                && let Some(distance) = self.distance
            {
                // The client connects to the port before it says more, and a line lets it do so in no time.
                thread::sleep(distance.round_trip);
            }
            let verb = line.split(' ').next().unwrap_or_default().to_owned();
            self.commands.lock().expect("no panic holds it").push(line.clone());
            let answer = self.answers.lock().expect("no panic holds it").get(&verb).cloned();
            let passed = match answer {
                Some(answer) => out.write_all(answer.as_bytes()),
                None => server.write_all(format!("{}\r\n", self.in_its_letters(&line)).as_bytes()),
            };
            if passed.is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Write);
    }

    fn answers_of(&self, server: TcpStream, mut client: TcpStream, announced: &AtomicBool) {
        for line in BufReader::new(server).lines().map_while(Result::ok) {
            announced.fetch_or(matches!(line.get(..4), Some("229 " | "227 ")), Ordering::SeqCst);
            let line = match line.get(..4) {
                Some("229 ") => self.with_extended_port(&line),
                Some("227 ") => self.with_port(&line),
                _ => line,
            };
            if client.write_all(format!("{line}\r\n").as_bytes()).is_err() {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Write);
    }

    /// Returns a command as the server is to hear it.
    fn in_its_letters(&self, line: &str) -> String {
        let folded = self.folded.lock().expect("no panic holds it");
        folded.iter().fold(line.to_owned(), |line, (said, told)| line.replace(said, told))
    }

    /// Puts a relay into the data connection that an answer to EPSV announces.
    fn with_extended_port(&self, line: &str) -> String {
        let (head, tail) = line.split_once("|||").expect("an answer to EPSV");
        let (port, tail) = tail.split_once('|').expect("an answer to EPSV");
        format!("{head}|||{}|{tail}", self.channel(port.parse().expect("a port")))
    }

    /// The same for an answer to PASV, which names an address as well: nobody's, as behind a translator.
    fn with_port(&self, line: &str) -> String {
        let numbers =
            line.split_once('(').and_then(|(_, tail)| tail.split_once(')')).expect("an answer to PASV").0;
        let numbers: Vec<u16> = numbers.split(',').map(|number| number.parse().expect("a byte")).collect();
        let [high, low] = self.channel(numbers[4] * 256 + numbers[5]).to_be_bytes();
        format!("227 Entering Passive Mode ({NOBODYS},{high},{low})")
    }

    fn channel(&self, port: u16) -> u16 {
        if let Some(distance) = self.distance {
            let line = DelayLine::start((Ipv4Addr::LOCALHOST, port).into(), distance);
            let port = line.addr().port();
            self.lines.lock().expect("no panic holds it").push(line);
            return port;
        }
        let (fault, side) = *self.data.lock().expect("no panic holds it");
        let relay = Relay::counting((Ipv4Addr::LOCALHOST, port).into(), fault, side);
        let port = relay.addr().port();
        self.channels.lock().expect("no panic holds it").push(relay);
        port
    }
}
