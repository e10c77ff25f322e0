//! From a name to a connection that is logged in, in at most `connect_timeout`.
//!
//! The order is the point: the peer proves that it holds a key, the key is looked up in the known_hosts file,
//! and only then does anything go out that a stranger must not have. There is no trust on first use.
//!
//! Credentials are tried in the order of the configuration. A server may want several of them, or the
//! password as the answer to a question (keyboard-interactive); which methods it still takes it says after a
//! refusal, and is asked only then.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use ssh2::{KeyboardInteractivePrompt, MethodType, Prompt};

use super::failure::{Failure, code};
use super::known_hosts::{KnownKeys, Verdict, fingerprint};
use super::link::Link;
use super::offers::lacking;
use super::wire::Wire as _;
use crate::{Credential, SftpSettings};
use intraware_core::foreign;
use intraware_core::secret::Secret;
use intraware_core::site::pace::Patience;
use intraware_core::site::reach;
use intraware_core::site::{Arrival, SiteError, SiteErrorKind};

/// Connects, checks the peer, and logs in; tells `arrival` how far it is.
pub(super) fn log_in(settings: &SftpSettings, arrival: &mut dyn Arrival) -> Result<Link, SiteError> {
    let deadline = Instant::now() + settings.connect_timeout;
    let peer = format!("{} ({}:{})", settings.name, foreign::escape(&settings.host), settings.port);
    let socket = reach(&settings.host, settings.port, &peer, deadline)?;
    // Where nobody answers no key is asked for.
    let known = known_keys(settings)?;
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
    if let Err(failure) = link.drive(Patience::Until(deadline), || Ok(ssh.handshake()?)) {
        return Err(match lacking(link, settings, deadline) {
            Some(lacking) => {
                let text = format!("exchanging keys with site {}: {lacking}; have it updated", link.peer);
                SiteError::new(SiteErrorKind::Unsupported, text)
            }
            None => link.error("exchanging keys", failure),
        });
    }
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

/// Tries the credentials in their order until the server lets us in.
fn authenticate(link: &Link, settings: &SftpSettings, deadline: Instant) -> Result<(), SiteError> {
    let patience = Patience::Until(deadline);
    let mut login =
        Login { link, user: &settings.user, patience, takes: None, questions: None, ended_after: None };
    let mut left: VecDeque<&Credential> = settings.credentials.iter().collect();
    let (mut refused, mut accepted) = (Vec::new(), Vec::new());
    while let Some(credential) = left.pop_front() {
        match login.try_credential(credential).inspect_err(|_| link.give_up())? {
            Tried::Accepted => return Ok(()),
            // Those before it may have come too early.
            Tried::InPart => {
                accepted.push(credential);
                left.extend(refused.drain(..));
            }
            Tried::Refused => refused.push(credential),
        }
        if login.ended_after.is_some() {
            break;
        }
    }
    if login.ended_after.is_none() && login.takes.is_none() && !refused.is_empty() {
        login.ask_methods();
        if link.ssh.authenticated() {
            return Ok(());
        }
    }
    let why = login.why_not(&refused, &accepted);
    link.give_up();
    let user = foreign::escape(&settings.user);
    let text = format!("logging in to site {} as {user}: {why}", link.peer);
    Err(SiteError::new(SiteErrorKind::Auth, text))
}

/// What became of a credential.
enum Tried {
    /// The server lets us in.
    Accepted,
    /// It is accepted, and the server wants more.
    InPart,
    /// It is refused.
    Refused,
}

/// A login under way.
struct Login<'l> {
    link: &'l Link,
    user: &'l str,
    patience: Patience,
    /// The methods that the server takes now, as it has last said.
    takes: Option<String>,
    /// What the server has asked that is not for the password.
    questions: Option<String>,
    /// After how many keys of an agent the server has ended it, if it has.
    ended_after: Option<usize>,
}

impl Login<'_> {
    /// Tries a credential; an error is anything but its refusal.
    fn try_credential(&mut self, credential: &Credential) -> Result<Tried, SiteError> {
        let Self { link, user, patience, .. } = *self;
        let doing = || format!("logging in with {}", describe(credential));
        let tried = match credential {
            Credential::Key { key, passphrase, .. } => {
                let key = text(key, &doing)?;
                let passphrase = passphrase.as_ref().map(|secret| text(secret, &doing)).transpose()?;
                link.drive(patience, || Ok(link.ssh.userauth_pubkey_memory(user, None, key, passphrase)?))
            }
            Credential::Agent { socket } => {
                let mut agent = ask_agent(link, socket).map_err(|err| {
                    let text = format!("{}: it does not answer; check that it runs", doing());
                    SiteError::caused(SiteErrorKind::Auth, text, err)
                })?;
                self.try_agent(&mut agent)
            }
            Credential::Password(password) => self.try_password(text(password, &doing)?),
        };
        match tried {
            Ok(()) => Ok(Tried::Accepted),
            Err(failure) if failure.is_of(code::FILE) => {
                let text = format!("{}: the key cannot be read; check the file and its passphrase", doing());
                Err(SiteError::new(SiteErrorKind::Auth, text))
            }
            Err(failure) if failure.kind() != SiteErrorKind::Auth => Err(link.error(&doing(), failure)),
            Err(failure) if self.is_in_part(&failure) => Ok(Tried::InPart),
            Err(_) if link.ssh.authenticated() => Ok(Tried::Accepted),
            Err(_) => Ok(Tried::Refused),
        }
    }

    /// Tries each key of an agent until one is accepted, if only in part.
    fn try_agent(&mut self, agent: &mut ssh2::Agent) -> Result<(), Failure> {
        let mut outcome = Err(refused());
        let mut tried = 0;
        for identity in agent.identities()? {
            outcome = self.link.drive(self.patience, || Ok(agent.userauth(self.user, &identity)?));
            let Err(failure) = &outcome else { return outcome };
            if !matches!(failure, Failure::Dead) {
                tried += 1;
            }
            if failure.kind() != SiteErrorKind::Auth {
                break;
            }
            if self.is_in_part(failure) {
                return outcome;
            }
        }
        // Servers take so many keys and no more; that they end it then says nothing of the network. With the
        // first key it may be the network.
        let is_ended = match &outcome {
            Err(failure) => failure.kind() == SiteErrorKind::Disconnected || self.link.is_gone(),
            Ok(()) => false,
        };
        if tried > 1 && is_ended {
            self.ended_after = Some(tried);
            return Err(refused());
        }
        outcome
    }

    /// Tries a password, and where the server would rather ask for it has it ask.
    fn try_password(&mut self, password: &str) -> Result<(), Failure> {
        let Self { link, user, patience, .. } = *self;
        let mut tried = Err(refused());
        if self.takes("password") != Some(false) {
            tried = link.drive(patience, || Ok(link.ssh.userauth_password(user, password)?));
            match &tried {
                Err(failure) if failure.kind() == SiteErrorKind::Auth => self.ask_methods(),
                _ => return tried,
            }
        }
        // Where it takes both, the password is wrong, and to be wrong twice may lock an account.
        if self.takes("keyboard-interactive") == Some(true) && self.takes("password") == Some(false) {
            let mut answers = Answers { password: Some(password), others: None };
            tried =
                link.drive(patience, || Ok(link.ssh.userauth_keyboard_interactive(user, &mut answers)?));
            self.questions = answers.others;
        }
        tried
    }

    /// Returns whether a key was accepted that does not suffice: the server has had it sign, and takes no
    /// more keys.
    fn is_in_part(&mut self, failure: &Failure) -> bool {
        if !failure.is_of(code::PUBLICKEY_UNVERIFIED) {
            return false;
        }
        self.ask_methods();
        self.takes("publickey") == Some(false)
    }

    /// Asks which methods the server takes now. Nothing is known if it does not say; what that means, the
    /// next try finds.
    fn ask_methods(&mut self) {
        let Self { link, user, patience, .. } = *self;
        let takes = link.drive(patience, || Ok(link.ssh.auth_methods(user)?.to_owned()));
        self.takes = takes.ok().filter(|takes| !takes.is_empty());
    }

    /// Returns whether the server takes a method, as far as is known.
    fn takes(&self, method: &str) -> Option<bool> {
        self.takes.as_ref().map(|takes| takes.split(',').any(|takes| takes == method))
    }

    /// Says why the server does not let us in, and what to do about it.
    fn why_not(&self, refused: &[&Credential], accepted: &[&Credential]) -> String {
        let names = |of: &[&Credential]| of.iter().map(|of| describe(of)).collect::<Vec<_>>().join(", ");
        let takes = self.takes.as_ref().map(|takes| foreign::escape(takes.replace(',', ", ")));
        if let Some(keys) = self.ended_after {
            let all = names(refused);
            return format!(
                "{all} refused; the server ended it after {keys} keys; name the right one as private_key"
            );
        }
        let asks = self.questions.as_ref().map_or_else(String::new, |asks| format!("; it asks \"{asks}\""));
        match (accepted, takes) {
            ([], _) if refused.is_empty() => "no credentials; configure a key".to_owned(),
            ([], Some(takes)) => {
                format!("{} refused; the server takes {takes}{asks}; check the account there", names(refused))
            }
            ([], None) => format!("{} refused; check the account there", names(refused)),
            (_, Some(takes)) => {
                let but = match refused {
                    [] => String::new(),
                    _ => format!(", and {} refused", names(refused)),
                };
                format!(
                    "{} accepted{but}, but the server wants {takes} as well{asks}; configure that, or have one do",
                    names(accepted)
                )
            }
            (_, None) => format!("{} accepted, but the server wants more; ask its operator", names(accepted)),
        }
    }
}

/// Answers one hidden question with the password, and nothing else.
struct Answers<'p> {
    password: Option<&'p str>,
    /// What else was asked.
    others: Option<String>,
}

impl KeyboardInteractivePrompt for Answers<'_> {
    fn prompt<'a>(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt<'a>]) -> Vec<String> {
        match (prompts, self.password) {
            ([Prompt { echo: false, .. }], Some(password)) => {
                self.password = None;
                vec![password.to_owned()]
            }
            _ => {
                let all: String = prompts.iter().map(|prompt| &*prompt.text).collect();
                self.others = Some(foreign::escape(all.trim()));
                Vec::new()
            }
        }
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

/// What it amounts to if nothing was tried, as with an agent without keys.
fn refused() -> Failure {
    ssh2::Error::from_errno(ssh2::ErrorCode::Session(code::AUTHENTICATION_FAILED)).into()
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
