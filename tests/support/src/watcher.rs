//! A service that watches jobs: it notes what it is asked for, and answers, or does not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// How the service behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It answers each request with this status.
    Answers(u16),
    /// It takes connections and says nothing.
    Hangs,
}

/// The service, for as long as the test program runs.
pub struct Watcher {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Watcher {
    /// Starts it.
    pub fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().flatten() {
                match serve(&stream, mood, &notes) {
                    Ok(()) => {}
                    // A client that has gone is no matter of ours.
                    Err(_) => continue,
                }
                if mood == Mood::Hangs {
                    held.push(stream);
                }
            }
        });
        Self { address, heard }
    }

    /// Returns its address, with a path that begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the paths that were asked for since this was called last.
    pub fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(stream: &TcpStream, mood: Mood, notes: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    notes.lock().unwrap_or_else(PoisonError::into_inner).push(path);
    match mood {
        Mood::Answers(status) => {
            write!(&*stream, "HTTP/1.1 {status} Told\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")
        }
        Mood::Hangs => Ok(()),
    }
}
