//! The client: a session that logs in at first use, and the calls made with it.
//!
//! One rule decides about repeating. A read, or a request that provably had no effect, is tried up to three
//! times; a session that has expired is renewed once for each request and the request, with its condition, is
//! sent again, and so is one that was kept and leads nowhere ([`session`]); a write that may have arrived is
//! never sent again from here.

mod session;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use ureq::http::Method;

use crate::auth::Login;
use crate::clock::Clock;
use crate::describe::Object;
use crate::error::{self, Error, Kind};
use crate::http::{self, Answer, Body, Call, Credential, Header, Http};
use crate::json::{not_json, parse};
use crate::limits::ApiUsage;
use crate::percent::percent_encode;
use crate::query::{Page, Pages, Row, Rows};
use crate::retry;
use crate::secret::Secret;
use crate::soql::{Name, Query};
use crate::time;
use crate::token::{Token, TokenStore};
use intraware_shown::excerpt;

/// What a client needs to know.
#[derive(Debug)]
pub struct Settings {
    /// Where to log in, such as `https://login.salesforce.com` or a My Domain address.
    pub login_url: String,
    /// The version of the API, such as `66.0`.
    pub api_version: String,
    /// How to log in.
    pub login: Login,
    /// Where to keep the token between runs, if anywhere.
    pub token_store: Option<TokenStore>,
    /// Certificates in PEM of authorities to trust beside the public ones.
    pub ca_pem: Option<Vec<u8>>,
    /// How long things may take.
    pub timeouts: http::Timeouts,
    /// Records a page, from 200 to 2,000; Salesforce takes it as a hint. `None` is its default.
    pub page_size: Option<u16>,
}

/// A version of the API that an instance offers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Version {
    /// What people call it, such as `Spring '26`.
    pub label: String,
    /// Where its resources begin.
    pub url: String,
    /// Its number, such as `66.0`.
    pub version: String,
}

/// A client with at most one session.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    http: Http,
    clock: Arc<dyn Clock>,
    token: Option<Token>,
    /// The sessions that were given up, which are as secret as ever.
    retired: Vec<Secret>,
    cache_was_read: bool,
    /// The session was kept from another run, and nothing was answered with it yet.
    is_unproven: bool,
    usage: Option<ApiUsage>,
    calls: u64,
    server_time: Option<Timestamp>,
    clock_ahead: Option<SignedDuration>,
}

/// Whether a request may have an effect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Writes,
}

impl Client {
    /// Makes a client; it connects and logs in when it is first asked for something.
    pub fn new(mut settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let wrong = |what: String| Err(Error::new(Kind::Settings, "use the settings", what));
        settings.login_url.truncate(settings.login_url.trim_end_matches('/').len());
        if !http::is_acceptable(&settings.login_url) {
            return wrong(format!("login_url \"{}\" must be an https URL", excerpt(&settings.login_url)));
        }
        let is_number =
            |part: &str| !part.is_empty() && part.len() < 4 && part.bytes().all(|b| b.is_ascii_digit());
        if !settings.api_version.split_once('.').is_some_and(|(a, b)| is_number(a) && is_number(b)) {
            return wrong(format!("api_version \"{}\" must look like 66.0", excerpt(&settings.api_version)));
        }
        if settings.page_size.is_some_and(|size| !(200..=2000).contains(&size)) {
            return wrong("a page must have 200 to 2000 records".into());
        }
        let http = Http::new(settings.timeouts, settings.ca_pem.as_deref())?;
        Ok(Self {
            settings,
            http,
            clock,
            token: None,
            retired: Vec::new(),
            cache_was_read: false,
            is_unproven: false,
            usage: None,
            calls: 0,
            server_time: None,
            clock_ahead: None,
        })
    }

    /// Returns how many requests of the allowance are used, as of the last answer.
    pub fn usage(&self) -> Option<ApiUsage> {
        self.usage
    }

    /// Returns how many requests were sent that count against the allowance; logging in does not.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Returns the server's time as of its last answer.
    pub fn server_time(&self) -> Option<Timestamp> {
        self.server_time
    }

    /// Returns how far our clock was ahead of the server's when that answered last.
    pub fn clock_ahead(&self) -> Option<SignedDuration> {
        self.clock_ahead
    }

    /// Lists the versions of the API that the instance offers; costs nothing of the allowance.
    pub fn versions(&mut self) -> Result<Vec<Version>, Error> {
        let doing = "list the API versions";
        self.get_path(doing, "/services/data/", &[], |answer| parse(doing, &answer.body))
    }

    /// Describes an object.
    pub fn describe(&mut self, object: &Name) -> Result<Object, Error> {
        let doing = format!("describe {object}");
        let path = format!("{}/sobjects/{object}/describe", self.base());
        self.get_path(&doing, &path, &[], |answer| parse(&doing, &answer.body))
    }

    /// Reads `fields` of one record.
    pub fn get(&mut self, object: &Name, id: &str, fields: &[Name]) -> Result<Row, Error> {
        let names: Vec<&str> = fields.iter().map(Name::as_str).collect();
        let doing = format!("read {object} {}", excerpt(id));
        let id = checked_id(&doing, id)?;
        let path = format!("{}/sobjects/{object}/{id}?fields={}", self.base(), names.join(","));
        let mut row: Row = self.get_path(&doing, &path, &[], |answer| parse(&doing, &answer.body))?;
        row.remove("attributes");
        Ok(row)
    }

    /// Runs a query and hands `each` every record as its page comes. An error after some records
    /// were handed over says that there may be more.
    pub fn for_each(&mut self, query: &Query, mut each: impl FnMut(Row)) -> Result<(), Error> {
        let doing = format!("query {}", query.object);
        let size = self.settings.page_size.map(|size| ("sforce-query-options", format!("batchSize={size}")));
        let headers: Vec<Header> = size.into_iter().collect();
        let path = format!("{}/query/?q={}", self.base(), percent_encode(&query.to_string()));
        let mut pages = Pages::new(doing.clone());
        let mut page: Page = self.get_path(&doing, &path, &headers, |answer| pages.parse(&answer.body))?;
        loop {
            let next = pages.after(&page);
            page.records.into_iter().for_each(&mut each);
            let Some(next) = next? else { return Ok(()) };
            page = self.get_path(&doing, &next, &headers, |answer| pages.parse(&answer.body))?;
        }
    }

    /// Runs a query and returns what came of it. An error before the first record is an error here.
    pub fn query(&mut self, query: &Query) -> Result<Rows, Error> {
        let mut rows = Vec::new();
        match self.for_each(query, |row| rows.push(row)) {
            Ok(()) => Ok(Rows { rows, lost: None }),
            Err(error) if rows.is_empty() => Err(error),
            Err(error) => Ok(Rows { rows, lost: Some(error) }),
        }
    }

    /// Sets fields of one record, all at once; with `unmodified_since`, only if the record was not
    /// modified after it ([`Kind::Modified`]). Salesforce compares whole seconds.
    pub fn update(
        &mut self,
        object: &Name,
        id: &str,
        fields: &BTreeMap<Name, Value>,
        unmodified_since: Option<Timestamp>,
    ) -> Result<(), Error> {
        let doing = format!("update {object} {}", excerpt(id));
        let path = format!("{}/sobjects/{object}/{}", self.base(), checked_id(&doing, id)?);
        let body: Row = fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let body = Value::Object(body).to_string();
        let condition = match unmodified_since.map(time::print_http_date) {
            Some(None) => {
                return Err(Error::new(Kind::Settings, doing, "the time of its revision cannot be written"));
            }
            Some(Some(date)) => Some(("if-unmodified-since", date)),
            None => None,
        };
        let call = |token: &Token| Call {
            doing: &doing,
            method: Method::PATCH,
            url: format!("{}{path}", token.instance_url),
            headers: condition.iter().cloned().collect(),
            body: Some(Body::Json(body.as_bytes())),
        };
        self.exchange(Effect::Writes, call, |_| Ok(()))
    }

    fn base(&self) -> String {
        format!("/services/data/v{}", self.settings.api_version)
    }

    /// Gets what `read` takes for it.
    fn get_path<T>(
        &mut self,
        doing: &str,
        path: &str,
        headers: &[Header],
        read: impl Fn(&Answer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let call = |token: &Token| Call {
            doing,
            method: Method::GET,
            url: format!("{}{path}", token.instance_url),
            headers: headers.to_vec(),
            body: None,
        };
        self.exchange(Effect::Reads, call, read)
    }

    /// Sends a request until its answer can be read, or it must not be repeated.
    fn exchange<'a, T>(
        &mut self,
        effect: Effect,
        call: impl Fn(&Token) -> Call<'a>,
        read: impl Fn(&Answer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut renewed = false;
        let mut tried = 1;
        loop {
            let token = self.session()?;
            let answered = self.exchange_once(effect, &call(&token), &token);
            let error = match answered.and_then(|answer| read(&answer)) {
                Ok(done) => {
                    self.is_unproven = false;
                    return Ok(done);
                }
                Err(error) => error,
            };
            if (error.kind() == Kind::SessionRefused && !renewed) || self.may_have_moved(&error) {
                tracing::debug!(%error, "the session is of no more use; logging in again");
                renewed = true;
                self.forget_session();
                if error.kind() != Kind::UnknownOutcome {
                    continue;
                }
            }
            let Some(pause) = retry::pause(&error, tried, self.clock.random()) else { return Err(error) };
            tracing::debug!(%error, ?pause, "repeating a request");
            self.clock.pause(pause);
            tried += 1;
        }
    }

    fn exchange_once(&mut self, effect: Effect, call: &Call<'_>, token: &Token) -> Result<Answer, Error> {
        self.calls += 1;
        let mut answer = match self.http.send(call, &Credential::Bearer(&token.access_token)) {
            Ok(answer) => answer,
            Err(failure) if failure.maybe_done && effect == Effect::Writes => {
                return Err(failure.error.into_unknown_outcome());
            }
            Err(failure) => return Err(failure.error),
        };
        self.usage = answer.limit_info.as_deref().and_then(ApiUsage::parse).or(self.usage);
        self.server_time = answer.date.or(self.server_time);
        let ahead = answer.date.map(|date| self.clock.now().duration_since(date));
        self.clock_ahead = ahead.or(self.clock_ahead);
        let is_good = (200..300).contains(&answer.status);
        let is_page = !matches!(answer.body.trim_ascii_start().first(), None | Some(b'{' | b'['));
        if is_good && !is_page {
            return Ok(answer);
        }
        for secret in self.retired.iter().chain([&token.access_token]) {
            secret.black_out(&mut answer.body);
        }
        let error = match is_good {
            true => not_json(call.doing, &answer.body),
            false => error::api_refusal(call.doing, answer.status, &answer.body, answer.retry_after),
        };
        // What stands in front of Salesforce answers 5xx, or a page, without knowing what became of the
        // request.
        let vague = error.code().is_none() && (answer.status >= 500 || is_good);
        Err(if vague && effect == Effect::Writes { error.into_unknown_outcome() } else { error })
    }
}

fn checked_id<'a>(doing: &str, id: &'a str) -> Result<&'a str, Error> {
    let fits = matches!(id.len(), 15 | 18) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits { Ok(id) } else { Err(Error::new(Kind::NotFound, doing, "it is not a record id")) }
}
