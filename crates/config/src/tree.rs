//! `[[tree]]`: a distribution tree that is published.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::{load_section, parse_section, text};
use super::reader::Reader;
use super::written::Written;
use super::{ConfigErrors, rules};
use intraware_core::foreign;
use intraware_core::secret::SecretSource;

/// A distribution tree: what readers see below `root`, and how it is renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeConfig {
    /// What it is called in messages and on the command line.
    pub name: String,
    /// The directory that readers read.
    pub root: PathBuf,
    /// The name in it that is renewed as a whole.
    pub dists: String,
    /// Its suites but those of security.
    pub suites: Vec<String>,
    /// The suites that are published first.
    pub security_suites: Vec<String>,
    /// The components of its suites.
    pub components: Vec<String>,
    /// The architectures of its suites, but `all` and `source`.
    pub architectures: Vec<String>,
    /// How what was accepted comes in.
    pub accepted: Accepted,
    /// What renews suites.
    pub publisher: Publisher,
    /// The hooks before the new tree is put in place.
    pub pre_publication: Option<PathBuf>,
    /// The hooks after that.
    pub post_publication: Option<PathBuf>,
    /// What commands and hooks find in their environment besides what we tell them.
    pub environment: Vec<(String, String)>,
    /// How a new tree is looked at before it is put in place.
    pub check: TreeCheck,
    /// How long `process_accepted` may take.
    pub accepted_time: Duration,
    /// How long copying the tree may take.
    pub copy_time: Duration,
    /// How long `publisher` may take.
    pub publisher_time: Duration,
    /// How long each hook may take.
    pub hook_time: Duration,
    /// The address by which readers get the root, if a pass is done only when they get its tree.
    pub public_url: Option<String>,
    /// Authorities of our own, which may have signed the certificate there.
    pub ca_file: Option<PathBuf>,
    /// How long it may take until they do.
    pub public_time: Duration,
    /// How many trees are kept besides the one in place.
    pub keep: usize,
}

/// How what was accepted comes into the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// By others, who make the requests as well.
    Elsewhere,
    /// By a command.
    Command(Vec<String>),
    /// As signed uploads, in a directory.
    Uploads(UploadsConfig),
}

/// Signed uploads that wait in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadsConfig {
    /// Where they arrive.
    pub incoming: PathBuf,
    /// The keys of those who may upload.
    pub keyring: PathBuf,
    /// Where those go that are refused.
    pub rejected: PathBuf,
    /// How long one waits for files of it that are missing.
    pub wait: Duration,
}

/// What renews suites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publisher {
    /// A command.
    Command(Vec<String>),
    /// Debian's apt-ftparchive, and a signature of ours.
    Apt(AptConfig),
}

/// The indexes that apt reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptConfig {
    /// The key that signs, as GnuPG exports it.
    pub signing_key: PathBuf,
    /// Its passphrase.
    pub passphrase: Option<SecretSource>,
    /// What Release says of where it comes from.
    pub origin: String,
    /// What Release calls the tree.
    pub label: String,
    /// Whether Contents is made.
    pub contents: bool,
}

/// How a new tree is looked at before it is put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeCheck {
    /// Not at all: it is no tree that we know.
    None,
    /// As apt would: every file that an index names is there with its size and SHA-256.
    Apt {
        /// The keys that readers have; without them, no signature is asked for.
        keyring: Option<PathBuf>,
    },
}

impl TreeConfig {
    /// Reads the tables `[[tree]]` alone: a host that publishes needs none of the rest, which is neither read
    /// nor checked here.
    pub fn load_all(path: &Path) -> Result<Vec<Self>, ConfigErrors> {
        load_section(path, "tree", trees)
    }

    /// Reads the trees of a host that does nothing but publish: its file has no table but `[[tree]]` and
    /// `[activity]`. Of another file, none.
    pub fn load_alone(path: &Path) -> Result<Option<Vec<Self>>, ConfigErrors> {
        let (text, shown) = (text(path)?, foreign::path(path).to_string());
        let is_alone = Written::parse(&text)
            .is_ok_and(|written| written.count("tree") > 0 && written.names().all(|name| name == "activity"));
        if is_alone { Self::parse_all(&text, &shown).map(Some) } else { Ok(None) }
    }

    pub(super) fn parse_all(text: &str, shown: &str) -> Result<Vec<Self>, ConfigErrors> {
        parse_section(text, shown, "tree", trees)
    }

    /// Returns all suites, those of security first.
    pub fn all_suites(&self) -> impl Iterator<Item = &str> {
        self.security_suites.iter().chain(&self.suites).map(String::as_str)
    }
}

/// Reads all trees; the problems are in the reader. A table that names nothing, as that of the reference, is
/// none.
pub(super) fn trees(from: &mut Reader<'_>) -> Vec<TreeConfig> {
    let read = from.each_tree(tree);
    let trees: Vec<TreeConfig> = read.into_iter().flatten().collect();
    for (i, tree) in trees.iter().enumerate() {
        from.back_to(i);
        if trees[..i].iter().any(|other| other.name == tree.name) {
            from.refuse("tree.name", "must not be the name of another tree as well");
        }
        let inside =
            |other: &TreeConfig| tree.root.starts_with(&other.root) || other.root.starts_with(&tree.root);
        if trees[..i].iter().any(inside) {
            from.refuse("tree.root", "must not lie inside another tree, or around it");
        }
    }
    from.back_to(0);
    trees
}

fn tree(from: &mut Reader<'_>) -> Option<TreeConfig> {
    let name = from.optional("tree.name", rules::plain_name);
    let root = from.optional("tree.root", rules::absolute);
    let publisher = publisher(from);
    let is_meant = name.is_some() || root.is_some() || publisher.is_some();
    let keyring = from.optional("tree.keyring", rules::absolute);
    let tree = TreeConfig {
        name: name.unwrap_or_default(),
        root: root.unwrap_or_default(),
        dists: from.required("tree.dists", rules::plain_name, String::new()),
        suites: from.some("tree.suites", rules::plain_name),
        security_suites: from.some("tree.security_suites", rules::plain_name),
        components: from.list("tree.components", rules::plain_name),
        architectures: from.list("tree.architectures", rules::architecture),
        accepted: accepted(from),
        publisher: publisher.clone().unwrap_or(Publisher::Command(Vec::new())),
        pre_publication: from.optional("tree.pre_publication", rules::absolute),
        post_publication: from.optional("tree.post_publication", rules::absolute),
        environment: from.pairs("tree.environment", rules::variable, rules::any_text),
        check: from.choice("tree.check", &[("apt", TreeCheck::Apt { keyring }), ("none", TreeCheck::None)]),
        accepted_time: seconds(from, "tree.accepted_s"),
        copy_time: seconds(from, "tree.copy_s"),
        publisher_time: seconds(from, "tree.publisher_s"),
        hook_time: seconds(from, "tree.hook_s"),
        public_url: from.optional("tree.public_url", rules::web_address),
        ca_file: from.optional("tree.ca_file", rules::absolute),
        public_time: seconds(from, "tree.public_s"),
        keep: from.number("tree.keep", 1..=1000) as usize,
    };
    if !is_meant {
        return None;
    }
    if tree.public_url.is_some() && tree.check == TreeCheck::None {
        from.refuse("tree.public_url", "works with check = \"apt\" only");
    }
    if tree.ca_file.is_some() && tree.public_url.is_none() {
        from.refuse("tree.ca_file", "has no meaning without tree.public_url");
    }
    if tree.name.is_empty() {
        from.demand("tree.name", "must be set");
    }
    if tree.root.as_os_str().is_empty() {
        from.demand("tree.root", "must be set");
    }
    if tree.suites.is_empty() && tree.security_suites.is_empty() {
        from.demand("tree.suites", "must name at least one, or tree.security_suites must");
    }
    if tree.suites.iter().any(|suite| tree.security_suites.contains(suite)) {
        from.refuse("tree.security_suites", "must not name a suite of tree.suites");
    }
    if publisher.is_none() {
        from.demand("tree.publisher", "must be set, or tree.apt.signing_key for the one that is built in");
    }
    Some(tree)
}

fn accepted(from: &mut Reader<'_>) -> Accepted {
    let command = from.command("tree.process_accepted");
    let incoming = from.optional("tree.accepted.incoming", rules::absolute);
    let keyring = from.optional("tree.accepted.keyring", rules::absolute);
    let rejected = from.optional("tree.accepted.rejected", rules::absolute);
    let wait = Duration::from_secs(3600 * from.number("tree.accepted.wait_hours", 1..=8760));
    let Some(incoming) = incoming else {
        return if command.is_empty() { Accepted::Elsewhere } else { Accepted::Command(command) };
    };
    if !command.is_empty() {
        from.refuse("tree.accepted.incoming", "must not be set beside tree.process_accepted");
    }
    if keyring.is_none() {
        from.demand("tree.accepted.keyring", "must be set: the keys of those who may upload");
    }
    let rejected = rejected.unwrap_or_else(|| incoming.join("rejected"));
    Accepted::Uploads(UploadsConfig { incoming, keyring: keyring.unwrap_or_default(), rejected, wait })
}

fn publisher(from: &mut Reader<'_>) -> Option<Publisher> {
    let command = from.command("tree.publisher");
    let signing_key = from.optional("tree.apt.signing_key", rules::absolute);
    let passphrase = from.secret("tree.apt.passphrase");
    if let Some(SecretSource::Env(_)) = passphrase {
        from.demand("tree.apt.passphrase", "must be a file or a command: a run of cron has no environment");
    }
    let (origin, label) = (from.text("tree.apt.origin"), from.text("tree.apt.label"));
    let contents = from.flag("tree.apt.contents");
    match signing_key {
        None if command.is_empty() => None,
        None => Some(Publisher::Command(command)),
        Some(signing_key) => {
            if !command.is_empty() {
                from.refuse("tree.apt.signing_key", "must not be set beside tree.publisher");
            }
            Some(Publisher::Apt(AptConfig { signing_key, passphrase, origin, label, contents }))
        }
    }
}

fn seconds(from: &mut Reader<'_>, key: &'static str) -> Duration {
    Duration::from_secs(from.number(key, 1..=86_400))
}
