//! The way to a server: on this host, or over a line that is long.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use intraware_tests::support::delay_line::{DelayLine, Distance};
use intraware_tests::support::ftp_relay::FtpRelay;
use serde_json::{Value, json};

use crate::server::{Protocol, Running};

/// As from one end of a country to the other, over a line that a company can pay.
const DISTANCE: Distance = Distance { round_trip: Duration::from_millis(30), rate: 20 << 20 };

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// On this host.
    Near,
    /// Far away, over so many connections.
    Far(u32),
}

/// The ways that are tried.
pub(crate) const WAYS: [Way; 3] = [Way::Near, Way::Far(1), Way::Far(8)];

impl Way {
    /// Returns whether it leads to a server that speaks this: what is said over TLS, the line cannot
    /// understand.
    pub(crate) fn leads_to(self, protocol: Protocol) -> bool {
        self == Self::Near || protocol != Protocol::Ftps
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Near => write!(f, "near"),
            Self::Far(connections) => write!(f, "far, {connections}"),
        }
    }
}

/// What lies between the programs and a server. Dropping it ends all connections.
pub(crate) struct Opened {
    _relay: Option<FtpRelay>,
    _line: Option<DelayLine>,
}

impl Way {
    /// Opens the way, and writes it into what the configuration says of the site. Files go to `dir`.
    pub(crate) fn open(self, protocol: Protocol, server: &mut Running, dir: &Path) -> Opened {
        let Self::Far(connections) = self else { return Opened { _relay: None, _line: None } };
        server.values.insert("connections".to_owned(), json!(connections));
        let (relay, line) = match protocol {
            Protocol::Sftp => (None, DelayLine::start(server.addr, DISTANCE)),
            Protocol::Ftp | Protocol::Ftps => {
                // The server announces ports of its own for data, so somebody has to understand that.
                let relay = FtpRelay::start_far(server.addr, DISTANCE);
                let line = DelayLine::start(relay.addr(), DISTANCE);
                (Some(relay), line)
            }
        };
        redirect(server, line.addr(), dir);
        Opened { _relay: relay, _line: Some(line) }
    }
}

/// Makes the values lead to another address.
fn redirect(server: &mut Running, to: SocketAddr, dir: &Path) {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let url = text(&server.values["url"]).replace(&server.addr.to_string(), &to.to_string());
    server.values.insert("url".to_owned(), json!(url));
    if let Some(known) = server.values.get("known_hosts").map(text) {
        let bracketed = |address: SocketAddr| format!("[{}]:{}", address.ip(), address.port());
        let lines = fs::read_to_string(known).expect("a known_hosts file");
        let known_hosts = dir.join("known_hosts");
        fs::write(&known_hosts, lines.replace(&bracketed(server.addr), &bracketed(to))).expect("a file");
        server.values.insert("known_hosts".to_owned(), json!(known_hosts));
    }
}
