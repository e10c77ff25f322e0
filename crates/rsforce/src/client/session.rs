//! The session: kept from another run, or made by logging in.
//!
//! What is kept names the instance, and an organisation moves: the old address is then gone, another
//! server's, or one that sends elsewhere. Only a login tells the new one. So a kept session has to prove
//! itself: until the API has answered with it once, whatever is not the API's answer makes the client forget
//! it and log in, once in its life.

use jiff::SignedDuration;
use serde::Deserialize;
use ureq::http::Method;
use zeroize::Zeroizing;

use super::Client;
use crate::error::{self, Error, Kind};
use crate::http::{self, Body, Call, Credential};
use crate::percent::percent_encode;
use crate::retry;
use crate::secret::Secret;
use crate::token::{Owner, Token, TokenStore};
use intraware_shown::excerpt;

/// What two clocks may be apart before a refused login is told of it.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(2);

impl Client {
    /// Logs in anew, whatever session there is.
    pub fn log_in(&mut self) -> Result<(), Error> {
        self.forget_session();
        self.cache_was_read = true;
        self.session().map(drop)
    }

    /// Ends the session on the server and forgets the cached token. Without a session, does nothing.
    pub fn log_out(&mut self) -> Result<(), Error> {
        let Some(token) = self.token.take() else { return Ok(()) };
        let doing = "log out";
        let form = Secret::new(format!("token={}", percent_encode(token.access_token.expose())));
        let call = Call {
            doing,
            method: Method::POST,
            url: format!("{}/services/oauth2/revoke", token.instance_url),
            headers: Vec::new(),
            body: Some(Body::Form(&form)),
        };
        let forgotten = self.settings.token_store.as_ref().map_or(Ok(()), TokenStore::forget);
        let mut answer = self.http.send(&call, &Credential::None).map_err(|failure| failure.error)?;
        if answer.status >= 400 {
            token.access_token.black_out(&mut answer.body);
            return Err(error::login_refusal(doing, answer.status, &answer.body, answer.retry_after));
        }
        forgotten
    }

    /// Returns the session: the one in use, the one kept from another run, or a new one.
    pub(super) fn session(&mut self) -> Result<Token, Error> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        let mut token = None;
        if let Some(store) = self.settings.token_store.as_ref().filter(|_| !self.cache_was_read) {
            // A login costs a request, and what it gives replaces the file where that can be done.
            token = store.load(&self.owner()).unwrap_or_else(|error| {
                tracing::warn!("{error}{}; logging in anew", cause(&error));
                None
            });
            token = token.filter(|token| http::is_acceptable(&token.instance_url));
        }
        self.cache_was_read = true;
        self.is_unproven = token.is_some();
        let token = match token {
            Some(token) => token,
            None => self.log_in_anew()?,
        };
        self.token = Some(token.clone());
        Ok(token)
    }

    /// Goes on without the session; the next request logs in, and that replaces what is kept.
    pub(super) fn forget_session(&mut self) {
        self.retired.extend(self.token.take().map(|token| token.access_token));
        self.is_unproven = false;
    }

    /// Returns whether a failure may come from where the organisation no longer is: a kept session has not
    /// proved itself yet, and this is not what its API answers, or says that there is no such thing.
    pub(super) fn may_have_moved(&self, error: &Error) -> bool {
        self.is_unproven && (error.code().is_none() || error.kind() == Kind::NotFound)
    }

    fn owner(&self) -> Owner {
        let (client_id, username) = self.settings.login.identity();
        Owner {
            login_url: self.settings.login_url.clone(),
            client_id: client_id.to_owned(),
            username: username.to_owned(),
        }
    }

    fn log_in_anew(&self) -> Result<Token, Error> {
        let mut tried = 1;
        let token = loop {
            match self.ask_for_token() {
                Ok(token) => break token,
                Err(error) => match retry::pause(&error, tried, self.clock.random()) {
                    Some(pause) => self.clock.pause(pause),
                    None => return Err(error),
                },
            }
            tried += 1;
        };
        if let Some(store) = &self.settings.token_store {
            // The session works without the file; the next run logs in again.
            if let Err(error) = store.save(self.owner(), &token, self.clock.random()) {
                tracing::warn!(%error, "the session is not kept for the next run");
            }
        }
        Ok(token)
    }

    fn ask_for_token(&self) -> Result<Token, Error> {
        let login_url = &self.settings.login_url;
        let doing = format!("log in at {}", excerpt(login_url));
        let form = self.settings.login.form(login_url, self.clock.now())?;
        let call = Call {
            doing: &doing,
            method: Method::POST,
            url: format!("{login_url}/services/oauth2/token"),
            headers: Vec::new(),
            body: Some(Body::Form(&form.encoded)),
        };
        let mut answer = self.http.send(&call, &Credential::None).map_err(|failure| failure.error)?;
        let mut body = Zeroizing::new(std::mem::take(&mut answer.body));
        if answer.status != 200 {
            form.secrets.iter().for_each(|secret| secret.black_out(&mut body));
            let refused = error::login_refusal(&doing, answer.status, &body, answer.retry_after);
            let ahead = answer.date.map(|date| self.clock.now().duration_since(date));
            return Err(match ahead.filter(|ahead| ahead.abs() > CLOCKS_DIFFER) {
                Some(ahead) => refused.by_a_clock_ahead(ahead),
                None => refused,
            });
        }
        let granted: Granted = serde_json::from_slice(&body).map_err(|_| {
            // What was answered may hold the token, so nothing of it is shown.
            Error::new(Kind::BadAnswer, &doing, "the answer holds no token").with_status(200)
        })?;
        let instance_url = granted.instance_url.trim_end_matches('/').to_owned();
        if !http::is_acceptable(&instance_url) {
            let what = format!("the instance \"{}\" is not an https URL", excerpt(&instance_url));
            return Err(Error::new(Kind::BadAnswer, &doing, what));
        }
        Ok(Token { access_token: Secret::new(granted.access_token.as_str()), instance_url })
    }
}

/// Returns why it came to an error, to be put behind it; a text of this system's, without secrets.
fn cause(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"))
}

/// A token endpoint's answer, as far as it matters.
#[derive(Deserialize)]
struct Granted {
    access_token: Zeroizing<String>,
    instance_url: String,
}
