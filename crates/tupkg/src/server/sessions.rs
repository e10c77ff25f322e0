//! Which sessions there are, how many there may be, and how they end when the server does.

use std::collections::HashMap;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::settings::Limits;

/// The sessions of a server.
#[derive(Default)]
pub(super) struct Sessions {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: u64,
    open: HashMap<u64, Open>,
}

struct Open {
    tcp: TcpStream,
    address: IpAddr,
    /// The account's directory, once it has logged in.
    account: Option<String>,
}

/// A session's place among them, which it frees when dropped.
pub(super) struct Place {
    sessions: Arc<Sessions>,
    /// Names the session in the log.
    pub(super) number: u64,
}

impl Sessions {
    /// Takes a connection in that has not logged in, if there may be one more.
    pub(super) fn begin(
        self: &Arc<Self>,
        tcp: &TcpStream,
        address: IpAddr,
        limits: &Limits,
    ) -> Option<Place> {
        let twin = tcp.try_clone().ok()?;
        let mut state = self.lock();
        let strangers = || state.open.values().filter(|open| open.account.is_none());
        let same = strangers().filter(|open| open.address == address).count();
        if strangers().count() >= limits.logins || same >= limits.logins_per_address {
            return None;
        }
        state.next += 1;
        let number = state.next;
        state.open.insert(number, Open { tcp: twin, address, account: None });
        Some(Place { sessions: Arc::clone(self), number })
    }

    /// Lets sessions end by themselves for so long, and ends them then. Returns how many had to be ended.
    pub(super) fn end(&self, within: Duration) -> usize {
        self.wait(within);
        let left = {
            let state = self.lock();
            // One that has ended meanwhile cannot be ended again.
            state.open.values().for_each(|open| drop(open.tcp.shutdown(Shutdown::Both)));
            state.open.len()
        };
        // They notice at once, and write down what they have.
        self.wait(Duration::from_secs(10));
        left
    }

    fn wait(&self, within: Duration) {
        let until = Instant::now() + within;
        let mut state = self.lock();
        while !state.open.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Makes it a session of an account, if there may be one more.
    pub(super) fn log_in(&self, directory: &str, limits: &Limits) -> bool {
        let mut state = self.sessions.lock();
        let accounts = || state.open.values().filter_map(|open| open.account.as_deref());
        let same = accounts().filter(|account| *account == directory).count();
        if accounts().count() >= limits.sessions || same >= limits.sessions_per_account {
            return false;
        }
        if let Some(open) = state.open.get_mut(&self.number) {
            open.account = Some(directory.to_owned());
        }
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.lock().open.remove(&self.number);
        self.sessions.changed.notify_all();
    }
}
