//! What each table of the file means, and the rules that concern more than one key.
//!
//! Every key is read and checked whatever the other keys say, so that a switch of `backend` or `auth`
//! finds no old mistakes; what a choice needs is demanded only when that choice is made.

use std::path::PathBuf;
use std::time::Duration;

use super::activity;
use super::dispatch;
use super::reader::Reader;
use super::rules;
use super::tree;
use super::{
    ArchiveConfig, AssembleConfig, AuthConfig, Backend, Config, Fields, Links, RecordsConfig,
    SalesforceConfig, SigningConfig, SiteConfig, SpoolConfig, TlsBegin, Verification,
};
use intraware_core::secret::SecretSource;
use intraware_core::site::{Dialect, SiteUrl, Trust, is_here};
use intraware_core::sites::Builds;
use intraware_core::store::values::Values;

/// Largest payload that every store can record: integers are exact up to here in JSON.
const MAX_SIZE: u64 = 1 << 53;

/// Reads all tables; the problems are in the reader.
pub(super) fn read(from: &mut Reader<'_>) -> Config {
    Config {
        spool: spool(from),
        archive: archive(from),
        records: records(from),
        signing: signing(from),
        sites: sites(from),
        assemble: assemble(from),
        trees: tree::trees(from),
        dispatch: dispatch::read(from),
        activity: activity::read(from),
        entries: Vec::new(),
    }
}

pub(super) fn spool(from: &mut Reader<'_>) -> SpoolConfig {
    let spool = SpoolConfig {
        root: from.path("spool.root"),
        build_roots: from.list("spool.build_roots", rules::absolute),
        single_host: from.flag("spool.single_host"),
        keep_days: from.number("spool.keep_days", 0..=3650) as u32,
        max_payload: from.number("spool.max_payload", 1..=MAX_SIZE),
    };
    for (i, one) in spool.build_roots.iter().enumerate() {
        let mut others = spool.build_roots.iter().enumerate().filter(|(j, _)| *j != i);
        if others.any(|(_, other)| one.starts_with(other)) {
            from.refuse("spool.build_roots", "must not name a directory inside another");
        }
        let apart = !one.starts_with(&spool.root) && !spool.root.starts_with(one);
        if !apart && !spool.root.as_os_str().is_empty() {
            from.refuse("spool.build_roots", "must lie outside spool.root, and spool.root outside of them");
        }
    }
    spool
}

pub(super) fn assemble(from: &mut Reader<'_>) -> AssembleConfig {
    AssembleConfig {
        line_endings_are_same: from.choice("assemble.line_endings", &[("same", true), ("conflict", false)]),
        may_differ: from.pairs("assemble.may_differ", rules::pattern, rules::winner),
    }
}

fn archive(from: &mut Reader<'_>) -> ArchiveConfig {
    ArchiveConfig {
        level: from.number("archive.level", 1..=12) as u32,
        threads: from.number("archive.threads", 0..=256) as u32,
        links: from.choice("archive.links", &[("reject", Links::Reject), ("keep", Links::Keep)]),
    }
}

fn records(from: &mut Reader<'_>) -> RecordsConfig {
    let salesforce = from.choice("records.backend", &[("salesforce", true), ("sqlite", false)]);
    let filter = from.equalities("records.filter");
    let path = from.path("records.sqlite.path");
    let login = self::salesforce(from, salesforce);
    let values = values(from);
    if !salesforce && !filter.is_empty() {
        from.demand("records.filter", "works with backend = \"salesforce\" only");
    }
    let backend = if salesforce { Backend::Salesforce(Box::new(login)) } else { Backend::Sqlite { path } };
    RecordsConfig { backend, values, filter }
}

fn salesforce(from: &mut Reader<'_>, in_use: bool) -> SalesforceConfig {
    let login_url = from.required("records.salesforce.login_url", rules::server, String::new());
    let api_version = from.required("records.salesforce.api_version", rules::api_version, String::new());
    let auth = auth(from, in_use, &login_url);
    SalesforceConfig {
        login_url,
        api_version,
        auth,
        ca_file: from.optional("records.salesforce.ca_file", rules::absolute),
        cache_dir: from.optional("records.salesforce.cache_dir", rules::absolute),
        connect_timeout: seconds(from, "records.salesforce.connect_timeout_s"),
        io_timeout: seconds(from, "records.salesforce.io_timeout_s"),
        object: from.required("records.salesforce.object", rules::identifier, String::new()),
        fields: fields(from),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Flow {
    JwtBearer,
    ClientCredentials,
    Password,
}

fn auth(from: &mut Reader<'_>, in_use: bool, login_url: &str) -> AuthConfig {
    let flows = [
        ("jwt-bearer", Flow::JwtBearer),
        ("client-credentials", Flow::ClientCredentials),
        ("password", Flow::Password),
    ];
    let flow = from.choice("records.salesforce.auth", &flows);
    let client_id = from.text("records.salesforce.client_id");
    let username = from.text("records.salesforce.username");
    let private_key = from.optional("records.salesforce.private_key", rules::absolute);
    let client_secret = from.secret("records.salesforce.client_secret");
    let password = from.secret("records.salesforce.password");

    let name = flows.iter().find(|(_, known)| *known == flow).map_or("", |(name, _)| name);
    let mut need = |key: &str, missing: bool| {
        if in_use && missing {
            from.demand(key, format!("must be set for auth = \"{name}\""));
        }
    };
    let (jwt, credentials) = (flow == Flow::JwtBearer, flow == Flow::ClientCredentials);
    need("records.salesforce.client_id", client_id.is_empty());
    need("records.salesforce.username", !credentials && username.is_empty());
    need("records.salesforce.private_key", jwt && private_key.is_none());
    need("records.salesforce.client_secret", !jwt && client_secret.is_none());
    need("records.salesforce.password", flow == Flow::Password && password.is_none());
    if in_use && credentials && rules::is_shared_login(login_url) {
        let allowed = "must be your own domain, such as \"https://example.my.salesforce.com\", for \
                       auth = \"client-credentials\"";
        from.refuse("records.salesforce.login_url", allowed);
    }

    // What is missing was demanded above, so a stand-in never comes into force.
    let stand_in = || SecretSource::File(PathBuf::new());
    let client_secret = client_secret.unwrap_or_else(stand_in);
    match flow {
        Flow::JwtBearer => {
            AuthConfig::JwtBearer { client_id, username, private_key: private_key.unwrap_or_default() }
        }
        Flow::ClientCredentials => AuthConfig::ClientCredentials { client_id, client_secret },
        Flow::Password => {
            let password = password.unwrap_or_else(stand_in);
            AuthConfig::Password { client_id, client_secret, username, password }
        }
    }
}

fn fields(from: &mut Reader<'_>) -> Fields {
    let mut names = FieldNames { from, taken: Vec::new() };
    Fields {
        name: names.required("records.salesforce.fields.name"),
        build_type: names.required("records.salesforce.fields.build_type"),
        build_path: names.required("records.salesforce.fields.build_path"),
        status: names.required("records.salesforce.fields.status"),
        detail: names.optional("records.salesforce.fields.detail"),
        trigger: names.required("records.salesforce.fields.trigger"),
        size: names.required("records.salesforce.fields.size"),
        md5: names.required("records.salesforce.fields.md5"),
        sha1: names.required("records.salesforce.fields.sha1"),
        build_date: names.required("records.salesforce.fields.build_date"),
        priority: names.optional("records.salesforce.fields.priority"),
    }
}

/// Field names as they are read: no two may be the same, and Salesforce ignores their letter case.
struct FieldNames<'r, 'i> {
    from: &'r mut Reader<'i>,
    taken: Vec<(&'static str, String)>,
}

impl FieldNames<'_, '_> {
    fn required(&mut self, key: &'static str) -> String {
        let name = self.from.required(key, rules::identifier, String::new());
        self.take(key, &name);
        name
    }

    fn optional(&mut self, key: &'static str) -> Option<String> {
        let name = self.from.optional(key, rules::identifier)?;
        self.take(key, &name);
        Some(name)
    }

    fn take(&mut self, key: &'static str, name: &str) {
        let same = |(_, taken): &&(&str, String)| !name.is_empty() && taken.eq_ignore_ascii_case(name);
        if let Some((other, _)) = self.taken.iter().find(same) {
            self.from.refuse(key, format!("must not be the field of {other} as well"));
        }
        self.taken.push((key, name.to_owned()));
    }
}

fn values(from: &mut Reader<'_>) -> Values {
    let mut word = |key| from.required(key, rules::word, String::new());
    let [error, in_process, completed, do_not_release, ready, associated] = [
        "records.values.error",
        "records.values.in_process",
        "records.values.completed",
        "records.values.do_not_release",
        "records.values.ready",
        "records.values.associated",
    ]
    .map(|key| (key, word(key)));
    // A store that ignores letter case in its queries must still tell the words apart.
    for words in [&[&error, &in_process, &completed, &do_not_release][..], &[&ready, &associated]] {
        for (i, (key, word)) in words.iter().enumerate() {
            let same = words[..i].iter().find(|(_, other)| word.to_lowercase() == other.to_lowercase());
            if let Some((other, _)) = same.filter(|_| !word.is_empty()) {
                from.refuse(key, format!("must differ from {other}, and by more than letter case"));
            }
        }
    }
    Values {
        build_type: from.list("records.values.build_type", rules::word),
        error: error.1,
        in_process: in_process.1,
        completed: completed.1,
        do_not_release: do_not_release.1,
        ready: ready.1,
        associated: associated.1,
    }
}

fn signing(from: &mut Reader<'_>) -> SigningConfig {
    SigningConfig {
        key: from.path("signing.key"),
        passphrase: from.secret("signing.passphrase"),
        accept_sha1: from.flag("signing.accept_sha1"),
    }
}

fn sites(from: &mut Reader<'_>) -> Vec<SiteConfig> {
    let sites = from.each_site(site);
    for (i, site) in sites.iter().enumerate() {
        from.back_to(i);
        // What is known of a site is kept under its name, by people too.
        if sites[..i].iter().any(|other| other.name.eq_ignore_ascii_case(&site.name)) {
            from.refuse("site.name", "must not be the name of another site");
        }
        if i == 0 && sites.iter().all(|site| !site.is_required) {
            from.refuse(
                "site.required",
                "must be true for one site at least, or no build would be completed",
            );
        }
        if sites[..i].iter().any(|other| other.url == site.url) {
            from.refuse("site.url", "must not be the place of another site");
        }
    }
    sites
}

/// Reads which builds a site takes.
fn builds(from: &mut Reader<'_>) -> Builds {
    let pattern = from.text("site.builds");
    Builds::matching(&pattern).unwrap_or_else(|why| {
        from.refuse("site.builds", format!("must be a regular expression: {why}"));
        Builds::default()
    })
}

fn site(from: &mut Reader<'_>) -> SiteConfig {
    let name = from.required("site.name", rules::word, String::new());
    let (builds, is_required) = (builds(from), from.flag("site.required"));
    let (url, allow_plaintext) = site_url(from);
    let site = SiteConfig {
        name,
        builds,
        is_required,
        url,
        allow_plaintext,
        dialect: from.choice("site.dialect", &[("readme", Dialect::Readme), ("2004", Dialect::Y2004)]),
        tls: from.choice("site.tls", &[("explicit", TlsBegin::Explicit), ("implicit", TlsBegin::Implicit)]),
        trust: trust(from),
        known_hosts: from.path("site.known_hosts"),
        private_key: from.optional("site.private_key", rules::absolute),
        passphrase: from.secret("site.passphrase"),
        agent: from.flag("site.agent"),
        password: from.secret("site.password"),
        netrc: from.optional("site.netrc", rules::absolute),
        connections: from.number("site.connections", 1..=64) as usize,
        verify: verify(from),
        exec_hash: from.flag("site.exec_hash"),
        connect_timeout: seconds(from, "site.connect_timeout_s"),
        io_timeout: seconds(from, "site.io_timeout_s"),
        min_rate: from.number("site.min_rate_kib", 1..=1 << 20) * 1024,
        bandwidth_limit: from.timetable("site.bandwidth_limit"),
        file_mode: from.required("site.file_mode", rules::file_mode, 0),
    };
    login(from, &site);
    check_verify(from, &site);
    site
}

fn verify(from: &mut Reader<'_>) -> Verification {
    let choices =
        [("strong", Verification::Strong), ("md5", Verification::Md5), ("size", Verification::Size)];
    from.choice("site.verify", &choices)
}

/// Demands of `verify` what a site can do.
fn check_verify(from: &mut Reader<'_>, site: &SiteConfig) {
    let is_tupkg = matches!(site.url, SiteUrl::Tupkg { .. });
    match site.verify {
        Verification::Md5 if !is_tupkg => {
            from.refuse("site.verify", "must be \"strong\" or \"size\"; \"md5\" is for tupkg sites");
        }
        Verification::Size if is_tupkg => {
            from.refuse(
                "site.verify",
                "must be \"strong\" or \"md5\" for a tupkg site, which always compares one of them",
            );
        }
        Verification::Strong if is_tupkg && site.dialect == Dialect::Y2004 => {
            from.refuse(
                "site.verify",
                "must be \"md5\" with dialect = \"2004\", whose servers know no SHA-256",
            );
        }
        Verification::Strong | Verification::Md5 | Verification::Size => {}
    }
}

/// Demands what is needed to log in.
fn login(from: &mut Reader<'_>, site: &SiteConfig) {
    let has_password = site.password.is_some() || site.netrc.is_some();
    match &site.url {
        SiteUrl::Sftp { .. } if site.private_key.is_none() && !site.agent && !has_password => {
            from.demand("site.private_key", "must be set for an sftp site, or else agent, password or netrc");
        }
        SiteUrl::Ftp { .. } if !has_password => {
            from.demand("site.password", "must be set for an ftps or ftp site, or else netrc");
        }
        SiteUrl::Tupkg { .. } if !has_password => {
            from.demand("site.password", "must be set for a tupkgs or tupkg site, or else netrc");
        }
        SiteUrl::Ftp { user: None, .. } if site.netrc.is_none() => {
            from.refuse("site.url", "must name the account, ftps://USER@HOST/PATH, unless netrc does");
        }
        SiteUrl::Tupkg { user: None, .. } if site.netrc.is_none() => {
            from.refuse("site.url", "must name the account, tupkgs://USER@HOST, unless netrc does");
        }
        SiteUrl::Sftp { .. } | SiteUrl::Ftp { .. } | SiteUrl::Tupkg { .. } | SiteUrl::Directory(_) => {}
    }
    if site.netrc.is_some() && site.password.is_some() {
        from.demand("site.netrc", "holds the password, so password must not be set as well");
    }
    if site.passphrase.is_some() && site.private_key.is_none() {
        from.demand("site.passphrase", "is the passphrase of private_key, which is not set");
    }
}

/// Reads where a site is, and whether plaintext is allowed on the way there.
fn site_url(from: &mut Reader<'_>) -> (SiteUrl, bool) {
    let url = from.required("site.url", rules::site_url, SiteUrl::Directory(PathBuf::new()));
    let allows_plaintext = from.flag("site.allow_plaintext");
    if matches!(url, SiteUrl::Ftp { is_secure: false, .. }) && !allows_plaintext {
        let allowed = "must be ftps://, since with ftp:// everybody on the way can read the password and change what is \
                       delivered; set allow_plaintext = true if it must be";
        from.refuse("site.url", allowed);
    }
    if let SiteUrl::Tupkg { host, is_secure: false, .. } = &url
        && !is_here(host)
        && !allows_plaintext
    {
        let allowed = "must be tupkgs://, since with tupkg:// everybody on the way to another host can read the password and \
                       change what is delivered; set allow_plaintext = true if it must be";
        from.refuse("site.url", allowed);
    }
    (url, allows_plaintext)
}

fn trust(from: &mut Reader<'_>) -> Trust {
    let ca_file = from.optional("site.ca_file", rules::absolute);
    match from.optional("site.certificate_sha256", rules::sha256) {
        Some(_) if ca_file.is_some() => {
            from.demand("site.ca_file", "has no meaning beside certificate_sha256, which alone decides");
            Trust::Authorities(ca_file)
        }
        Some(certificate) => Trust::Certificate(certificate),
        None => Trust::Authorities(ca_file),
    }
}

fn seconds(from: &mut Reader<'_>, key: &'static str) -> Duration {
    Duration::from_secs(from.number(key, 1..=3600))
}
