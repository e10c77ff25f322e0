//! Who gets in: passwords, one check at a time, and a lock-out for who guesses.
//!
//! After a number of wrong passwords for an account from an address none is right any more for a while, and
//! none is even checked; after four times as many from one address, whatever the account, neither. Whoever is
//! locked out is told the same as with a wrong password, after the same pause.
//!
//! To check a password takes 19 MiB and tens of milliseconds, which a client of many sessions would pay for
//! each. So what was right once is known again by a digest under a key that this process has drawn and never
//! tells. Every wrong password costs the whole check.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::settings::Limits;
use crate::accounts::{self, Account, Accounts};
use crate::secret::Secret;
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
    key: [u8; 32],
    /// Digests of right passwords, by what the file of accounts has: a changed password is another one.
    known: Mutex<HashMap<String, [u8; 32]>>,
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
    pub(super) fn new(limits: &Limits) -> io::Result<Self> {
        let mut key = [0; 32];
        rustix::rand::getrandom(&mut key[..], rustix::rand::GetRandomFlags::empty())?;
        Ok(Self {
            most: limits.failures,
            over: Duration::from_secs(limits.failures_s),
            names: RandomState::new(),
            failures: Mutex::default(),
            key,
            known: Mutex::default(),
            turn: Mutex::default(),
        })
    }

    /// Returns the account whose password this is. `address` is where it was said.
    pub(super) fn check(&self, accounts: &Accounts, login: &Login, address: IpAddr) -> Option<Account> {
        let guess = (network(address), Some(self.names.hash_one(&login.user)));
        if self.is_locked(guess, Instant::now()) {
            return None;
        }
        let account = accounts.find(&login.user);
        if self.is_known(account, &login.password) {
            return account.cloned();
        }
        let checked = {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            // Another session of the account may have had its turn meanwhile.
            if self.is_known(account, &login.password) {
                return account.cloned();
            }
            accounts::check(account, &login.password)
        };
        match checked {
            Some(account) => self.learn(account, &login.password),
            None => self.remember(guess, Instant::now()),
        }
        checked.cloned()
    }

    fn is_known(&self, account: Option<&Account>, password: &Secret) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        account.is_some_and(|account| known.get(account.hash()) == Some(&self.digest(account, password)))
    }

    fn learn(&self, account: &Account, password: &Secret) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(account.hash().to_owned(), self.digest(account, password));
    }

    fn digest(&self, account: &Account, password: &Secret) -> [u8; 32] {
        let mut sum = Sha256::new();
        sum.update(self.key);
        sum.update(account.hash());
        sum.update([0]);
        sum.update(password.expose());
        sum.finalize().into()
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
        let gate = Gate::new(&Limits::default()).unwrap();
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
    fn s4_10_a_right_password_is_known_again_until_it_changes() {
        let gate = Gate::new(&Limits::default()).unwrap();
        let mut accounts = Accounts::default();
        let login = |password: &str| Login { user: b"a".to_vec(), password: Secret::new(password) };
        let check = |accounts: &Accounts, password: &str| {
            gate.check(accounts, &login(password), "192.0.2.1".parse().unwrap()).is_some()
        };
        accounts.set("a", &Secret::new("right"), None, None).unwrap();
        let is_known = |accounts: &Accounts| gate.is_known(accounts.find(b"a"), &Secret::new("right"));
        assert!(!is_known(&accounts) && !check(&accounts, "wrong") && !is_known(&accounts));
        assert!(check(&accounts, "right") && is_known(&accounts));
        assert!(check(&accounts, "right") && !check(&accounts, "wrong"));
        accounts.set("a", &Secret::new("changed"), None, None).unwrap();
        assert!(!is_known(&accounts) && !check(&accounts, "right") && check(&accounts, "changed"));
    }

    #[test]
    fn s4_10_what_is_remembered_is_bounded() {
        let gate = Gate::new(&Limits::default()).unwrap();
        let start = Instant::now();
        for n in 0..30_000_u32 {
            gate.remember((IpAddr::V4(n.into()), Some(1)), start);
        }
        assert!(gate.failures.lock().unwrap().len() <= MAX_REMEMBERED + 2);
        assert_eq!(network("2001:db8:1:2:3::4".parse().unwrap()), network("2001:db8:1:2::".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1".parse::<IpAddr>().unwrap());
    }
}
