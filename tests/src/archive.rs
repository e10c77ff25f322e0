//! A tree that both built-in steps keep: uploads come in, apt-ftparchive publishes them.

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use intraware_test_support::gpg::{Gnupg, KeySpec};

use crate::scene::Scene;

/// What makes a `.changes` for packages; it is shipped.
const MAKE_CHANGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/publish/make-changes");

/// A scene with keys, a directory where uploads arrive, and both built-in steps.
pub struct Archive {
    scene: Scene,
    gpg: Gnupg,
    /// The key that may upload.
    pub uploader: String,
    /// One that may not.
    pub stranger: String,
}

impl Deref for Archive {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Default for Archive {
    fn default() -> Self {
        Self::new()
    }
}

impl Archive {
    /// Makes one without any package.
    pub fn new() -> Self {
        let (scene, gpg) = (Scene::new(), Gnupg::new());
        let [key, uploader, stranger] = [(); 3].map(|()| gpg.make_key(&KeySpec::default()));
        fs::create_dir(scene.path("incoming")).expect("a directory");
        let put = |name: &str, bytes: &[u8], mode: u32| {
            fs::write(scene.path(name), bytes).expect("a key");
            fs::set_permissions(scene.path(name), fs::Permissions::from_mode(mode)).expect("a mode");
        };
        put("archive.asc", &gpg.export_secret(&key, ""), 0o600);
        put("uploaders.asc", &gpg.export_public(&uploader), 0o644);
        fs::write(scene.path("archive.armor"), gpg.export_public(&key)).expect("a key");
        let public = ok(Command::new("gpg")
            .args(["--dearmor", "-o"])
            .arg(scene.path("archive.gpg"))
            .arg(scene.path("archive.armor")));
        drop(public);
        let archive = Self { scene, gpg, uploader, stranger };
        archive.configure_both("");
        archive
    }

    /// Writes the configuration, with more lines behind it.
    pub fn configure_both(&self, more: &str) {
        self.configure(&format!(
            "keyring = {:?}\n[tree.accepted]\nincoming = {:?}\nkeyring = {:?}\n[tree.apt]\nsigning_key = {:?}\n\
             origin = \"Example\"\n{more}",
            self.path("archive.gpg"),
            self.path("incoming"),
            self.path("uploaders.asc"),
            self.path("archive.asc"),
        ));
        let file = self.path("conf.toml");
        let text = fs::read_to_string(&file).expect("a configuration");
        let kept = text.lines().filter(|line| !line.starts_with("publisher"));
        fs::write(&file, kept.collect::<Vec<_>>().join("\n")).expect("a configuration");
    }

    /// Returns where something arrives.
    pub fn incoming(&self, name: &str) -> PathBuf {
        self.path("incoming").join(name)
    }

    /// Makes a package in a directory, and returns its name.
    pub fn package(&self, dir: &Path, package: &str, version: &str, architecture: &str) -> String {
        let work = self.path("package");
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(work.join("DEBIAN")).expect("a directory");
        fs::create_dir_all(work.join("usr/share")).expect("a directory");
        fs::write(work.join("usr/share").join(package), version).expect("a file");
        let control = format!(
            "Package: {package}\nVersion: {version}\nArchitecture: {architecture}\nSection: utils\n\
             Maintainer: Ann <ann@example.com>\nDescription: a package\n"
        );
        fs::write(work.join("DEBIAN/control"), control).expect("a file");
        let plain = version.split_once(':').map_or(version, |(_, rest)| rest);
        let name = format!("{package}_{plain}_{architecture}.deb");
        ok(Command::new("dpkg-deb").arg("--build").arg(&work).arg(dir.join(&name)));
        name
    }

    /// Returns what `.changes` for packages that have arrived say.
    pub fn changes(&self, suite: &str, packages: &[&str]) -> String {
        let mut make = Command::new(MAKE_CHANGES);
        let said = ok(make.arg(suite).args(packages).current_dir(self.path("incoming")));
        String::from_utf8(said.stdout).expect("text")
    }

    /// Signs a text, and lets it arrive.
    pub fn sign_as(&self, key: &str, name: &str, text: &str) {
        let plain = self.path("changes");
        fs::write(&plain, text).expect("a file");
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.gpg.home()).args([
            "--batch",
            "--yes",
            "--local-user",
            key,
            "--clearsign",
        ]);
        ok(gpg.arg("--output").arg(self.incoming(name)).arg(&plain));
    }

    /// Lets an upload of one package arrive, and returns the name of its `.changes`.
    pub fn upload(&self, suite: &str, package: &str, version: &str) -> String {
        let deb = self.package(&self.path("incoming"), package, version, "amd64");
        let name = deb.replace(".deb", ".changes");
        self.sign_as(&self.uploader, &name, &self.changes(suite, &[&deb]));
        name
    }

    /// Returns all that lies where uploads arrive.
    pub fn waiting(&self) -> Vec<String> {
        names(&self.path("incoming"))
    }

    /// Returns the reason with which an upload was refused, which lies beside it.
    pub fn reason(&self, changes: &str) -> String {
        let rejected = self.incoming("rejected");
        assert!(rejected.join(changes).exists(), "{:?}", names(&rejected));
        fs::read_to_string(rejected.join(format!("{changes}.reason"))).expect("a reason")
    }

    /// Returns the paths of all files in the pool.
    pub fn pool(&self) -> Vec<String> {
        let found = ok(Command::new("find").args(["pool", "-type", "f"]).current_dir(self.path("root")));
        let mut found: Vec<String> =
            String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect();
        found.sort();
        found
    }
}

/// Returns the names of the files in a directory, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.expect("an entry"));
    let files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<String> =
        files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Runs a program that must succeed.
pub fn ok(command: &mut Command) -> Output {
    let output = command.output().expect("a program");
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}
