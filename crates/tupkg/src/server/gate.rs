//! Who gets in: passwords, one check at a time, and a lock-out for who guesses.
//!
//! After a number of wrong passwords for an account from an address none is right any more for a while, and none is even
//! checked; after four times as many from one address, whatever the account, neither. Whoever is locked out is told the same as
//! with a wrong password, after the same pause.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::settings::Limits;
use crate::accounts::{self, Account, Accounts, AccountsError};
use crate::wire::Login;

/// How many addresses and accounts are remembered; more of them, and the older half is forgotten.
const MAX_REMEMBERED: usize = 20_000;
/// How many accounts one address may be wrong about.
const ACCOUNTS_PER_ADDRESS: usize = 4;

/// Checks logins.
pub(super) struct Gate {
    most: usize,
    over: Duration,
    names: RandomState,
    failures: Mutex<HashMap<Guess, Failures>>,
    turn: Mutex<()>,
}

/// An account as seen from an address, or all accounts. The account only by its hash: strangers choose it.
type Guess = (IpAddr, Option<u64>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: usize,
    last: Instant,
}

impl Gate {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            most: limits.failures,
            over: Duration::from_secs(limits.failures_s),
            names: RandomState::new(),
            failures: Mutex::default(),
            turn: Mutex::default(),
        }
    }

    /// Returns the account whose password this is. `address` is where it was said.
    pub(super) fn check(
        &self,
        accounts: &Accounts,
        login: &Login,
        address: IpAddr,
    ) -> Result<Option<Account>, AccountsError> {
        let guess = (network(address), Some(self.names.hash_one(&login.user)));
        if self.is_locked(guess, Instant::now()) {
            return Ok(None);
        }
        let account = {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            accounts::check(accounts.find(&login.user), &login.password).cloned()
        };
        if account.is_none() {
            self.remember(guess, Instant::now());
        }
        Ok(account)
    }

    fn is_locked(&self, (address, account): Guess, now: Instant) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |guess: Guess| {
            let found = failures.get(&guess).filter(|found| now.duration_since(found.last) < self.over);
            found.map_or(0, |found| found.count)
        };
        count((address, account)) >= self.most || count((address, None)) >= self.most * ACCOUNTS_PER_ADDRESS
    }

    fn remember(&self, (address, account): Guess, now: Instant) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MAX_REMEMBERED {
            failures.retain(|_, found| now.duration_since(found.last) < self.over);
        }
        if failures.len() >= MAX_REMEMBERED {
            let mut times: Vec<Instant> = failures.values().map(|found| found.last).collect();
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            let median = *median;
            failures.retain(|_, found| found.last > median);
        }
        for guess in [(address, account), (address, None)] {
            let found = failures.entry(guess).or_insert(Failures { count: 0, last: now });
            if now.duration_since(found.last) >= self.over {
                found.count = 0;
            }
            *found = Failures { count: found.count + 1, last: now };
        }
    }
}

/// Returns what counts as one address: of IPv6, the network that one customer has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_10_who_guesses_is_locked_out_for_a_while_and_alone() {
        let gate = Gate::new(&Limits::default());
        let [here, there]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        let start = Instant::now();
        for _ in 0..4 {
            gate.remember((here, Some(1)), start);
        }
        assert!(!gate.is_locked((here, Some(1)), start));
        gate.remember((here, Some(1)), start);
        assert!(gate.is_locked((here, Some(1)), start));
        assert!(!gate.is_locked((there, Some(1)), start));
        assert!(!gate.is_locked((here, Some(2)), start));
        let later = start + Duration::from_secs(600);
        assert!(!gate.is_locked((here, Some(1)), later));
        gate.remember((here, Some(1)), later);
        assert!(!gate.is_locked((here, Some(1)), later), "it begins anew");

        for account in 10..30 {
            gate.remember((there, Some(account)), start);
        }
        assert!(gate.is_locked((there, Some(99)), start), "one address and many accounts");
    }

    #[test]
    fn s4_10_what_is_remembered_is_bounded() {
        let gate = Gate::new(&Limits::default());
        let start = Instant::now();
        for n in 0..30_000_u32 {
            gate.remember((IpAddr::V4(n.into()), Some(1)), start);
        }
        assert!(gate.failures.lock().unwrap().len() <= MAX_REMEMBERED + 2);
        assert_eq!(network("2001:db8:1:2:3::4".parse().unwrap()), network("2001:db8:1:2::".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1".parse::<IpAddr>().unwrap());
    }
}
