//! What `manage` does: looks, decides, acts.
//!
//! [`gather`] reads the records, the spool, the build directories and, where a delivery is to be confirmed,
//! the site. [`plan`] turns what was seen into a [`Plan`], purely. [`apply`] executes it. A dry run stops
//! after the plan and prints it.

pub mod apply;
mod failures;
pub mod gather;
pub mod hindrance;
pub mod overview;
pub mod plan;
mod show;
pub mod verify;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use self::hindrance::Hindrance;
use intraware_core::clock::Doubt;
use intraware_core::deliver::Strength;
use intraware_core::exit::Fault;
use intraware_core::fingerprint::Survey;
use intraware_core::lock::Held;
use intraware_core::record::{Record, RecordId};
use intraware_core::site::Place;
use intraware_core::sites::Names;
use intraware_core::spool::{Hold, Job, JobId, Misfit, Outage, ParkKind, Release, Retry, Unreadable};

/// Everything a plan depends on, seen at one time.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The records that are due, those that own a job in the spool, and those asked for by name.
    pub records: Vec<Record>,
    /// Those of them that the configured selection takes; a record outside of it is not touched.
    pub selected: BTreeSet<RecordId>,
    /// Why the selection does not take a record that was asked for by name and would be due.
    pub left_out: BTreeMap<RecordId, String>,
    /// Those asked for by name, if any were: then the others are only looked at for what they are in the way
    /// of.
    pub named: Option<BTreeSet<RecordId>>,
    /// Why there may be more records than these, if so: then the absence of one means nothing.
    pub incomplete: Option<(Fault, String)>,
    /// Why this host's clock is not believed, if so.
    pub doubt: Option<Doubt>,
    /// All jobs in the spool.
    pub jobs: Vec<Job>,
    /// What stands in the spool's rooms and is not a whole job.
    pub unreadable: Vec<Unreadable>,
    /// What operators hold.
    pub holds: BTreeMap<RecordId, Hold>,
    /// What failed before.
    pub retries: BTreeMap<RecordId, Retry>,
    /// What was released where.
    pub releases: Vec<Release>,
    /// The sites that are known to tell upper from lower case in names.
    pub tells_cases: BTreeSet<String>,
    /// Where the payload of each record belongs, if its build path tells.
    pub places: BTreeMap<RecordId, Place>,
    /// The build directories of records that are to be prepared.
    pub sources: BTreeMap<RecordId, Source>,
    /// What the sites hold of builds that should have been delivered.
    pub views: BTreeMap<RecordId, View>,
    /// The job locks that somebody holds.
    pub busy: BTreeMap<RecordId, Held>,
    /// The sites that could not be connected to, by name.
    pub outages: BTreeMap<String, Outage>,
    /// The required sites to which nothing can be delivered, as the last check of them has found, by name.
    pub misfits: BTreeMap<String, Misfit>,
    /// What dead runs left half done, as paths below the spool's root.
    pub leftovers: Vec<String>,
    /// Records for which there is a lock file.
    pub lock_files: Vec<RecordId>,
}

/// What stands at a record's build path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A directory that can be archived as far as a look at its names tells.
    Found {
        /// Where its payload goes.
        place: Place,
        /// What it is now.
        survey: Survey,
    },
    /// It cannot be archived; the record becomes Error.
    Faulty {
        /// Why, for the record.
        reason: String,
    },
    /// It could not be looked at, for a reason that is not the build's.
    Unknown {
        /// What has to happen.
        fault: Fault,
        /// Why.
        reason: String,
    },
}

/// What the sites hold of a build, compared with its record and, if there is one, its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// Payload and sidecars are right.
    Right {
        /// Where the payload stands.
        place: Place,
        /// At which sites.
        at: Names,
        /// How the payload's bytes were verified at the least.
        verified_by: Strength,
    },
    /// Something is missing or wrong.
    Wrong {
        /// What, for the record.
        reason: String,
    },
    /// A site was away, and the pause is not over.
    Resting {
        /// Which.
        site: String,
        /// What is to be said about it.
        reason: String,
    },
    /// A site could not be looked at.
    Unknown {
        /// What has to happen.
        fault: Fault,
        /// Why.
        reason: String,
    },
}

/// What a run will do, without choices left. The order is the order of execution.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// One entry for each build that was looked at.
    pub builds: Vec<BuildPlan>,
    /// What keeps the spool from growing.
    pub chores: Vec<Chore>,
    /// Why some builds may be missing from this plan, if so.
    pub incomplete: Option<(Fault, String)>,
    /// Why nothing is signed, removed or given up, if so.
    pub doubt: Option<Doubt>,
}

/// What will be done for one build.
#[derive(Debug, Clone, Serialize)]
pub struct BuildPlan {
    /// The record, as it was read; each write is conditional on it.
    pub record: Record,
    /// What will be done, in order; the first step that fails is the last.
    pub steps: Vec<Step>,
    /// Why nothing more is done, if so.
    pub rest: Option<Rest>,
    /// What stands in the way of it, as far as is known; it is tried all the same.
    pub hindrances: Vec<Hindrance>,
}

/// One thing that will be done for a build.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Step {
    /// Archives, signs and stages the build directory (M1 to M4), and goes on as [`Step::Adopt`].
    Prepare {
        /// Where the payload goes.
        place: Place,
        /// To which sites.
        to: Names,
        /// Number of entries in the build directory.
        files: u64,
        /// Bytes of its files.
        bytes: u64,
        /// What it was when this was planned; if it is something else by then, the step fails.
        #[serde(skip)]
        survey: Box<Survey>,
    },
    /// Makes a job of the same build directory the record's own (M5), then as [`Step::HandOver`].
    Adopt {
        /// The job.
        job: Box<Job>,
        /// To which sites it goes.
        to: Names,
    },
    /// Puts the sidecars to the sites (M6) and the payload into the upload area (M7).
    HandOver {
        /// The job.
        job: Box<Job>,
        /// To which sites it goes.
        to: Names,
    },
    /// Makes the record Completed and Ready for Intraware File Association (C3), then as [`Step::Retire`].
    Confirm {
        /// The job, unless the spool has lost it.
        job: Option<Box<Job>>,
        /// Where the payload stands.
        place: Place,
        /// At which sites.
        at: Names,
        /// Sites that may lag: it is released there as well, with whatever comes there later.
        also: Names,
        /// Those of them that lag: the payload is kept for them.
        lagging: Names,
        /// How its bytes were verified at the least.
        verified_by: Strength,
    },
    /// Removes the payload of a completed build from the spool (C4).
    Retire {
        /// The job.
        job: Box<Job>,
        /// Sites that never got it, and will not.
        without: Names,
    },
    /// Makes the record Error.
    Fail {
        /// Becomes the record's detail.
        reason: String,
        /// What was seen of the build; the pause ends when it changes.
        seen: String,
    },
    /// Takes out of the flow what is no whole job of the build any more, and makes the record Error.
    PutAside {
        /// What was found.
        found: Box<Unreadable>,
        /// What was seen of the build; the pause ends when it changes.
        seen: String,
    },
    /// Takes a job out of the flow.
    Park {
        /// The job.
        job: Box<Job>,
        /// What kind of reason.
        kind: ParkKind,
        /// The reason.
        reason: String,
    },
    /// Says that the site has something else than a record that is Completed describes; the record stays as
    /// it is.
    Alarm {
        /// What is there.
        reason: String,
    },
}

impl Step {
    /// Returns whether this step needs the lock of the record's jobs, which an uploader may hold.
    pub fn moves_a_job(&self) -> bool {
        match self {
            Self::Adopt { .. }
            | Self::HandOver { .. }
            | Self::Park { .. }
            | Self::PutAside { .. }
            | Self::Prepare { .. } => true,
            Self::Confirm { .. } | Self::Retire { .. } | Self::Fail { .. } | Self::Alarm { .. } => false,
        }
    }

    /// Returns whether this step makes or verifies a signature.
    pub fn needs_key(&self) -> bool {
        match self {
            Self::Prepare { .. } | Self::Adopt { .. } | Self::HandOver { .. } => true,
            Self::Confirm { .. }
            | Self::Retire { .. }
            | Self::Fail { .. }
            | Self::PutAside { .. }
            | Self::Park { .. }
            | Self::Alarm { .. } => false,
        }
    }

    /// Returns the job that this step is about, if it is about one that exists already.
    fn job(&self) -> Option<&Job> {
        match self {
            Self::Adopt { job, .. }
            | Self::HandOver { job, .. }
            | Self::Retire { job, .. }
            | Self::Park { job, .. } => Some(job),
            Self::Confirm { job, .. } => job.as_deref(),
            Self::Prepare { .. } | Self::Fail { .. } | Self::PutAside { .. } | Self::Alarm { .. } => None,
        }
    }
}

/// Why nothing, or nothing more, is done for a build.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "because")]
pub enum Rest {
    /// An operator holds it.
    Held(Hold),
    /// The record is on Do Not Release.
    DoNotRelease,
    /// The record is Completed, and so is everything else.
    Completed,
    /// The same, but the site could not be looked at.
    Unseen {
        /// Why.
        reason: String,
    },
    /// The record is Completed, and sites that may lag do.
    Lagging {
        /// Which.
        sites: Names,
        /// Until when the payload is kept for them.
        until: Timestamp,
        /// Why, as far as is known, for each.
        reasons: Vec<String>,
    },
    /// The record has a status that is none of the configured ones.
    UnknownStatus,
    /// The configured selection does not take the record: its build type, its path, or another field.
    NotSelected {
        /// By which rule.
        reason: String,
    },
    /// Its place has another content, which is told: nothing comes of trying the same build again.
    Refused {
        /// Why.
        reason: String,
    },
    /// The last try failed, and the pause is not over.
    NotDue {
        /// When it is.
        next_try: Timestamp,
        /// Why the last try failed.
        reason: String,
    },
    /// The payload waits in the upload area.
    Waiting {
        /// The job.
        job: JobId,
        /// Why its last delivery failed, if it did.
        last_error: Option<String>,
    },
    /// A site that it goes to was away, and the pause is not over.
    SiteRests {
        /// What is to be said about it.
        reason: String,
        /// What has to happen, if the site was away too often for the same reason to come back by itself.
        lasting: Option<Fault>,
    },
    /// A site that it goes to does not fit: its record is not put In Process for what cannot be delivered.
    Unfit(Misfit),
    /// Another process is at work on it.
    InUse {
        /// Who.
        holder: Held,
    },
    /// It could not be looked at, for a reason that is not the build's.
    CannotLook {
        /// What has to happen.
        fault: Fault,
        /// Why.
        reason: String,
    },
    /// What is next needs the right time, and this host's clock is not believed.
    ClockInDoubt,
    /// A later version of this program is at work on it.
    NewerFormat {
        /// What was found.
        reason: String,
    },
}

/// What keeps the spool from growing, or puts aside what cannot be read.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Chore {
    /// Removes what a dead run left half done.
    RemoveLeftover {
        /// Its path below the spool's root.
        path: String,
    },
    /// Takes something that is no whole job out of the flow.
    ParkUnreadable {
        /// What was found.
        found: Unreadable,
    },
    /// Parks a job whose record does not exist any more.
    ParkOrphan {
        /// The job.
        job: Box<Job>,
    },
    /// Removes a job that has been kept long enough.
    Discard {
        /// The job.
        job: Box<Job>,
    },
    /// Removes the lock file of a record that has no job.
    RemoveLock {
        /// The record.
        record: RecordId,
    },
    /// Forgets the failed tries of a record that is not due any more.
    ForgetRetry {
        /// The record.
        record: RecordId,
    },
}
