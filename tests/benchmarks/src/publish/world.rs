//! A tree of many packages, and the same packages for reprepro and for `apt-ftparchive` alone.
//!
//! ```text
//! root/                  ours: the pool, and .publish with the list of the suite
//! conf.toml key.asc key.gpg
//! reprepro/              conf, db, and a pool of its own, which reprepro wants
//! alone/                 conf, databases, lists of files; pool is a link to ours
//! ```

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::deb::{Deb, WORDS};
use crate::failure::{Doing as _, Failure};
use crate::ours::{Key, program, quoted, write_private};
use crate::{measure, say, tree};

pub(super) const SUITE: &str = "stable";

/// How many packages reprepro is given at a time.
const AT_A_TIME: usize = 500;

/// Trees with the same packages.
pub(super) struct World {
    dir: PathBuf,
    /// How many there are.
    pub(super) packages: u32,
}

/// A package whose version has changed.
pub(super) struct Changed {
    name: String,
    version: String,
}

impl World {
    /// Makes the trees below `dir` unless they are there. Nothing is published in any of them yet.
    pub(super) fn provide(dir: &Path, packages: u32) -> Result<Self, Failure> {
        let world = Self { dir: dir.join(format!("publish-{packages}")), packages };
        if !world.path("complete").exists() {
            tree::clear(&world.dir)?;
            world.make_pool()?;
            world.make_ours()?;
            world.make_alone()?;
            world.make_reprepro()?;
            write(&world.path("complete"), "")?;
        }
        Ok(world)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn list(&self) -> PathBuf {
        self.path("root/.publish/suites").join(SUITE)
    }

    fn make_pool(&self) -> Result<(), Failure> {
        say::progress(format_args!("making {} packages", self.packages));
        let mut names: Vec<String> = (0..self.packages).map(name).collect();
        names.sort();
        let mut list = String::new();
        for (seed, name) in (0..).zip(&names) {
            list += &self.put(&Deb { name, version: "1.0", seed })?;
        }
        tree::clear(&self.path("root/.publish/suites"))?;
        write(&self.list(), &list)
    }

    /// Writes a package into the pool, and returns its line of the list.
    fn put(&self, deb: &Deb<'_>) -> Result<String, Failure> {
        let Deb { name, version, .. } = deb;
        let path = format!("pool/main/{}/{name}/{name}_{version}_amd64.deb", &name[..1]);
        let file = self.path("root").join(&path);
        fs::create_dir_all(file.parent().unwrap_or(&file))
            .and_then(|()| fs::write(&file, deb.bytes()?))
            .doing(|| format!("cannot write {}", file.display()))?;
        Ok(format!("main amd64 {name} {version} {path}\n"))
    }

    fn make_ours(&self) -> Result<(), Failure> {
        let key = Key::generate();
        write_private(&self.path("key.asc"), key.secret())?;
        let mut export = Command::new("gpg");
        export.arg("--homedir").arg(key.gnupg.home()).args(["--batch", "--export", "-o"]);
        measure::output(export.arg(self.path("key.gpg")))?;
        let text = |name: &str| quoted(self.path(name).display());
        let configuration = format!(
            "[[tree]]\nname = \"bench\"\nroot = {}\nsuites = [\"{SUITE}\"]\nkeyring = {}\n[tree.apt]\nsigning_key = {}\n",
            text("root"),
            text("key.gpg"),
            text("key.asc"),
        );
        write(&self.path("conf.toml"), &configuration)
    }

    fn make_alone(&self) -> Result<(), Failure> {
        let dists = format!("alone/dists/{SUITE}/main");
        for dir in ["binary-amd64", "source"].map(|name| self.path(&dists).join(name)) {
            tree::clear(&dir)?;
        }
        let pool = self.path("alone/pool");
        symlink("../root/pool", &pool).doing(|| format!("cannot make {}", pool.display()))?;
        let dir = self.path("alone").display().to_string();
        let conf = format!(
            "Dir {{ ArchiveDir \"{dir}\"; CacheDir \"{dir}\"; FileListDir \"{dir}\"; OverrideDir \"{dir}\"; }};\n\
             Default {{ Packages::Compress \". gzip xz\"; Sources::Compress \". gzip xz\"; Contents::Compress \"gzip\";\n  \
             LongDescription \"true\"; }};\n\
             TreeDefault {{ BinCacheDB \"packages.db\"; SrcCacheDB \"sources.db\"; }};\n\
             Tree \"dists/{SUITE}\" {{ Sections \"main\"; Architectures \"amd64 source\";\n  \
             FileList \"files_$(ARCH)\"; SourceFileList \"files_source\";\n  \
             Contents \"$(DIST)/$(SECTION)/Contents-$(ARCH)\"; }};\n"
        );
        write(&self.path("alone/conf"), &conf)?;
        write(&self.path("alone/files_source"), "")?;
        self.list_alone()
    }

    /// Writes the list of files for `apt-ftparchive` alone, in an order that suits it: by names, Contents
    /// takes several times as long.
    fn list_alone(&self) -> Result<(), Failure> {
        let list = self.read_list()?;
        let mut paths: Vec<&str> = list.lines().filter_map(|line| line.split(' ').nth(4)).collect();
        paths.sort_by_key(|path| crate::hash::of(path.as_bytes()));
        write(&self.path("alone/files_amd64"), &(paths.join("\n") + "\n"))
    }

    fn make_reprepro(&self) -> Result<(), Failure> {
        say::progress("telling reprepro of them");
        tree::clear(&self.path("reprepro/conf"))?;
        let conf = format!(
            "Codename: {SUITE}\nSuite: {SUITE}\nComponents: main\nArchitectures: amd64 source\n\
             DebIndices: Packages Release . .gz .xz\nDscIndices: Sources Release . .gz .xz\n\
             Contents: .gz percomponent nocompatsymlink\n"
        );
        write(&self.path("reprepro/conf/distributions"), &conf)?;
        let list = self.read_list()?;
        let paths: Vec<&str> = list.lines().filter_map(|line| line.split(' ').nth(4)).collect();
        for some in paths.chunks(AT_A_TIME) {
            measure::output(&mut self.include(some))?;
        }
        Ok(())
    }

    /// Returns the command that takes packages into reprepro's pool and database, and leaves what is
    /// published.
    fn include(&self, paths: &[&str]) -> Command {
        let mut command =
            self.reprepro(&["--silent", "--silent", "--export=silent-never", "includedeb", SUITE]);
        command.args(paths.iter().map(|path| self.path("root").join(path)));
        command
    }

    fn reprepro(&self, words: &[&str]) -> Command {
        let mut command = Command::new("reprepro");
        command.arg("--basedir").arg(self.path("reprepro")).args(words);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &self.dir);
        command
    }

    fn read_list(&self) -> Result<String, Failure> {
        fs::read_to_string(self.list()).doing(|| format!("cannot read {}", self.list().display()))
    }

    /// Changes the version of one package, everywhere, and publishes it nowhere.
    pub(super) fn change(&self, round: u32) -> Result<Changed, Failure> {
        let list = self.read_list()?;
        let lines: Vec<&str> = list.lines().collect();
        // Another one each time, somewhere in the middle.
        let at = (7919 * (round as usize + 1)) % lines.len();
        let words: Vec<&str> = lines[at].split(' ').collect();
        let [_, _, name, version, _] = words[..] else { return Err(Failure::new("the list is spoiled")) };
        let number: u64 = version.rsplit('.').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let (name, version) = (name.to_owned(), format!("1.{}", number + 1));
        let line = self.put(&Deb { name: &name, version: &version, seed: at as u64 + (number << 32) })?;
        let changed = lines.iter().enumerate().map(|(index, old)| match index == at {
            true => line.clone(),
            false => format!("{old}\n"),
        });
        write(&self.list(), &changed.collect::<String>())?;
        self.list_alone()?;
        let path = line.trim_end().split(' ').nth(4).unwrap_or_default();
        measure::output(&mut self.include(&[path]))?;
        Ok(Changed { name, version })
    }

    /// Asks for the suite to be published.
    pub(super) fn ask(&self) -> Result<(), Failure> {
        let dirty = self.path("root/.publish/dirty");
        fs::create_dir_all(&dirty).doing(|| format!("cannot make {}", dirty.display()))?;
        write(&dirty.join(SUITE), "")
    }

    pub(super) fn ours(&self) -> Command {
        let mut command = Command::new(program("manage"));
        command.arg("--config").arg(self.path("conf.toml")).arg("publish").env_clear();
        command
    }

    pub(super) fn export(&self) -> Command {
        self.reprepro(&["--silent", "export"])
    }

    /// Returns the command for `apt-ftparchive` alone: indexes, and Release without the digests that ours
    /// leaves out too.
    pub(super) fn alone(&self) -> Command {
        let off =
            ["MD5", "SHA1", "SHA512"].map(|digest| format!("-o APT::FTPArchive::Release::{digest}=false"));
        let dists = format!("dists/{SUITE}");
        let script = format!(
            "cd \"$1\" && rm -f {dists}/Release && apt-ftparchive -q generate conf && \
             apt-ftparchive -q {} release {dists} >release && mv release {dists}/Release",
            off.join(" ")
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(self.path("alone"));
        command
    }

    /// Fails if an index has not all packages, and this version of one; in each form, and by Contents.
    pub(super) fn check(&self, dists: &str, changed: &Changed) -> Result<u64, Failure> {
        let main = self.path(dists).join(SUITE).join("main");
        let plain = main.join("binary-amd64/Packages");
        let text = fs::read_to_string(&plain).doing(|| format!("cannot read {}", plain.display()))?;
        let Changed { name, version } = changed;
        let stanzas = || text.split("\n\n").filter(|stanza| !stanza.is_empty());
        let is_it = |stanza: &str| {
            let has = |line: &str| stanza.lines().any(|other| other == line);
            has(&format!("Package: {name}")) && has(&format!("Version: {version}"))
        };
        let count = stanzas().count();
        if count != self.packages as usize || !stanzas().any(is_it) {
            return Err(Failure::new(format!(
                "{} has {count} packages, or not {name} {version}",
                plain.display()
            )));
        }
        for (unpack, form) in [("zcat", "gz"), ("xzcat", "xz")] {
            let unpacked = measure::output(Command::new(unpack).arg(plain.with_extension(form)))?;
            if unpacked != text {
                return Err(Failure::new(format!("{}.{form} is another one", plain.display())));
            }
        }
        let contents = main.join("Contents-amd64.gz");
        let contents = measure::output(Command::new("zcat").arg(contents))?;
        if !contents.contains(&format!("usr/bin/{name} ")) && !contents.contains(&format!("usr/bin/{name}\t"))
        {
            return Err(Failure::new(format!("Contents of {dists} has no file of {name}")));
        }
        let size = |form| fs::metadata(plain.with_extension(form)).map(|seen| seen.len());
        size("xz").doing(|| format!("cannot look at {}.xz", plain.display()))
    }
}

fn name(number: u32) -> String {
    let [first, second] = [number * 7, number / 24].map(|number| WORDS[number as usize % WORDS.len()]);
    format!("{first}-{second}{number}")
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).doing(|| format!("cannot write {}", path.display()))
}
