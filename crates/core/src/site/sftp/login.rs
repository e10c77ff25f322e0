//! From a name to a connection that is logged in, in at most `connect_timeout`.
//!
//! The order is the point: the peer proves that it holds a key, the key is looked up in the known_hosts file,
//! and only then does anything go out that a stranger must not have. There is no trust on first use.

use std::path::Path;
use std::time::Instant;

use ssh2::MethodType;
use zeroize::Zeroizing;

use super::known_hosts::{KnownKeys, Verdict, fingerprint};
use super::link::{Failure, Link, code};
use super::wire::Wire as _;
use super::{Credential, SftpSettings};
use crate::foreign;
use crate::secret::Secret;
use crate::site::pace::Patience;
use crate::site::reach::reach;
use crate::site::{Arrival, SiteError, SiteErrorKind};

/// Connects, checks the peer, and logs in; tells `arrival` how far it is.
pub(super) fn log_in(settings: &SftpSettings, arrival: &mut dyn Arrival) -> Result<Link, SiteError> {
    let deadline = Instant::now() + settings.connect_timeout;
    let known = known_keys(settings)?;
    let peer = format!("{} ({}:{})", settings.name, foreign::escape(&settings.host), settings.port);
    let socket = reach(&settings.host, settings.port, &peer, deadline)?;
    let mut link = Link::new(socket, peer, settings.io_timeout, settings.min_rate, deadline)?;
    check_peer(&mut link, &known, settings, deadline)?;
    arrival.met(link.distance()).inspect_err(|_| link.give_up())?;
    authenticate(&link, settings, deadline)?;
    arrival.is_in();
    Ok(link)
}

fn known_keys(settings: &SftpSettings) -> Result<KnownKeys, SiteError> {
    let file = &settings.known_hosts;
    let bytes = std::fs::read(file).map_err(|err| {
        let text = format!(
            "reading the known_hosts file {} of site {}; make it with the server's keys",
            foreign::path(file),
            settings.name
        );
        SiteError::caused(SiteErrorKind::Configuration, text, err)
    })?;
    Ok(KnownKeys::read(&String::from_utf8_lossy(&bytes), &settings.host, settings.port))
}

/// Exchanges keys and makes sure that the peer's is in the known_hosts file.
fn check_peer(
    link: &mut Link,
    known: &KnownKeys,
    settings: &SftpSettings,
    deadline: Instant,
) -> Result<(), SiteError> {
    if let Some(algorithms) = known.algorithms() {
        link.ssh
            .method_pref(MethodType::HostKey, &algorithms)
            .map_err(|err| link.error("choosing host key algorithms", err.into()))?;
    }
    let mut ssh = link.ssh.clone();
    link.drive(Patience::Until(deadline), || Ok(ssh.handshake()?))
        .map_err(|failure| link.error("exchanging keys", failure))?;
    let verdict = match link.ssh.host_key() {
        Some((blob, _)) => match known.judge(blob) {
            Verdict::Trusted => return Ok(()),
            verdict => untrusted(verdict, &fingerprint(blob), &settings.known_hosts),
        },
        None => "it has shown no host key".to_owned(),
    };
    link.give_up();
    let text = format!("checking the host key of site {}: {verdict}; no login was tried", link.peer);
    Err(SiteError::new(SiteErrorKind::HostKey, text))
}

fn untrusted(verdict: Verdict, offered: &str, file: &Path) -> String {
    let file = foreign::path(file);
    match verdict {
        Verdict::Changed(known) => {
            let known: Vec<_> = known.iter().map(|(line, print)| format!("{print} in line {line}")).collect();
            format!(
                "it offers {offered}, and {file} has {}; if the server's operator confirms the new key, \
                 replace those lines",
                known.join(", ")
            )
        }
        Verdict::Revoked(line) => {
            format!(
                "it offers {offered}, which is revoked by line {line} of {file}; ask the server's operator"
            )
        }
        Verdict::Unknown | Verdict::Trusted => format!(
            "it offers {offered}, and {file} has no key for it; if the server's operator confirms the key, add it"
        ),
    }
}

/// Tries the credentials in their order until one is accepted.
fn authenticate(link: &Link, settings: &SftpSettings, deadline: Instant) -> Result<(), SiteError> {
    let mut refused = Vec::new();
    for credential in &settings.credentials {
        match try_credential(link, &settings.user, credential, deadline) {
            Ok(true) => return Ok(()),
            Ok(false) => refused.push(describe(credential)),
            Err(err) => {
                link.give_up();
                return Err(err);
            }
        }
    }
    link.give_up();
    let user = foreign::escape(&settings.user);
    let text = match refused.is_empty() {
        true => format!("logging in to site {} as {user}: no credentials; configure a key", link.peer),
        false => format!(
            "logging in to site {} as {user}: {} refused; check the account there",
            link.peer,
            refused.join(", ")
        ),
    };
    Err(SiteError::new(SiteErrorKind::Auth, text))
}

/// Returns whether the server accepts the credential; an error is anything but its refusal.
fn try_credential(
    link: &Link,
    user: &str,
    credential: &Credential,
    deadline: Instant,
) -> Result<bool, SiteError> {
    let patience = Patience::Until(deadline);
    let doing = || format!("logging in with {}", describe(credential));
    let tried = match credential {
        Credential::Key { file, passphrase } => {
            let key = read_key(file)?;
            let passphrase = passphrase.as_ref().map(|secret| text(secret, &doing)).transpose()?;
            link.drive(patience, || Ok(link.ssh.userauth_pubkey_memory(user, None, &key, passphrase)?))
        }
        Credential::Agent { socket } => {
            let mut agent = ask_agent(link, socket).map_err(|err| {
                let text = format!("{}: it does not answer; check that it runs", doing());
                SiteError::caused(SiteErrorKind::Auth, text, err)
            })?;
            try_agent(link, user, &mut agent, patience)
        }
        Credential::Password(password) => {
            let password = text(password, &doing)?;
            link.drive(patience, || Ok(link.ssh.userauth_password(user, password)?))
        }
    };
    match tried {
        Ok(()) => Ok(true),
        Err(Failure::Library(err)) if err.code() == ssh2::ErrorCode::Session(code::FILE) => {
            let text = format!("{}: the key cannot be read; check the file and its passphrase", doing());
            Err(SiteError::new(SiteErrorKind::Auth, text))
        }
        Err(failure) if failure.kind() == SiteErrorKind::Auth => Ok(false),
        Err(failure) => Err(link.error(&doing(), failure)),
    }
}

/// Connects to an agent on this host and has it list its keys.
fn ask_agent(link: &Link, socket: &Path) -> Result<ssh2::Agent, ssh2::Error> {
    let mut agent = link.ssh.agent()?;
    agent.set_identity_path(socket)?;
    agent.connect()?;
    agent.list_identities()?;
    Ok(agent)
}

/// Tries each key of an agent.
fn try_agent(link: &Link, user: &str, agent: &mut ssh2::Agent, patience: Patience) -> Result<(), Failure> {
    let mut outcome = Err(refused());
    for identity in agent.identities()? {
        outcome = link.drive(patience, || Ok(agent.userauth(user, &identity)?));
        match &outcome {
            Err(failure) if failure.kind() == SiteErrorKind::Auth => {}
            _ => break,
        }
    }
    outcome
}

/// What an agent without keys amounts to.
fn refused() -> Failure {
    ssh2::Error::from_errno(ssh2::ErrorCode::Session(code::AUTHENTICATION_FAILED)).into()
}

fn read_key(file: &Path) -> Result<Zeroizing<String>, SiteError> {
    std::fs::read_to_string(file).map(Zeroizing::new).map_err(|err| {
        let text = format!("reading the private key {}; check the file", foreign::path(file));
        SiteError::caused(SiteErrorKind::Configuration, text, err)
    })
}

fn text<'a>(secret: &'a Secret, doing: &dyn Fn() -> String) -> Result<&'a str, SiteError> {
    secret.expose_str().filter(|text| !text.contains('\0')).ok_or_else(|| {
        let text = format!("{}: the secret is not text; check where it comes from", doing());
        SiteError::new(SiteErrorKind::Configuration, text)
    })
}

fn describe(credential: &Credential) -> String {
    match credential {
        Credential::Key { file, .. } => format!("key {}", foreign::path(file)),
        Credential::Agent { socket } => format!("the agent at {}", foreign::path(socket)),
        Credential::Password(_) => "the password".to_owned(),
    }
}
