//! The publisher that is built in: indexes by Debian's `apt-ftparchive`, from the lists of the suites, and a
//! signed Release.
//!
//! 1. Of each suite's list ([`crate::lists`]) one list of files is made for each component and architecture.
//! 2. `apt-ftparchive generate` writes Packages, Sources and Contents for all of them, in batches
//!    ([`contents`]). What it has read of packages it keeps in a database.
//! 3. What it has written is counted: it ends with 0 although it has left out a package that it could not
//!    read. It is put in order, and compressed, where that was not done for the former tree ([`forms`]).
//! 4. For each suite `apt-ftparchive release` writes Release; each index gets its name by its digest, and
//!    Release is signed.
//!
//! The database is used as a copy, which takes the place of the former one when all went well. So whatever a
//! crash does to it, the next run has one that is whole; and if it is spoiled all the same, one run without
//! it mends that.
//!
//! Indexes by digest stay as long as a kept tree names them, for readers who have its Release.

mod by_hash;
mod conf;
mod contents;
mod count;
mod forms;
mod pieces;
mod xz;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use intraware_config::AptConfig;
use intraware_core::foreign;
use intraware_core::secret::read_private_file;
use intraware_core::sign::{KeyPolicy, SigningKey};

use self::forms::Index;
use crate::command::Commands;
use crate::error::PublishError;
use crate::journal::Pass;
use crate::layout::{make_dir, put_file};
use crate::lists::SuiteList;

/// The name of the program.
const PROGRAM: &str = "apt-ftparchive";

/// The databases in which it remembers what it has read.
const CACHES: [&str; 2] = ["packages.db", "sources.db"];

/// What a pass of this publisher works with.
struct Apt<'a> {
    config: &'a AptConfig,
    commands: &'a Commands<'a>,
    stage: &'a Path,
    /// Where its own files are.
    work: PathBuf,
}

/// Renews the suites of a pass in the tree that is made.
pub(crate) fn renew(
    config: &AptConfig,
    commands: &Commands<'_>,
    pass: &Pass,
    stage: &Path,
) -> Result<(), PublishError> {
    // Without a key all else would be in vain.
    let key = signing_key(config, commands)?;
    let work = commands.layout.apt_work();
    let apt = Apt { config, commands, stage, work };
    let mut lists = BTreeMap::new();
    for suite in &pass.suites {
        lists.insert(suite.as_str(), SuiteList::load(commands.layout, suite)?);
    }
    apt.generate(&lists)?;
    for (suite, list) in &lists {
        apt.write(suite, list)?;
        commands.context.stop.check()?;
        apt.release(suite)?;
        by_hash::renew(commands.layout, stage, suite)?;
        apt.sign(suite, &key)?;
    }
    apt.keep_caches()?;
    fs::remove_dir_all(&apt.work).map_err(PublishError::io("remove", &apt.work))
}

fn signing_key(config: &AptConfig, commands: &Commands<'_>) -> Result<SigningKey, PublishError> {
    let exported = read_private_file(&config.signing_key)?;
    let passphrase = config.passphrase.as_ref().map(|source| source.resolve(&|_| None)).transpose()?;
    let now = commands.context.now();
    Ok(SigningKey::load(exported.expose(), passphrase.as_ref(), now, KeyPolicy::default())?)
}

impl Apt<'_> {
    /// Has Packages, Sources and Contents written, with what is remembered of packages, and without it if
    /// that fails.
    fn generate(&self, lists: &BTreeMap<&str, SuiteList>) -> Result<(), PublishError> {
        match self.try_to_generate(lists, true) {
            Err(PublishError::Command { what, told }) if self.has_caches() => {
                tracing::warn!(
                    "{what}: {told}; it begins without {}",
                    self.commands.layout.cache().display()
                );
                self.try_to_generate(lists, false)
            }
            done => done,
        }
    }

    fn try_to_generate(
        &self,
        lists: &BTreeMap<&str, SuiteList>,
        remembering: bool,
    ) -> Result<(), PublishError> {
        self.empty_work(remembering).map_err(PublishError::io("prepare", &self.work))?;
        let layout = self.commands.layout;
        let mut text = conf::head(layout.root(), &self.work);
        for (suite, list) in lists {
            let batches = conf::file_lists(self.commands.tree, suite, list)?;
            for (number, files) in batches.into_iter().enumerate() {
                for (name, paths) in files {
                    let path = self.work.join(name);
                    fs::write(&path, paths).map_err(PublishError::io("write", &path))?;
                }
                let dir = self.out(suite).join(number.to_string());
                let made = fs::create_dir_all(&dir).and_then(|()| conf::make_dirs(self.commands.tree, &dir));
                made.map_err(PublishError::io("make directories in", &dir))?;
                // The names in indexes begin at the root, and so do those of indexes in the configuration.
                let tree = dir.strip_prefix(layout.root()).unwrap_or(&dir);
                text.push_str(&conf::tree(self.commands.tree, tree, suite, number, self.config.contents));
            }
        }
        let path = self.work.join("conf");
        fs::write(&path, text).map_err(PublishError::io("write", &path))?;
        let mut arguments: Vec<OsString> = vec!["-q".into()];
        arguments.extend(conf::digests().into_iter().flat_map(|option| ["-o".into(), option.into()]));
        arguments.extend(["generate".into(), path.into()]);
        let said = self.commands.system(PROGRAM, arguments, self.commands.tree.publisher_time)?.kept();
        let said = String::from_utf8_lossy(&said);
        // It ends with 0 all the same.
        match said.lines().find(|line| line.starts_with("E: ")) {
            None => Ok(()),
            Some(line) => {
                let told = format!("ended well, and says: {}", foreign::escape(line));
                Err(PublishError::Command { what: PROGRAM.to_owned(), told })
            }
        }
    }

    fn has_caches(&self) -> bool {
        CACHES.iter().any(|name| self.commands.layout.cache().join(name).exists())
    }

    fn empty_work(&self, remembering: bool) -> io::Result<()> {
        match fs::remove_dir_all(&self.work) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        make_dir(&self.work)?;
        for name in CACHES.iter().filter(|_| remembering) {
            match fs::copy(self.commands.layout.cache().join(name), self.work.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => drop(copied?),
            }
        }
        Ok(())
    }

    fn keep_caches(&self) -> Result<(), PublishError> {
        let cache = self.commands.layout.cache();
        let keep = |name: &str| match fs::rename(self.work.join(name), cache.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            kept => kept,
        };
        CACHES.iter().try_for_each(|name| keep(name)).map_err(PublishError::io("renew", &cache))
    }

    /// Returns where `apt-ftparchive` writes what it makes of a suite.
    fn out(&self, suite: &str) -> PathBuf {
        self.work.join("out").join(suite)
    }

    /// Writes the indexes of a suite into the tree that is made; fails if one has not as many packages as the
    /// suite.
    fn write(&self, suite: &str, list: &SuiteList) -> Result<(), PublishError> {
        let tree = self.commands.tree;
        let dir = self.commands.layout.dists_in(self.stage).join(suite);
        conf::make_dirs(tree, &dir).map_err(PublishError::io("make directories in", &dir))?;
        let read = |name: String, join: fn(&[Vec<u8>]) -> Vec<u8>| {
            let text = self.parts(suite, &name).map(|parts| join(&parts));
            text.map(|text| Index { name, text })
                .map_err(PublishError::io("read what was made in", &self.work))
        };
        let in_order = |parts: &[Vec<u8>]| pieces::in_order(&parts.concat()).concat();
        let indexes =
            conf::indexes(tree).map(|(component, kind)| read(conf::index(component, kind), in_order));
        let indexes = indexes.collect::<Result<Vec<_>, _>>()?;
        count::fits(tree, list, &indexes)
            .map_err(|wrong| PublishError::Tree { suite: suite.to_owned(), wrong })?;
        let with_contents = conf::indexes(tree).filter(|(_, kind)| self.config.contents && *kind != "source");
        let contents =
            with_contents.map(|(component, kind)| read(conf::contents(component, kind), contents::joined));
        let contents = contents.collect::<Result<Vec<_>, _>>()?;
        forms::Suite::new(&dir, self.commands, &self.work).write(&indexes, &contents)
    }

    /// Returns what `apt-ftparchive` has written under a name for each batch.
    fn parts(&self, suite: &str, name: &str) -> io::Result<Vec<Vec<u8>>> {
        let out = self.out(suite);
        fs::read_dir(&out)?.map(|batch| fs::read(batch?.path().join(name))).collect()
    }

    fn release(&self, suite: &str) -> Result<(), PublishError> {
        let dir = self.commands.layout.dists_in(self.stage).join(suite);
        for name in ["Release", "InRelease", "Release.gpg"] {
            let path = dir.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(PublishError::io("remove", &path))?,
            }
        }
        // Not in the directory, which it would be part of.
        let path = self.work.join("Release");
        let file = File::create(&path).map_err(PublishError::io("write", &path))?;
        let mut arguments: Vec<OsString> = vec!["-q".into()];
        for option in conf::release(self.commands.tree, self.config, suite) {
            arguments.extend(["-o".into(), option.into()]);
        }
        arguments.extend(["release".into(), dir.clone().into()]);
        let time = self.commands.tree.publisher_time;
        self.commands.system_into(PROGRAM, arguments, time, Some(&file))?;
        let text = fs::read(&path).map_err(PublishError::io("read", &path))?;
        let release = dir.join("Release");
        put_file(&release, &text).map_err(PublishError::io("write", &release))
    }

    fn sign(&self, suite: &str, key: &SigningKey) -> Result<(), PublishError> {
        let now = self.commands.context.now();
        let dir = self.commands.layout.dists_in(self.stage).join(suite);
        let release = dir.join("Release");
        let text = fs::read(&release).map_err(PublishError::io("read", &release))?;
        let put = |name: &str, bytes: &[u8]| {
            let path = dir.join(name);
            put_file(&path, bytes).map_err(PublishError::io("write", &path))
        };
        let mut signer = key.signer(now)?;
        io::Write::write_all(&mut signer, &text).map_err(PublishError::io("sign", &release))?;
        put("Release.gpg", &signer.finish()?)?;
        put("InRelease", &key.sign_text(&text, now)?)
    }
}
