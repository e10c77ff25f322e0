//! Ways to log in: what is sent to the token endpoint.
//!
//! JWT bearer is the one for cron: a key pair, nothing shared, nothing that expires by itself.
//! Client credentials are simpler to set up. Username and password are there for organisations
//! that still allow them. What is built here is secret as a whole, and kept so.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use crate::error::{Error, Kind};
use crate::percent::percent_encode;
use crate::secret::Secret;

/// How long an assertion is good for. Salesforce allows five minutes; two less leave room for clocks.
const LIFETIME: SignedDuration = SignedDuration::from_secs(180);

/// A way to log in, with what it needs.
#[derive(Debug)]
pub enum Login {
    /// An assertion signed with the key whose certificate the app holds.
    JwtBearer {
        /// The app's consumer key.
        client_id: String,
        /// The user to act as.
        username: String,
        /// Who the assertion is for, if it is not the login URL itself.
        audience: Option<String>,
        /// The private key.
        key: SigningKey,
    },
    /// The app's own secret; acts as the app's fixed user, and only at a My Domain address.
    ClientCredentials {
        /// The app's consumer key.
        client_id: String,
        /// The app's consumer secret.
        client_secret: Secret,
    },
    /// A user's password, with the security token behind it where one is needed.
    Password {
        /// The app's consumer key.
        client_id: String,
        /// The app's consumer secret.
        client_secret: Secret,
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
}

impl Login {
    /// Returns the form that is posted to the token endpoint.
    pub(crate) fn form(&self, login_url: &str, now: Timestamp) -> Result<Form, Error> {
        let fields: Vec<(&str, Secret)> = match self {
            Self::JwtBearer { client_id, username, audience, key } => {
                let audience = audience.as_deref().unwrap_or(login_url);
                vec![
                    ("grant_type", Secret::new("urn:ietf:params:oauth:grant-type:jwt-bearer")),
                    ("assertion", key.assertion(client_id, username, audience, now)?),
                ]
            }
            Self::ClientCredentials { client_id, client_secret } => vec![
                ("grant_type", Secret::new("client_credentials")),
                ("client_id", Secret::new(client_id.clone())),
                ("client_secret", client_secret.clone()),
            ],
            Self::Password { client_id, client_secret, username, password } => vec![
                ("grant_type", Secret::new("password")),
                ("client_id", Secret::new(client_id.clone())),
                ("client_secret", client_secret.clone()),
                ("username", Secret::new(username.clone())),
                ("password", password.clone()),
            ],
        };
        let encoded = fields.iter().map(|(name, value)| format!("{name}={}", percent_encode(value.expose())));
        let encoded = Secret::new(encoded.collect::<Vec<_>>().join("&"));
        let is_secret = |name: &str| matches!(name, "assertion" | "client_secret" | "password");
        let secrets =
            fields.into_iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value).collect();
        Ok(Form { encoded, secrets })
    }

    /// Returns who logs in, as far as that is known before: what a cached token is bound to.
    pub(crate) fn identity(&self) -> (&str, &str) {
        match self {
            Self::JwtBearer { client_id, username, .. } | Self::Password { client_id, username, .. } => {
                (client_id, username)
            }
            Self::ClientCredentials { client_id, .. } => (client_id, ""),
        }
    }
}

/// What is posted to log in.
pub(crate) struct Form {
    /// The fields, as they are sent.
    pub(crate) encoded: Secret,
    /// Those values among them that nobody may see.
    pub(crate) secrets: Vec<Secret>,
}

/// An RSA key of 2,048 bits or more.
pub struct SigningKey(Box<RsaKeyPair>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl SigningKey {
    /// Reads an unencrypted private key, in PKCS #8 or PKCS #1 PEM.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let wrong = |what: &str| Error::new(Kind::Settings, "use the private key", what);
        let not_pem = "it is no unencrypted PEM key; convert it with \"openssl pkcs8 -topk8 -nocrypt\"";
        let key = match PrivateKeyDer::from_pem_slice(pem).map_err(|error| wrong(not_pem).caused(error))? {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(wrong("it is not an RSA key")),
        };
        key.map(|key| Self(Box::new(key)))
            .map_err(|error| wrong(&format!("it is not an RSA key of 2048 to 4096 bits ({error})")))
    }

    /// Makes the assertion that this app acts for `username`.
    fn assertion(
        &self,
        client_id: &str,
        username: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Secret, Error> {
        let claims = serde_json::json!({
            "iss": client_id,
            "sub": username,
            "aud": audience,
            "exp": (now + LIFETIME).as_second(),
        });
        let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"RS256"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| Error::new(Kind::Settings, "log in", "the private key cannot sign"))?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}
