//! The parts of a configuration that only `manage` works with: the record store, the key that signs, and
//! builds. Reads secrets, opens files, and connects to nothing.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use intraware_cli::environment::{time_zone, variable};
use intraware_cli::failure::Failure;
use intraware_cli::parts::{self, secret};
use intraware_config::{AuthConfig, Backend, Config, Links, SalesforceConfig};
use intraware_core::archive::{Effort, Level};
use intraware_core::build_dir::BuildRoots;
use intraware_core::exit::Fault;
use intraware_core::fingerprint::{LinkPolicy, TreePolicy};
use intraware_core::foreign;
use intraware_core::run::RunContext;
use intraware_core::secret::{SecretError, read_private_file};
use intraware_core::sign::{KeyPolicy, SigningKey};
use intraware_core::spool::Spool;
use intraware_core::store::RecordStore;
use intraware_core::txlog::chain;
use intraware_store_salesforce::{Auth, SalesforceSettings, SalesforceStore};
use intraware_store_sqlite::SqliteStore;

pub(crate) use intraware_cli::parts::{Permission, contacts, destinations, keep_known, limit, pools, roles};

/// Opens the spool. If there is none, the records tell whether there was one before.
pub(crate) fn spool(config: &Config, permission: Permission) -> Result<Spool, Failure> {
    parts::spool(config, permission).map_err(|failure| absent(config, failure))
}

/// Adds to a failure to open the spool, if that is because there is none, whether there was one before, as
/// the records tell.
fn absent(config: &Config, failure: Failure) -> Failure {
    let root = &config.spool.root;
    if !Spool::is_absent(root) || Spool::waits_for_mount(root) {
        return failure;
    }
    let spooled = store(config, Permission::ReadOnly).and_then(|mut store| Ok(store.one_spooled()?));
    let more = match spooled {
        Ok(None) => "or, as no build was ever in one, make it: `manage init`".to_owned(),
        Ok(Some(record)) => {
            format!("there was one, since the build {} is {}", foreign::escape(&record.name), record.status)
        }
        Err(failure) => format!("whether there ever was one, the record store does not tell: {failure}"),
    };
    Failure { message: format!("{}; {more}", failure.message), cause: Some(failure.message), ..failure }
}

/// Makes the record store.
pub(crate) fn store(config: &Config, permission: Permission) -> Result<Box<dyn RecordStore>, Failure> {
    let values = config.records.values.clone();
    match &config.records.backend {
        Backend::Sqlite { path } => Ok(Box::new(SqliteStore::open(path, values, permission)?)),
        Backend::Salesforce(organisation) => {
            let filter = &config.records.filter;
            let settings = salesforce_settings(organisation, filter, permission)?;
            Ok(Box::new(SalesforceStore::new(settings, values, Arc::new(rsforce::SystemClock))?))
        }
    }
}

/// Reads key and secrets from where the configuration says they are; nothing is read later.
fn salesforce_settings(
    config: &SalesforceConfig,
    filter: &[(String, String)],
    permission: Permission,
) -> Result<SalesforceSettings, SecretError> {
    let auth = match &config.auth {
        AuthConfig::JwtBearer { client_id, username, private_key } => Auth::JwtBearer {
            client_id: client_id.clone(),
            username: username.clone(),
            private_key: read_private_file(private_key)?,
        },
        AuthConfig::ClientCredentials { client_id, client_secret } => Auth::ClientCredentials {
            client_id: client_id.clone(),
            client_secret: client_secret.resolve(&variable)?,
        },
        AuthConfig::Password { client_id, client_secret, username, password } => Auth::Password {
            client_id: client_id.clone(),
            client_secret: client_secret.resolve(&variable)?,
            username: username.clone(),
            password: password.resolve(&variable)?,
        },
    };
    Ok(SalesforceSettings {
        login_url: config.login_url.clone(),
        api_version: config.api_version.clone(),
        auth,
        object: config.object.clone(),
        fields: config.fields.clone(),
        filter: filter.to_vec(),
        time_zone: time_zone(),
        ca_file: config.ca_file.clone(),
        cache_dir: config.cache_dir.clone(),
        cache_access: match permission {
            Permission::ReadOnly => rsforce::Access::Read,
            Permission::ReadWrite => rsforce::Access::ReadWrite,
        },
        connect_timeout: config.connect_timeout,
        io_timeout: config.io_timeout,
    })
}

/// Loads the signing key, and warns when it is about to expire.
pub(crate) fn signing_key(config: &Config, context: &RunContext) -> Result<SigningKey, Failure> {
    let exported = read_private_file(&config.signing.key)?;
    let passphrase = secret(config.signing.passphrase.as_ref())?;
    let policy = KeyPolicy { accept_sha1: config.signing.accept_sha1 };
    let key = SigningKey::load(exported.expose(), passphrase.as_ref(), context.now(), policy)?;
    if let Some(at) = key.expires()
        && at.duration_since(context.now()).as_hours() < EXPIRY_WARNING.as_secs().div_ceil(3600) as i64
    {
        let (key, extend) = (key.fingerprint(), key.extend());
        tracing::warn!(
            "the signing key {key} expires on {at:.0}; extend it: {extend}; or prepare its successor"
        );
    }
    Ok(key)
}

/// How long before it expires the signing key is warned about.
const EXPIRY_WARNING: Duration = Duration::from_secs(30 * 24 * 3600);

/// Opens the build roots.
pub(crate) fn build_roots(config: &Config) -> Result<BuildRoots, Failure> {
    BuildRoots::open(&config.spool.build_roots).map_err(|e| {
        // A root that is not there is no build's fault.
        let fault = if e.fault() == Fault::Build { Fault::Configuration } else { e.fault() };
        Failure::new(fault, chain(&e))
    })
}

/// Returns what a build may hold.
pub(crate) fn tree_policy(config: &Config) -> TreePolicy {
    let links = match config.archive.links {
        Links::Reject => LinkPolicy::Reject,
        Links::Keep => LinkPolicy::Keep,
    };
    TreePolicy { links, max_payload: config.spool.max_payload, ..TreePolicy::default() }
}

/// Returns how hard payloads are compressed, and on how many of this host's cores.
pub(crate) fn effort(config: &Config) -> Result<Effort, Failure> {
    let level = u8::try_from(config.archive.level).ok().and_then(Level::new);
    let level = level.ok_or_else(|| Failure::new(Fault::Configuration, "archive.level is out of range"))?;
    let threads = NonZeroUsize::new(config.archive.threads as usize);
    let threads = threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    Ok(Effort { level, threads })
}
