//! The steps that lines of the log are of.

/// A step: one of those of a build's life or of a dispatch, which `docs/design.md` tells, or another event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The build is archived, with its digests.
    M2,
    /// The payload is signed.
    M3,
    /// The job moves to `staged`, or what stands at its site is kept.
    M4,
    /// The record becomes In Process.
    M5,
    /// Directories and sidecars are put at the site.
    M6,
    /// The job moves to `upload`.
    M7,
    /// A job is looked at again under its lock.
    U1,
    /// The payload is sent under its temporary name.
    U2,
    /// It is proven there.
    U3,
    /// It gets its name.
    U4,
    /// The receipt is written, and the job moves to `sent`.
    U5,
    /// The release is noted, and the record becomes Completed.
    C3,
    /// The payload is removed from the spool.
    C4,
    /// A package is sent to a machine.
    D1,
    /// It gets its name there.
    D2,
    /// Its upgrade is run.
    D3,
    /// The record becomes Error.
    Error,
    /// A job is put aside.
    Park,
    /// What is left over is removed.
    Chore,
    /// A person holds a build.
    Hold,
    /// A person lets it go on.
    Unhold,
    /// A person has it tried again.
    Retry,
    /// Something was printed for people.
    Said,
    /// How long parts of a step took.
    Times,
    /// The run has ended.
    Exit,
}

impl Step {
    /// Returns the word that the log has for it, which never changes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::M2 => "M2",
            Self::M3 => "M3",
            Self::M4 => "M4",
            Self::M5 => "M5",
            Self::M6 => "M6",
            Self::M7 => "M7",
            Self::U1 => "U1",
            Self::U2 => "U2",
            Self::U3 => "U3",
            Self::U4 => "U4",
            Self::U5 => "U5",
            Self::C3 => "C3",
            Self::C4 => "C4",
            Self::D1 => "D1",
            Self::D2 => "D2",
            Self::D3 => "D3",
            Self::Error => "error",
            Self::Park => "park",
            Self::Chore => "chore",
            Self::Hold => "hold",
            Self::Unhold => "unhold",
            Self::Retry => "retry",
            Self::Said => "said",
            Self::Times => "times",
            Self::Exit => "exit",
        }
    }
}
