//! What the store needs to know: where Salesforce is, who we are there, and how it calls things.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use rsforce::{Access, Client, Clock, Login, SigningKey, Timeouts, TokenStore};

use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::secret::Secret;
use intraware_core::store::{Fields, StoreError};

use super::fault::store_error;

/// Everything about one organisation that a store needs.
#[derive(Debug, Clone)]
pub struct SalesforceSettings {
    /// Where to log in.
    pub login_url: String,
    /// The version of the API.
    pub api_version: String,
    /// How to log in.
    pub auth: Auth,
    /// The object's API name.
    pub object: String,
    /// The fields' API names.
    pub fields: Fields,
    /// What a record must hold besides to be selected.
    pub filter: Vec<(String, String)>,
    /// Where a field that keeps days has them begin.
    pub time_zone: TimeZone,
    /// Certificates to trust beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// Where token and description are kept between runs.
    pub cache_dir: Option<PathBuf>,
    /// Whether anything may be written there.
    pub cache_access: Access,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long to wait for a whole answer.
    pub io_timeout: Duration,
}

/// How to log in, with the secrets themselves.
#[derive(Debug, Clone)]
pub enum Auth {
    /// An assertion signed with a private key.
    JwtBearer {
        /// The consumer key.
        client_id: String,
        /// The integration user.
        username: String,
        /// The RSA key, PEM.
        private_key: Secret,
    },
    /// The app's own credentials.
    ClientCredentials {
        /// The consumer key.
        client_id: String,
        /// The consumer secret.
        client_secret: Secret,
    },
    /// A user's name and password.
    Password {
        /// The consumer key.
        client_id: String,
        /// The consumer secret.
        client_secret: Secret,
        /// The integration user.
        username: String,
        /// Its password, with the security token behind it.
        password: Secret,
    },
}

impl SalesforceSettings {
    /// Makes the client; it logs in at first use.
    pub(super) fn client(&self, clock: Arc<dyn Clock>) -> Result<Client, StoreError> {
        let token_store = self
            .cache_dir
            .as_ref()
            .map(|dir| TokenStore { path: dir.join("salesforce-token.json"), access: self.cache_access });
        let settings = rsforce::Settings {
            login_url: self.login_url.clone(),
            api_version: self.api_version.clone(),
            login: self.login()?,
            token_store,
            ca_pem: self.ca_file.as_deref().map(read_ca_file).transpose()?,
            timeouts: Timeouts { connect: self.connect_timeout, total: self.io_timeout },
            page_size: None,
        };
        Client::new(settings, clock).map_err(|error| store_error(&error))
    }

    fn login(&self) -> Result<Login, StoreError> {
        Ok(match self.auth.clone() {
            Auth::JwtBearer { client_id, username, private_key } => {
                let key = SigningKey::from_pem(private_key.expose()).map_err(|error| store_error(&error))?;
                Login::JwtBearer { client_id, username, audience: None, key }
            }
            Auth::ClientCredentials { client_id, client_secret } => {
                Login::ClientCredentials { client_id, client_secret: text(&client_secret)? }
            }
            Auth::Password { client_id, client_secret, username, password } => Login::Password {
                client_id,
                client_secret: text(&client_secret)?,
                username,
                password: text(&password)?,
            },
        })
    }

    /// Returns who logs in, as far as it is known before.
    pub(super) fn identity(&self) -> (&str, &str) {
        match &self.auth {
            Auth::JwtBearer { client_id, username, .. } | Auth::Password { client_id, username, .. } => {
                (client_id, username)
            }
            Auth::ClientCredentials { client_id, .. } => (client_id, ""),
        }
    }
}

fn text(secret: &Secret) -> Result<rsforce::Secret, StoreError> {
    let text = secret.expose_str();
    text.map(rsforce::Secret::new).ok_or_else(|| {
        StoreError::new(Fault::Configuration, "cannot log in to Salesforce: a secret is not text in UTF-8")
    })
}

fn read_ca_file(path: &Path) -> Result<Vec<u8>, StoreError> {
    std::fs::read(path).map_err(|error| {
        let message =
            format!("cannot read ca_file {}; check records.salesforce.ca_file", foreign::path(path));
        StoreError::caused(Fault::Configuration, message, error)
    })
}
