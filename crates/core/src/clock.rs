//! Whether this host's clock can be believed.
//!
//! A host that boots without its battery lives in another year, and no rule about times holds there: keys
//! have not begun or have expired, what was delivered an hour ago was kept long enough. Two others tell the
//! time as well: the file system of the spool, which is the file server for all hosts on NFS, and the server
//! of the record store. When this host's clock is more than [`TOLERATED`] from one of them, the run is in
//! [`Doubt`].
//!
//! A run in doubt cannot tell whose clock is wrong, so it does nothing that only the right time makes right:
//! it signs nothing, judges no signature, removes nothing that is kept for a time, and gives up no site. All
//! else goes on. It goes by the spool's time then ([`compare`]), so that the times it writes down mean the
//! same to the other hosts.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::run::{Clock, RunContext};
use crate::spool::Spool;
use crate::txlog::chain;

/// How far this host's clock may be from another one before nobody knows what time it is.
const TOLERATED: SignedDuration = SignedDuration::from_hours(24);

/// Why this host's clock is not believed: how far it is ahead of others, where that is too far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// Of the spool's file system.
    spool: Option<SignedDuration>,
    /// Of the record store's server.
    store: Option<SignedDuration>,
    /// The record store's server goes with this host, so it is the file server that is wrong.
    is_file_server: bool,
}

impl Doubt {
    /// Returns whether there is doubt, if the clock is so far ahead of the spool's and of the record store's,
    /// as far as they are known.
    pub fn of(spool: Option<SignedDuration>, store: Option<SignedDuration>) -> Option<Self> {
        let too_far = |ahead: &SignedDuration| ahead.abs() > TOLERATED;
        let is_file_server = store.is_some_and(|ahead| !too_far(&ahead));
        let (spool, store) = (spool.filter(too_far), store.filter(too_far));
        (spool.is_some() || store.is_some()).then_some(Self { spool, store, is_file_server })
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spool = self.spool.map(|by| format!("{} that of the spool's file system", apart(by)));
        let store = self.store.map(|by| format!("{} that of the record store", apart(by)));
        let both: Vec<String> = spool.into_iter().chain(store).collect();
        let whose = if self.is_file_server { "the file server's" } else { "this host's" };
        write!(
            f,
            "this host's clock is {}; nothing is signed, removed or given up by it: set {whose} clock",
            both.join(" and ")
        )
    }
}

impl serde::Serialize for Doubt {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Says how far a clock is from another one: `3 days ahead of`.
pub fn apart(ahead: SignedDuration) -> String {
    let seconds = ahead.unsigned_abs().as_secs();
    let long = match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    format!("{long} {}", if ahead.is_negative() { "behind" } else { "ahead of" })
}

/// Compares the clock with that of the spool's file system. Returns how far it is ahead, and the run as it is
/// to go on: in doubt by the spool's time.
///
/// What cannot be compared is not doubted: a spool that takes no file for that takes no other either.
pub fn compare(spool: &Spool, context: RunContext) -> (RunContext, Option<SignedDuration>) {
    let ahead = spool.clock_ahead(&context);
    if let Err(error) = &ahead {
        tracing::debug!("the clock cannot be compared: {}", chain(error));
    }
    let ahead = ahead.ok();
    match (ahead, Doubt::of(ahead, None)) {
        (Some(by), Some(_)) => {
            let clock = Arc::new(PutBack { clock: Arc::clone(&context.clock), by });
            (RunContext { clock, ..context }, ahead)
        }
        _ => (context, ahead),
    }
}

/// A clock that is wrong by as much as is known.
struct PutBack {
    clock: Arc<dyn Clock>,
    by: SignedDuration,
}

impl Clock for PutBack {
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        now.checked_sub(self.by).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Identity, NoProgress, Stop, SystemClock};

    /// The host's clock, but wrong.
    struct Wrong(SignedDuration);

    impl Clock for Wrong {
        fn now(&self) -> Timestamp {
            SystemClock.now() + self.0
        }
    }

    #[test]
    fn f_05_a_run_whose_clock_is_not_the_spools_goes_by_the_spools() {
        let dir = tempfile::tempdir().unwrap();
        Spool::init(dir.path(), Timestamp::UNIX_EPOCH).unwrap();
        let spool = Spool::open(dir.path(), true).unwrap();
        let year = SignedDuration::from_hours(24 * 365);
        for (by, is_wrong) in [(year, true), (-year, true), (SignedDuration::from_hours(23), false)] {
            let identity = Identity {
                program: "manage".into(),
                host: "ebb".into(),
                pid: std::process::id(),
                run: "r1".into(),
                command: "manage run".into(),
            };
            let (clock, progress) = (Arc::new(Wrong(by)), Arc::new(NoProgress));
            let context = RunContext { identity, clock, stop: Stop::default(), progress };
            let (context, ahead) = compare(&spool, context);
            assert!((ahead.unwrap() - by).abs() < SignedDuration::from_mins(5), "{ahead:?}");
            assert_eq!(Doubt::of(ahead, None).is_some(), is_wrong);
            let off = context.now().duration_since(SystemClock.now()).abs();
            assert_eq!(off < SignedDuration::from_mins(5), is_wrong, "{off:?}");
        }
        assert!(std::fs::read_dir(dir.path().join("work")).unwrap().next().is_none(), "nothing is left");
    }

    #[test]
    fn f_05_a_doubt_says_which_clock_by_how_much_and_whose_to_set() {
        let days = |days: i64| Some(SignedDuration::from_hours(24 * days + 1));
        let said = |spool, store| Doubt::of(spool, store).map(|doubt| doubt.to_string());
        assert_eq!(said(None, None), None);
        assert_eq!(said(days(0), Some(SignedDuration::from_hours(-24))), None);
        let rest = "nothing is signed, removed or given up by it: set this host's clock";
        let spool = "this host's clock is 10 days ahead of that of the spool's file system";
        assert_eq!(said(days(10), None), Some(format!("{spool}; {rest}")));
        let store = "and 9 days behind that of the record store";
        assert_eq!(said(days(10), days(-10)), Some(format!("{spool} {store}; {rest}")));
        let store = "this host's clock is 25 hours ahead of that of the record store";
        assert_eq!(said(days(0), days(1)), Some(format!("{store}; {rest}")));
        assert!(said(days(10), days(0)).unwrap().ends_with("set the file server's clock"));
    }
}
