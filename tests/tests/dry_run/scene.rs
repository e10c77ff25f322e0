//! Builds in every state there is, made as they come about: by the programs, by people's edits, by losses.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use intraware_tests::{Bench, Builder};

/// A bench with builds in every state, each named after it.
pub(crate) struct Scene {
    pub(crate) bench: Bench,
    ids: BTreeMap<&'static str, String>,
}

impl Scene {
    /// Makes the builds, each with the programs and edits that lead to its state.
    pub(crate) fn set(builder: Builder) -> Self {
        let mut scene = Self { bench: builder.build(), ids: BTreeMap::new() };
        scene.add("completed");
        scene.bench.deliver();
        // The second failure costs a pause, of a run that nobody asks for by name.
        scene.add_missing("still-missing");
        for _ in 0..2 {
            scene.bench.manage(&["run"]).expect(1);
        }
        scene.in_process();
        scene.held();
        scene.faulty();
        scene.add("new");
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        // No process has a number that high.
        let work = scene.bench.path("spool").join("work").join(format!("{host}.4194305.r0.0"));
        fs::create_dir(&work).expect("a work directory");
        fs::write(work.join("half.tar.gz"), "half").expect("a file");
        fs::create_dir(scene.bench.path("spool/staged/lost+found")).expect("a stray");
        scene
    }

    fn add(&mut self, name: &'static str) {
        let id = self.bench.add_build(name, &format!("blast/{name}"), |dir| {
            fs::write(dir.join("name"), name).expect("a file");
            fs::write(dir.join("table"), [7; 5000]).expect("a file");
        });
        self.ids.insert(name, id);
    }

    /// Adds the record of a build that is not there.
    fn add_missing(&mut self, name: &'static str) {
        let path = self.bench.build_root().join("blast").join(name);
        self.ids.insert(name, self.bench.add_record(name, path.to_str().expect("text")));
    }

    /// Adds a build and queues it for upload.
    fn queue(&mut self, name: &'static str) {
        self.add(name);
        self.bench.manage(&["run", "--build", name]).expect(0);
    }

    /// Builds that are In Process, in each place where their job can be, and nowhere.
    fn in_process(&mut self) {
        self.queue("waiting");
        self.queue("sent");
        self.queue("delivered");
        for name in ["sent", "delivered"] {
            self.bench.upload(&["run", "--job", name]).expect(0);
        }
        // The spool was lost; what was delivered stands at the site, what was not does not.
        self.queue("nowhere");
        self.lose("delivered");
        self.lose("nowhere");
        self.queue("parked");
        self.bench.set_status("parked", Some("Do Not Release"));
        self.bench.manage(&["run", "--build", "parked"]).expect(0);
        self.bench.set_status("parked", Some("In Process"));
        self.queue("damaged");
        fs::write(self.job("damaged").join("damaged.tar.gz"), "damaged").expect("another payload");
        self.bench.upload(&["run", "--job", "damaged"]).expect(74);
        // Somebody wants it anew; its build is the same, or has changed.
        self.queue("reset");
        self.queue("changed");
        self.bench.set_status("reset", None);
        self.bench.set_status("changed", None);
        fs::write(self.bench.build_root().join("blast/changed/name"), "changed!").expect("a file");
        self.add("staged");
        self.without_site(|bench| {
            bench.manage(&["run", "--build", "staged"]);
        });
        assert_eq!(self.bench.status("staged").0, "In Process");
    }

    fn held(&mut self) {
        self.add("held");
        self.queue("held-in-upload");
        for name in ["held", "held-in-upload"] {
            self.bench.manage(&["hold", name, "--reason", "wrong licence"]).expect(0);
        }
        self.queue("withdrawn");
        self.add("stopped");
        for name in ["withdrawn", "stopped"] {
            self.bench.set_status(name, Some("Do Not Release"));
        }
    }

    fn faulty(&mut self) {
        for name in ["missing", "back"] {
            self.add_missing(name);
        }
        self.bench.manage(&["run", "--build", "back"]).expect(1);
        let back = self.bench.build_root().join("blast/back");
        fs::create_dir(&back).expect("a build directory");
        fs::write(back.join("name"), "back").expect("a file");
    }

    /// Returns the directory of a build's job in the spool.
    #[track_caller]
    pub(crate) fn job(&self, name: &str) -> PathBuf {
        let begins = format!("{}.", self.ids[name]);
        let rooms = ["staged", "upload", "sent", "parked"].map(|room| self.bench.path("spool").join(room));
        let jobs = rooms.iter().flat_map(|room| fs::read_dir(room).expect("a room"));
        let found = jobs
            .map(|job| job.expect("a job"))
            .find(|job| job.file_name().to_string_lossy().starts_with(&begins));
        found.unwrap_or_else(|| panic!("no job of {name}")).path()
    }

    /// Returns the name of a build's job in the upload area, whatever else there is of it.
    #[track_caller]
    pub(crate) fn upload_job(&self, name: &str) -> String {
        let begins = format!("{}.", self.ids[name]);
        let mut jobs = self.bench.spool_listing().upload;
        jobs.retain(|job| job.starts_with(&begins));
        assert_eq!(jobs.len(), 1, "jobs of {name} in the upload area");
        jobs.remove(0)
    }

    /// Returns the name of a build's job.
    #[track_caller]
    pub(crate) fn job_id(&self, name: &str) -> String {
        self.job(name).file_name().expect("a name").to_string_lossy().into_owned()
    }

    /// Forgets what earlier runs have kept of Salesforce, so that the next has to ask for all of it.
    pub(crate) fn empty_caches(&self) {
        let kept = fs::read_dir(self.bench.path("var"))
            .expect("a directory")
            .map(|file| file.expect("a file").path());
        let caches = kept.filter(|file| !file.ends_with("records.db"));
        caches.for_each(|cache| fs::remove_file(cache).expect("a cache"));
    }

    fn lose(&self, name: &str) {
        fs::remove_dir_all(self.job(name)).expect("a job that can be removed");
    }

    /// Runs `action` while the site lets nobody in.
    fn without_site(&self, action: impl FnOnce(&Bench)) {
        let (base, away) = (self.bench.site_file(""), self.bench.path("site-away"));
        fs::rename(&base, &away).expect("the site's base goes");
        action(&self.bench);
        fs::rename(&away, &base).expect("the site's base comes back");
    }
}
