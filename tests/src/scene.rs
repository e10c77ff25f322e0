//! A distribution tree, its configuration and its hooks, in a directory of their own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use md5::{Digest as _, Md5};
use sha2::Sha256;
use tempfile::TempDir;

use crate::{Program, Run, Running};

/// The publisher of the example, which is shipped.
const PUBLISHER: &str = include_str!("../../config/publish/publish-suites");

/// What makes it fail for a suite when a test wants that.
const BREAKS: &str = r#"for suite; do
    [ ! -e "$INTRAWARE_ROOT/broken-$suite" ] || { echo "$suite is broken" >&2; exit 7; }
"#;

/// Takes each file of the pool for a package, and needs no other program.
const QUICK: &str = r#"#!/bin/sh
set -eu
for suite; do
    mkdir -p "$INTRAWARE_DISTS/$suite/main/binary-amd64"
    for deb in "$INTRAWARE_STAGE/pool/$suite"/*; do
        deb=${deb##*/}
        printf 'Package: %s\nVersion: %s\nArchitecture: all\n\n' "${deb%%_*}" "${deb#*_}"
    done >"$INTRAWARE_DISTS/$suite/main/binary-amd64/Packages"
    echo "Suite: $suite" >"$INTRAWARE_DISTS/$suite/Release"
done
"#;

/// A user without any rights.
const NOBODY: u32 = 65534;

/// A tree that can be published.
pub struct Scene {
    dir: TempDir,
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

impl Scene {
    /// Makes a tree with the suites `stable`, `testing` and, of security, `stable-security`.
    pub fn new() -> Self {
        let scene = Self { dir: TempDir::new().expect("a directory") };
        // Others read it, and the temporary directory itself is private.
        for name in ["root", "root/pool", "pre", "post", "bin"] {
            fs::create_dir(scene.path(name)).expect("a directory");
            fs::set_permissions(scene.path(name), fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        // It signs only where a test has made a key.
        let publisher = PUBLISHER.replace("for suite; do\n", BREAKS);
        let publisher = publisher.replace("    gpg ", "    [ -z \"${GNUPGHOME-}\" ] || gpg ");
        scene.program("bin/publisher", &publisher);
        scene.configure("");
        scene
    }

    /// Writes the configuration, with more lines for the tree.
    pub fn configure(&self, more: &str) {
        let text = format!(
            "[[tree]]\nname = \"deb\"\nroot = {:?}\nsuites = [\"stable\", \"testing\"]\n\
             security_suites = [\"stable-security\"]\npublisher = [{:?}]\npre_publication = {:?}\n\
             post_publication = {:?}\n{more}\n",
            self.path("root"),
            self.path("bin/publisher"),
            self.path("pre"),
            self.path("post"),
        );
        fs::write(self.path("conf.toml"), text).expect("a configuration");
        fs::set_permissions(self.path("conf.toml"), fs::Permissions::from_mode(0o644)).expect("a mode");
    }

    /// Returns where something of the scene is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes a program of a script.
    pub fn program(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, text).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// Makes a hook that notes that it was run, and with what, and then does more.
    pub fn hook(&self, name: &str, more: &str) {
        let notes = self.path("notes");
        let text = format!(
            "#!/bin/sh\necho \"{name} $1 $INTRAWARE_SUITES again=$INTRAWARE_AGAIN\" >>{}\n{more}\n",
            notes.display()
        );
        self.program(name, &text);
    }

    /// Returns what hooks have noted since it was asked last.
    pub fn notes(&self) -> Vec<String> {
        let notes = fs::read_to_string(self.path("notes")).unwrap_or_default();
        let _ = fs::remove_file(self.path("notes"));
        notes.lines().map(str::to_owned).collect()
    }

    /// Puts a package into the pool of a suite, and asks for the suite.
    pub fn accept(&self, suite: &str, package: &str, version: &str) {
        let work = self.path("work");
        fs::create_dir_all(work.join("DEBIAN")).expect("a directory");
        fs::set_permissions(work.join("DEBIAN"), fs::Permissions::from_mode(0o755)).expect("a mode");
        let mut control = String::new();
        write!(control, "Package: {package}\nVersion: {version}\nArchitecture: amd64\n").expect("text");
        control.push_str("Maintainer: Ann <ann@example.com>\nDescription: a package\n");
        fs::write(work.join("DEBIAN/control"), control).expect("a file");
        let pool = self.path("root/pool").join(suite);
        fs::create_dir_all(&pool).expect("a directory");
        let deb = pool.join(format!("{package}_{version}_amd64.deb"));
        let built = Command::new("dpkg-deb").arg("--build").arg(&work).arg(&deb).output().expect("dpkg-deb");
        assert!(built.status.success(), "{built:?}");
        self.ask(suite);
    }

    /// Has another publisher, which needs no other program, and nothing looked at, with more lines for the
    /// tree.
    pub fn hurry(&self, more: &str) {
        self.program("bin/publisher", QUICK);
        self.configure(&format!("check = \"none\"\n{more}"));
    }

    /// Puts something that this publisher takes for a package into the pool of a suite, and asks for the
    /// suite.
    pub fn accept_quickly(&self, suite: &str, package: &str, version: &str) {
        let pool = self.path("root/pool").join(suite);
        fs::create_dir_all(&pool).expect("a directory");
        fs::write(pool.join(format!("{package}_{version}")), "").expect("a package");
        self.ask(suite);
    }

    /// Puts the sources of a package into the pool of a suite, and asks for the suite.
    pub fn accept_source(&self, suite: &str, package: &str, version: &str) {
        let pool = self.path("root/pool").join(suite);
        fs::create_dir_all(&pool).expect("a directory");
        let archive = format!("{package}_{version}.tar.xz");
        let bytes = format!("the sources of {package} {version}\n");
        fs::write(pool.join(&archive), &bytes).expect("a file");
        let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let md5: String = Md5::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let size = bytes.len();
        let mut text =
            format!("Format: 3.0 (native)\nSource: {package}\nBinary: {package}\nArchitecture: amd64\n");
        write!(text, "Version: {version}\nMaintainer: Ann <ann@example.com>\n").expect("text");
        write!(text, "Checksums-Sha256:\n {sha256} {size} {archive}\n").expect("text");
        write!(text, "Files:\n {md5} {size} {archive}\n").expect("text");
        fs::write(pool.join(format!("{package}_{version}.dsc")), text).expect("a file");
        self.ask(suite);
    }

    /// Asks for a suite to be published.
    pub fn ask(&self, suite: &str) {
        fs::create_dir_all(self.path("root/.publish/dirty")).expect("a directory");
        fs::write(self.path("root/.publish/dirty").join(suite), "").expect("a request");
    }

    /// Runs another command than `publish`.
    pub fn manage(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new(Program::Manage.path());
        command.env_clear().current_dir(self.dir.path()).args(arguments);
        command.arg("--config").arg(self.path("conf.toml"));
        Running::start(command).wait()
    }

    /// Returns the command line of `manage publish` with more arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Program::Manage.path());
        command.env_clear().current_dir(self.dir.path()).arg("publish").args(arguments);
        command.arg("--config").arg(self.path("conf.toml"));
        command
    }

    /// Runs it as a user who owns all but the programs and hooks, and is not root.
    pub fn publish_as_nobody(&self, arguments: &[&str]) -> Run {
        let own = |path: &Path| std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).expect("root");
        own(self.dir.path());
        let mut left = vec![self.path("root")];
        while let Some(path) = left.pop() {
            own(&path);
            let entries = fs::read_dir(&path).into_iter().flatten().filter(|_| !path.is_symlink());
            left.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
        let plain = self.command(arguments);
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--reuid", &NOBODY.to_string(), "--regid", &NOBODY.to_string(), "--clear-groups"]);
        command.arg(plain.get_program()).args(plain.get_args()).env_clear().current_dir(self.dir.path());
        Running::start(command).wait()
    }

    /// Runs it on a terminal; what it says on standard error is in its output as well.
    pub fn publish_on_terminal(&self, arguments: &[&str]) -> Run {
        let plain = self.command(arguments);
        let words: Vec<String> =
            plain.get_args().map(|word| format!("'{}'", word.to_string_lossy())).collect();
        let line =
            format!("stty cols 100 rows 50; exec {} {}", Program::Manage.path().display(), words.join(" "));
        let mut command = Command::new("/usr/bin/script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm").current_dir(self.dir.path());
        Running::start(command).wait()
    }

    /// Starts it.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    /// Runs it to its end.
    pub fn publish(&self, arguments: &[&str]) -> Run {
        self.start(arguments).wait()
    }

    /// Returns the text of a file below the dists that readers see; nothing, if there is none.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("root/dists").join(name)).unwrap_or_default()
    }

    /// Returns whether readers are told of this version of a package.
    pub fn has(&self, suite: &str, package: &str, version: &str) -> bool {
        self.read(&format!("{suite}/main/binary-amd64/Packages")).split("\n\n").any(|stanza| {
            stanza.contains(&format!("Package: {package}\n"))
                && stanza.contains(&format!("Version: {version}\n"))
        })
    }

    /// Returns which tree is in place.
    pub fn live(&self) -> String {
        let target = fs::read_link(self.path("root/dists")).unwrap_or_default();
        let number = target.iter().nth(2).unwrap_or_default();
        number.to_string_lossy().into_owned()
    }

    /// Makes a key, has the publisher sign with it, and readers and checks know it.
    pub fn sign(&self) {
        let home = self.path("gnupg");
        fs::create_dir(&home).expect("a directory");
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("a mode");
        let gpg = |arguments: &[&str]| {
            let output =
                Command::new("gpg").arg("--homedir").arg(&home).arg("--batch").args(arguments).output();
            let output = output.expect("gpg");
            assert!(output.status.success(), "{output:?}");
            output.stdout
        };
        gpg(&["--passphrase", "", "--quick-generate-key", "archive@example.com", "ed25519", "sign", "0"]);
        fs::write(self.path("archive.gpg"), gpg(&["--export"])).expect("a keyring");
        let lines = "[tree.environment]\nGNUPGHOME = ";
        self.configure(&format!("keyring = {:?}\n{lines}{home:?}", self.path("archive.gpg")));
    }
}

/// Returns what readers get of a directory: the SHA-256 of each file by its path, links followed.
pub fn contents(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a directory");
            left.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else {
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            found.insert(path.strip_prefix(dir).expect("below it").display().to_string(), sha256);
        }
    }
    found
}

/// Returns all below a directory, with what files hold and where links lead, but not what is ours to keep.
pub fn listing(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        let seen = fs::symlink_metadata(&path).expect("an entry");
        if seen.is_dir() {
            left.extend(
                fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()),
            );
        } else if seen.is_symlink() {
            found.push(format!("{} -> {}", path.display(), fs::read_link(&path).expect("a link").display()));
        } else {
            found.push(format!("{} {:?} {}", path.display(), seen.modified().expect("a time"), seen.len()));
        }
    }
    found.sort();
    found
}
