//! What is known of a server's habits, so that nothing is tried in vain that failed before.
//!
//! Knowledge comes from `upload check`, which finds out what a site can do ([`Capabilities`]), and from runs
//! that met a habit on their way ([`Known::learn`]). It is kept in the spool for all hosts. It chooses what
//! is tried first and proves nothing: a session that relies on it must cope with a server that has changed,
//! and then say so ([`Known::doubt`]), so that it is asked again. Knowledge is about one peer, as
//! [`Session::peer`](super::Session::peer) names it: when another server answers, it starts from nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::probe::{Capabilities, Hashing, Renaming, Rewriting};

/// A server's habits; `None` where nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Habits {
    /// Whether commands may be asked for, as for hashing over SSH. `Some(false)` also where asking does harm:
    /// the server never answers, or ends the connection.
    pub takes_commands: Option<bool>,
    /// Whether a rename to a taken name is refused by the server itself.
    pub guards_names: Option<bool>,
    /// Whether a file can be continued at its end.
    pub appends: Option<bool>,
    /// Whether a put may begin anywhere in a file or behind its end, and changes nothing else of it.
    pub writes_anywhere: Option<bool>,
    /// Whether names may begin with a dot.
    pub takes_dot_names: Option<bool>,
    /// Whether modes of files can be set.
    pub sets_modes: Option<bool>,
    /// Whether data connections to the ports of EPSV can be made (FTP).
    pub takes_epsv: Option<bool>,
}

impl Habits {
    /// Returns what `upload check` has found out.
    pub fn found(capabilities: &Capabilities) -> Self {
        let can = &capabilities.abilities;
        Self {
            // That files are hashed does not say by which way.
            takes_commands: (can.hashes == Hashing::Nothing).then_some(false),
            guards_names: Some(can.renames == Renaming::Guarded),
            appends: Some(can.appends),
            takes_dot_names: Some(can.takes_dot_names),
            writes_anywhere: Some(can.rewrites == Rewriting::Keeps && can.writes_ahead),
            ..Self::default()
        }
    }

    /// Returns these habits, completed by `older` where nothing is known.
    pub fn or(self, older: Self) -> Self {
        Self {
            takes_commands: self.takes_commands.or(older.takes_commands),
            guards_names: self.guards_names.or(older.guards_names),
            appends: self.appends.or(older.appends),
            writes_anywhere: self.writes_anywhere.or(older.writes_anywhere),
            takes_dot_names: self.takes_dot_names.or(older.takes_dot_names),
            sets_modes: self.sets_modes.or(older.sets_modes),
            takes_epsv: self.takes_epsv.or(older.takes_epsv),
        }
    }
}

/// What is known of one site, shared by all of a run's connections to it.
#[derive(Debug, Clone, Default)]
pub struct Known(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    peer: String,
    habits: Habits,
    is_changed: bool,
}

impl Known {
    /// Begins with what was known of this peer before.
    pub fn of(peer: String, habits: Habits) -> Self {
        Self(Arc::new(Mutex::new(State { peer, habits, is_changed: false })))
    }

    /// Returns what is known of this peer; nothing, if that is another one than before.
    pub fn habits(&self, peer: &str) -> Habits {
        let state = self.state();
        if state.peer == peer { state.habits } else { Habits::default() }
    }

    /// Takes note of a habit of this peer.
    pub fn learn(&self, peer: &str, change: impl FnOnce(&mut Habits)) {
        let mut state = self.state();
        let before = if state.peer == peer { state.habits } else { Habits::default() };
        let mut habits = before;
        change(&mut habits);
        if habits != before {
            *state = State { peer: peer.to_owned(), habits, is_changed: true };
        }
    }

    /// Forgets all that is known: something failed that relied on it, so the next connection finds it out
    /// anew.
    pub fn doubt(&self) {
        let mut state = self.state();
        if state.habits != Habits::default() {
            *state = State { is_changed: true, ..State::default() };
        }
    }

    /// Returns the peer and what is known of it now, if that has changed since this was made.
    pub fn changed(&self) -> Option<(String, Habits)> {
        let state = self.state();
        state.is_changed.then(|| (state.peer.clone(), state.habits))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_one_peer_says_nothing_of_another() {
        let known = Known::of("a".into(), Habits { appends: Some(false), ..Habits::default() });
        assert_eq!(known.habits("a").appends, Some(false));
        assert_eq!(known.habits("b"), Habits::default());
        assert_eq!(known.changed(), None);
        known.learn("a", |habits| habits.appends = Some(false));
        assert_eq!(known.changed(), None, "it was known before");
        known.learn("b", |habits| habits.takes_epsv = Some(false));
        let of_b = Habits { takes_epsv: Some(false), ..Habits::default() };
        assert_eq!(known.changed(), Some(("b".into(), of_b)));
        assert_eq!(known.habits("a"), Habits::default(), "the peer is another now");
    }

    #[test]
    fn what_is_doubted_is_forgotten_by_all_connections() {
        let known = Known::of("a".into(), Habits { takes_commands: Some(true), ..Habits::default() });
        let other = known.clone();
        other.doubt();
        assert_eq!(known.habits("a"), Habits::default());
        assert_eq!(known.changed(), Some((String::new(), Habits::default())));
    }
}
