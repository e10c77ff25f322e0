//! Another address of the same organisation, as it was before it moved.
//!
//! An organisation moves to another instance, and its old address is from then on nobody's, or another
//! server's. The login alone knows the new one.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;

use super::wire::{Answer, Connection};
use super::{Shared, react};

/// What answers where the organisation was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// A page that says that there is nothing.
    NotFound,
    /// The same in the form of the API.
    NoResource,
    /// A redirect.
    Redirect,
    /// A page with status 200.
    Page,
    /// Another service, with JSON of its own.
    OtherService,
    /// An instance that knows that the organisation has left.
    NotReset,
    /// A load balancer with nothing behind it.
    BadGateway,
    /// Nobody: connections are taken and end.
    Closes,
    /// Nobody: connections are taken and nothing is ever said.
    Mute,
}

impl Gone {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::NotFound,
        Self::NoResource,
        Self::Redirect,
        Self::Page,
        Self::OtherService,
        Self::NotReset,
        Self::BadGateway,
        Self::Closes,
        Self::Mute,
    ];

    fn answer(self) -> Option<Answer> {
        let refusal = |code: &str, message: &str| json!([{ "errorCode": code, "message": message }]);
        Some(match self {
            Self::NotFound => Answer::html(404, "<html><body>URL No Longer Exists</body></html>"),
            Self::NoResource => {
                Answer::json(404, &refusal("NOT_FOUND", "The requested resource does not exist"))
            }
            Self::Redirect => Answer::empty(302).with("Location", "https://status.salesforce.com/"),
            Self::Page => Answer::html(200, "<html><title>Welcome to nginx!</title></html>"),
            Self::OtherService => Answer::json(200, &json!({ "status": "ok" })),
            Self::NotReset => {
                let message = "Destination URL not reset. The URL returned from login must be set";
                Answer::json(404, &refusal("URL_NOT_RESET", message))
            }
            Self::BadGateway => Answer::html(502, "<html><body>Bad Gateway</body></html>"),
            Self::Closes | Self::Mute => return None,
        })
    }
}

/// An address of the organisation; when it is dropped, nobody listens there any more.
#[derive(Debug)]
pub struct Instance {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    gone: Arc<Mutex<Option<Gone>>>,
    /// It ends when it is woken, and the listener with it.
    listens: Option<JoinHandle<()>>,
}

impl Instance {
    pub(super) fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let mut instance = Self { address, stopped: Arc::default(), gone: Arc::default(), listens: None };
        let (stopped, gone) = (Arc::clone(&instance.stopped), Arc::clone(&instance.gone));
        let shared = Arc::clone(shared);
        instance.listens = Some(thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (shared, gone) = (Arc::clone(&shared), Arc::clone(&gone));
                // A connection that breaks ends its thread and nothing else.
                thread::spawn(move || serve(stream, &shared, &gone, address));
            }
        }));
        Ok(instance)
    }

    /// Returns its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The organisation has moved away, and this is what is there now.
    pub fn leave(&self, gone: Gone) {
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner) = Some(gone);
    }
}

fn serve(
    stream: TcpStream,
    shared: &Shared,
    gone: &Mutex<Option<Gone>>,
    address: SocketAddr,
) -> io::Result<()> {
    let mut connection = Connection::new(Box::new(stream));
    while let Some(request) = connection.read()? {
        let gone = *gone.lock().unwrap_or_else(PoisonError::into_inner);
        match gone.map(Gone::answer) {
            None => {
                let (answer, _) = react(&mut shared.org(), &request, &format!("http://{address}"));
                connection.write(&answer)?;
            }
            Some(Some(answer)) => connection.write(&answer)?,
            Some(None) => {
                if gone == Some(Gone::Mute) {
                    // Longer than any client in a test waits.
                    thread::sleep(Duration::from_secs(60));
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over. Whoever connected before it has gone would be
        // reset.
        if TcpStream::connect(self.address).is_ok()
            && let Some(listens) = self.listens.take()
        {
            let _ = listens.join();
        }
    }
}
