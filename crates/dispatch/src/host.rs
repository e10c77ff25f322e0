//! A machine: `name`, `name:port`, `address`, `[address of version 6]:port`.

use std::fmt;
use std::net::Ipv6Addr;

/// A machine that packages go to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host {
    /// Its name or address, without brackets.
    pub name: String,
    /// The port, if it is not the protocol's.
    pub port: Option<u16>,
}

impl Host {
    /// Takes a machine, or says what is allowed.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const ALLOWED: &str = "must be a name or an address, or with a port NAME:PORT or [ADDRESS]:PORT";
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self { name: text.to_owned(), port: None });
        }
        let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, "")) => (name, None),
            Some((name, rest)) => (name, Some(rest.strip_prefix(':').ok_or(ALLOWED)?)),
            None => match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            },
        };
        let is_named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        let is_name = is_named && !name.is_empty() && name.len() <= 253 && !name.starts_with(['-', '.']);
        if !is_name && name.parse::<Ipv6Addr>().is_err() {
            return Err(ALLOWED);
        }
        let port = match port {
            None => None,
            Some(port) => Some(port.parse().ok().filter(|port| *port > 0).ok_or(ALLOWED)?),
        };
        Ok(Self { name: name.to_owned(), port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => f.write_str(&self.name),
            Some(port) if self.name.contains(':') => write!(f, "[{}]:{port}", self.name),
            Some(port) => write!(f, "{}:{port}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_05_machines_are_names_and_addresses_with_or_without_a_port() {
        for right in ["10.8.6.2", "a-1.example", "a:22", "::1", "[::1]:2222"] {
            assert_eq!(Host::parse(right).unwrap().to_string(), right);
        }
        assert_eq!(Host::parse("[::1]").unwrap().to_string(), "::1");
        let wrong =
            ["", "-oProxyCommand=x", "a b", "a:0", "a:", "a:70000", "[::1]22", "[a b]:1", "a/b", "u@a", ".a"];
        for wrong in wrong {
            assert!(Host::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
