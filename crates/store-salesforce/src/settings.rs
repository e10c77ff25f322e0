//! What the store needs to know: where Salesforce is, who we are there, and how it calls things.
//!
//! [`SalesforceSettings::read`] takes it from the configuration and reads the key and the secrets
//! from the places named there; nothing is read later.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use rsforce::{Access, Client, Clock, Login, SigningKey, Timeouts, TokenStore};

use intraware_config::{AuthConfig, Fields, SalesforceConfig};
use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::secret::{Secret, SecretError, read_private_file};
use intraware_core::store::StoreError;

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
    /// Reads key and secrets from where `config` says they are. `access` is [`Access::Read`] for
    /// runs that must change nothing; `time_zone` is that of the clock on the wall.
    pub fn read(
        config: &SalesforceConfig,
        filter: &[(String, String)],
        time_zone: TimeZone,
        access: Access,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SecretError> {
        let auth = match &config.auth {
            AuthConfig::JwtBearer { client_id, username, private_key } => Auth::JwtBearer {
                client_id: client_id.clone(),
                username: username.clone(),
                private_key: read_private_file(private_key)?,
            },
            AuthConfig::ClientCredentials { client_id, client_secret } => Auth::ClientCredentials {
                client_id: client_id.clone(),
                client_secret: client_secret.resolve(environment)?,
            },
            AuthConfig::Password { client_id, client_secret, username, password } => Auth::Password {
                client_id: client_id.clone(),
                client_secret: client_secret.resolve(environment)?,
                username: username.clone(),
                password: password.resolve(environment)?,
            },
        };
        Ok(Self {
            login_url: config.login_url.clone(),
            api_version: config.api_version.clone(),
            auth,
            object: config.object.clone(),
            fields: config.fields.clone(),
            filter: filter.to_vec(),
            time_zone,
            ca_file: config.ca_file.clone(),
            cache_dir: config.cache_dir.clone(),
            cache_access: access,
            connect_timeout: config.connect_timeout,
            io_timeout: config.io_timeout,
        })
    }

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
