//! What people use instead: `tar`, a compressor, `md5sum`, `sha1sum` and `gpg`, put together in a shell.
//!
//! Each is written as somebody would who cares for speed: the sums are made while the archive is written,
//! each in a process of its own, and `gpg` signs the finished file. None of them waits for the disk at the
//! end. Our program does; the table says so, and nothing is done about it.

use std::path::Path;
use std::process::Command;

use crate::measure;

/// Where a run's outputs are, and what it takes.
pub(crate) struct Place<'p> {
    /// The directory of the outputs; empty at the start.
    pub(crate) outputs: &'p Path,
    /// The directory that holds the build.
    pub(crate) parent: &'p Path,
    /// The build's name in it.
    pub(crate) build: &'p str,
    /// GnuPG's directory; its agent runs and holds the key.
    pub(crate) gnupg: &'p Path,
}

/// The name of the archive.
pub(crate) const PAYLOAD: &str = "payload.tar.gz";

/// Another way to stage a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// The one that the bars are about.
    Pigz,
    Igzip,
    Bgzip,
    Gzip,
    Libdeflate,
}

impl Peer {
    pub(crate) const ALL: [Self; 5] = [Self::Pigz, Self::Igzip, Self::Bgzip, Self::Libdeflate, Self::Gzip];

    /// Whether it is measured in the first round only, unless somebody asks for more. These use one core for
    /// what takes most of the time and give the same bytes as a faster one, or nearly so.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Self::Gzip | Self::Libdeflate)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pigz => "tar | pigz -6",
            Self::Igzip => "tar | igzip -3",
            Self::Bgzip => "tar | bgzip -l 6",
            Self::Gzip => "tar | gzip -6",
            Self::Libdeflate => "tar, libdeflate-gzip -6",
        }
    }

    /// Returns the command for one run.
    pub(crate) fn command(self, place: &Place<'_>) -> Command {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &self.script()]);
        bash.env_clear().envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8")]);
        bash.env("PARENT", place.parent).env("BUILD", place.build).env("GNUPGHOME", place.gnupg);
        bash.env("CORES", measure::cores().to_string()).env("PAYLOAD", PAYLOAD).current_dir(place.outputs);
        bash
    }

    fn script(self) -> String {
        let tar = r#"tar -cf - -C "$PARENT" "$BUILD""#;
        let (before, archive, after) = match self {
            Self::Pigz => ("", format!("{tar} | pigz -6"), ""),
            Self::Igzip => ("", format!(r#"{tar} | igzip -3 -T "$CORES" -c"#), ""),
            Self::Bgzip => ("", format!(r#"{tar} | bgzip -l 6 -@ "$CORES" -c"#), ""),
            Self::Gzip => ("", format!("{tar} | gzip -6"), ""),
            // It compresses files, not streams: they are mapped into memory whole.
            Self::Libdeflate => (
                r#"tar -cf payload.tar -C "$PARENT" "$BUILD""#,
                "libdeflate-gzip -6 -c payload.tar".to_owned(),
                "rm payload.tar",
            ),
        };
        // `tee >(md5sum) >(sha1sum)` with names, so that the shell can wait for both.
        format!(
            r#"{before}
            mkfifo md5.pipe sha1.pipe
            md5sum <md5.pipe >"$PAYLOAD.md5" & md5=$!
            sha1sum <sha1.pipe >"$PAYLOAD.sha1" & sha1=$!
            {archive} | tee md5.pipe sha1.pipe >"$PAYLOAD"
            wait $md5
            wait $sha1
            {after}
            gpg --batch --quiet --output "$PAYLOAD.asc" --detach-sign "$PAYLOAD"
            "#
        )
    }
}
