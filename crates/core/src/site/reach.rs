//! From a host's name to a connected socket, in the time allowed.

use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use super::{SiteError, SiteErrorKind};

/// Opens a TCP connection to the first address that answers.
pub fn reach(host: &str, port: u16, peer: &str, deadline: Instant) -> Result<TcpStream, SiteError> {
    let timeout = || {
        let text = format!("connecting to site {peer}: nobody answered in the time allowed; try again later");
        SiteError::new(SiteErrorKind::Timeout, text)
    };
    let addresses = resolve(host, port, peer, deadline)?.ok_or_else(timeout)?;
    let mut failure = None;
    for (tried, address) in addresses.iter().enumerate() {
        // One silent address must not use up the time of those after it.
        let share = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let left = deadline.saturating_duration_since(Instant::now()) / share;
        if left.is_zero() {
            return Err(timeout());
        }
        match TcpStream::connect_timeout(address, left) {
            Ok(socket) => return Ok(socket),
            Err(err) => failure = Some(err),
        }
    }
    Err(match failure {
        Some(err) if err.kind() == std::io::ErrorKind::TimedOut => timeout(),
        Some(err) => {
            let text = format!("connecting to site {peer}; look whether the server and the network are up");
            SiteError::caused(SiteErrorKind::Unreachable, text, err)
        }
        None => {
            let text = format!("resolving the name of site {peer}: it has no address; correct its url");
            SiteError::new(SiteErrorKind::Unreachable, text)
        }
    })
}

/// Looks the host's addresses up, or returns `None` if that takes too long.
///
/// The system's resolver knows no deadline, so it runs beside us and is left behind if it is late.
fn resolve(
    host: &str,
    port: u16,
    peer: &str,
    deadline: Instant,
) -> Result<Option<Vec<SocketAddr>>, SiteError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(Some(vec![(address, port).into()]));
    }
    let (answer, answers) = mpsc::channel();
    let name = (host.to_owned(), port);
    thread::spawn(move || {
        // Nobody listens any more if it took too long.
        let _ = answer.send(name.to_socket_addrs().map(Vec::from_iter));
    });
    match answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(Ok(addresses)) => Ok(Some(addresses)),
        Ok(Err(err)) => {
            let text = format!("resolving the name of site {peer}; look at the name and at name service");
            Err(SiteError::caused(SiteErrorKind::Unreachable, text, err))
        }
        Err(_) => Ok(None),
    }
}

/// Returns whether a host is this one, as far as its name tells.
pub fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}
