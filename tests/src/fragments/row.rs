//! The rows of the table: who writes a fragment, how, and what is to come of it.

use crate::build::Names;

/// One way of making fragments.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Which names the builds have.
    pub(crate) names: Names,
    /// How XML::Simple writes the list: `bare`, `undefined` or `inline`.
    pub(crate) list: &'static str,
    /// Run by bash in the build directory of each machine `$HOST` before it is listed.
    pub(crate) before: &'static str,
    /// Run behind that; writes the fragment `$OUT`.
    pub(crate) script: &'static str,
    pub(crate) comes: Comes,
}

/// What is to come of it.
pub(crate) enum Comes {
    /// The package of the original.
    Same,
    /// The package of the original, if that could find the list, which it wants to be called
    /// `./built.files.…`.
    SameUnlessByName,
    /// No package, and the original's words about it.
    Conflict,
    /// No package, since the fragment is refused with these words; the original takes it.
    Refused(&'static str),
}

const fn same(name: &'static str, names: Names, script: &'static str) -> Row {
    Row { name, names, list: "bare", before: "", script, comes: Comes::Same }
}

const fn refused(name: &'static str, why: &'static str, script: &'static str) -> Row {
    Row { comes: Comes::Refused(why), ..same(name, Names::Short, script) }
}

/// What scripts may call besides the programs: archives of the current directory by libraries.
pub(crate) const FUNCTIONS: &str = r#"
python_tar() {
    python3 -c 'import sys, tarfile
with tarfile.open(sys.argv[1], "w:gz", format=getattr(tarfile, sys.argv[2])) as archive:
    archive.add(".")' "$OUT" "$1"
}
perl_tar() {
    find . -print0 | perl -MArchive::Tar -0ne 'chomp; push @all, $_;
        END { Archive::Tar->create_archive($ENV{OUT}, COMPRESS_GZIP, @all) or die Archive::Tar->error }'
}
npm_tar() {
    node -e 'require("tar").create({ gzip: true, file: process.argv[1] }, ["."])' "$OUT"
}
"#;

pub(crate) const ROWS: &[Row] = &[
    same("GNU tar, gnu", Names::Any, "tar --format=gnu -czf $OUT ."),
    same("GNU tar, gnu, with holes", Names::Any, "tar --format=gnu -S -czf $OUT ."),
    same("GNU tar, oldgnu", Names::Any, "tar --format=oldgnu -czf $OUT ."),
    same("GNU tar, posix", Names::Any, "tar --format=posix -czf $OUT ."),
    same("GNU tar, posix, with holes", Names::Any, "tar --format=posix -S -czf $OUT ."),
    same("GNU tar, ustar", Names::Split, "tar --format=ustar -czf $OUT ."),
    same("GNU tar, v7", Names::Short, "tar --format=v7 -czf $OUT ."),
    same("bsdtar, pax", Names::Any, "bsdtar --format=pax -czf $OUT ."),
    same("bsdtar, pax, without a locale", Names::Any, "LC_ALL=C bsdtar --format=pax -czf $OUT ."),
    same("bsdtar, gnutar", Names::Any, "bsdtar --format=gnutar -czf $OUT ."),
    same("bsdtar, ustar", Names::Split, "bsdtar --format=ustar -czf $OUT ."),
    same("bsdtar, v7", Names::Short, "bsdtar --format=v7tar -czf $OUT ."),
    same("BusyBox tar", Names::Any, "busybox tar -czf $OUT ."),
    same("Python tarfile, ustar", Names::Split, "python_tar USTAR_FORMAT"),
    same("Python tarfile, gnu", Names::Any, "python_tar GNU_FORMAT"),
    same("Python tarfile, pax", Names::Any, "python_tar PAX_FORMAT"),
    same("Perl Archive::Tar", Names::Split, "perl_tar"),
    same("npm tar", Names::Any, "npm_tar"),
    same("bgzip", Names::Any, "tar -cf - . | bgzip >$OUT"),
    Row { comes: Comes::SameUnlessByName, ..same("names without ./", Names::Any, "tar -czf $OUT *") },
    Row { list: "undefined", ..same("list: undefined values", Names::Any, TAR) },
    Row { list: "inline", ..same("list: an entry a line", Names::Any, TAR) },
    Row { before: DISAGREE, comes: Comes::Conflict, ..same("machines disagree", Names::Short, TAR) },
    refused("a label", "it is the label of a volume", "tar --label=build -czf $OUT ."),
    refused("holes, pax 0.0", HOLES, "tar --format=posix -S --sparse-version=0.0 -czf $OUT ."),
    refused("holes, pax 0.1", HOLES, "tar --format=posix -S --sparse-version=0.1 -czf $OUT ."),
    refused(
        "a file twice",
        "is there twice",
        "tar -cf $OUT.tar .; tar -rf $OUT.tar ./descpkg; gzip -c $OUT.tar >$OUT",
    ),
    refused("a link to /", "the link's target is absolute", "ln -s / root; tar -czf $OUT ."),
    refused("a named pipe", "it is a named pipe", "mkfifo pipe; tar -czf $OUT ."),
    refused("not listed", "stray is there and not listed", "echo >stray; tar -czf $OUT ."),
    refused("two lists", "it has two lists", "cp built.files.$HOST.xml built.files.x.xml; tar -czf $OUT ."),
    refused("no end", "the archive has no end", "tar -b 1 -cf - . | head -c -1024 | gzip >$OUT"),
    refused("zeros behind gzip", "something follows it", "tar -czf $OUT .; head -c 512 /dev/zero >>$OUT"),
    refused("a fragment that is a link", "it is a link", "tar -czf $OUT.real .; ln -s $OUT.real $OUT"),
    refused(
        "list: a document type",
        "a document type",
        "sed -i '1a <!DOCTYPE files>' built.files.*; tar -czf $OUT .",
    ),
    refused(
        "list: Latin-1",
        "another encoding",
        "sed -i 1s/UTF-8/ISO-8859-1/ built.files.*; tar -czf $OUT .",
    ),
    refused(
        "list: a path twice",
        "empty is listed twice",
        "sed -i 's|</files>|<file fullname=\"empty\" type=\"dir\" /></files>|' built.files.*; tar -czf $OUT .",
    ),
];

const TAR: &str = "tar -czf $OUT .";
const HOLES: &str = "a file with holes is in a form that is not read";
/// A file with other bytes on each machine, and a path that is a file on one and a directory on the other.
const DISAGREE: &str =
    "echo $HOST >include/differs.h; if [ $HOST = ebb ]; then mkdir kind; else echo >kind; fi";
