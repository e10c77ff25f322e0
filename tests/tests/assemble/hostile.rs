//! Fragments that somebody has made on purpose. Each is refused with its reason, and nothing is written.
//!
//! The cases are named after the attack.

use intraware_tests::Packages;
use intraware_tests::fragment::{Archive, gzip, header, md5, seal};

use crate::common;

/// Puts bytes as a machine's fragment beside a right one, and checks that they are refused and all stays as
/// it was.
#[track_caller]
fn refused(attack: &str, bytes: &[u8], why: &str) {
    let packages = Packages::default();
    packages.put("ebb", common());
    packages.put_bytes("foo_1.0_flow.tar.gz", bytes);
    let before = packages.all();
    let run = packages.assemble(&[]).expect(1);
    let said = format!("foo_1.0_flow.tar.gz: {why}");
    assert!(run.stderr.contains(&said), "{attack}: expected {said:?}: {run:?}");
    assert!(!run.stderr.contains('\u{1b}') && run.stderr.lines().count() == 2, "{attack}: {run:?}");
    assert!(
        run.stderr.ends_with("error: 1 fragment is refused; make it again, nothing was published\n"),
        "{run:?}"
    );
    assert_eq!(packages.all(), before, "{attack}: {run:?}");
    assert_eq!(packages.left(), ["foo_1.0_ebb.tar.gz", "foo_1.0_flow.tar.gz"], "{attack}");
}

/// The same for one entry behind right ones.
#[track_caller]
fn refused_entry(attack: &str, kind: u8, path: &str, target: &str, why: &str) {
    let archive = common().entry(kind, path.as_bytes(), target.as_bytes(), 0o644, b"");
    refused(attack, &archive.gz("flow"), why);
}

#[test]
fn s3_13_paths_that_lead_elsewhere() {
    refused_entry("path-escapes", b'0', "../evil", "", "../evil: the path has the name \"..\"");
    refused_entry(
        "path-escapes-in-the-middle",
        b'0',
        "include/../../evil",
        "",
        "include/../../evil: the path has",
    );
    refused_entry("absolute-path", b'0', "/tmp/evil", "", "/tmp/evil: the path is absolute");
    refused_entry("newline-in-name", b'0', "a\nb", "", "a\\x0ab: the path has control characters");
    refused_entry("escape-in-name", b'0', "a\u{1b}[2J", "", "a\\x1b[2J: the path has control characters");
    refused_entry("bidi-in-name", b'0', "a\u{202e}b", "", "a\\u{202e}b: the path has control characters");
    let not_text = common().entry(b'0', b"a\xff", b"", 0o644, b"").gz("flow");
    refused("name-is-no-text", &not_text, "a\\xff: the path is not UTF-8");
    let long =
        common().pax(b'x', &[&format!("path={}", "d/".repeat(3000))]).entry(b'0', b"x", b"", 0o644, b"");
    refused("path-too-long", &long.gz("flow"), "d/d/");
    refused_entry("empty-name", b'0', "a//b", "", "a//b: the path has an empty name");
    refused_entry("package-is-a-file", b'0', "./", "", "./: a file's path ends with a slash");
    refused_entry("package-is-a-link", b'2', ".", "/etc", ".: the link's target is absolute");
}

#[test]
fn s3_13_links_that_lead_elsewhere() {
    refused_entry("link-is-absolute", b'2', "l", "/etc/passwd", "l: the link's target is absolute");
    refused_entry("link-escapes", b'2', "l", "../../etc", "l: the link leads out of the package");
    refused_entry("link-escapes-later", b'2', "l", "include/../../x", "l: the link leads out of the package");
    refused_entry("link-with-escape", b'2', "l", "a\u{1b}", "l: the link's target has control characters");
    refused_entry(
        "hard-link-escapes",
        b'1',
        "l",
        "../../etc/passwd",
        "l: the hard link's target: the path has the name",
    );
    refused_entry(
        "hard-link-is-absolute",
        b'1',
        "l",
        "/etc/passwd",
        "l: the hard link's target: the path is absolute",
    );
    refused_entry(
        "hard-link-to-nothing",
        b'1',
        "l",
        "nothing",
        "l is a hard link to nothing, which is no file or link before it",
    );
    refused_entry(
        "hard-link-to-directory",
        b'1',
        "l",
        "include",
        "l is a hard link to include, which is no file",
    );
}

#[test]
fn s3_13_writing_through_a_link_and_twice() {
    let through = common().link("l", "include").entry(b'0', b"l/evil", b"", 0o644, b"x");
    refused("write-through-link", &through.gz("flow"), "l/evil is below l, which is no directory");
    let to_file = common().link("l", "include/a.h").entry(b'0', b"l", b"", 0o644, b"x");
    refused("file-over-link", &to_file.gz("flow"), "l is there twice");
    let over_link = common().link("l", "include").entry(b'5', b"l/", b"", 0o777, b"");
    refused("directory-over-link", &over_link.gz("flow"), "l is there twice");
    let twice = common().entry(b'0', b"include/a.h", b"", 0o644, b"other");
    refused("file-twice", &twice.gz("flow"), "include/a.h is there twice");
    let spelled = common().entry(b'0', b"./include/a.h", b"", 0o644, b"other");
    refused("file-twice-in-other-words", &spelled.gz("flow"), "include/a.h is there twice");
    let below = common().file("f", 0o644, "x").entry(b'0', b"f/g", b"", 0o644, b"x");
    refused("file-below-file", &below.gz("flow"), "f/g is below f, which is no directory");
    let late = common().entry(b'0', b"x/y", b"", 0o644, b"").entry(b'0', b"x", b"", 0o644, b"");
    refused("file-over-implied-directory", &late.gz("flow"), "x is there twice, once as a directory");
}

#[test]
fn s3_13_things_that_are_no_files() {
    refused_entry("fifo", b'6', "p", "", "the header of p: it is a named pipe");
    refused_entry("character-device", b'3', "p", "", "the header of p: it is a device");
    refused_entry("block-device", b'4', "p", "", "the header of p: it is a device");
    refused_entry("contiguous-file", b'7', "p", "", "the header of p: it is a contiguous file");
    let label = "the header of p: it is the label of a volume";
    refused_entry("label-of-a-volume", b'V', "p", "", label);
    refused_entry("unknown-type", b'Z', "p", "", "the header of p: its type \"Z\" is not known");
}

#[test]
fn s3_13_headers_that_lie() {
    let changed = |change: &dyn Fn(&mut [u8; 512])| {
        let mut block = header(b'0', b"x", b"", 0o644, 0);
        change(&mut block);
        common().raw(&block).gz("flow")
    };
    let sealed = |range: std::ops::Range<usize>, bytes: &'static [u8]| {
        changed(&move |block: &mut [u8; 512]| {
            block[range.clone()].copy_from_slice(bytes);
            seal(block);
        })
    };
    refused("checksum", &changed(&|block| block[0] = b'y'), "the header of y: its checksum is wrong");
    let size = "the header of x: its size is not a plain number";
    refused("size-negative", &sealed(124..136, &[0xff; 12]), size);
    refused("size-negative-octal", &sealed(124..136, b"-0000000001\0"), size);
    refused("size-no-number", &sealed(124..136, b"0000000000x\0"), size);
    refused("size-beyond-all", &sealed(124..136, b"\x80\0\0\0\xff\0\0\0\0\0\0\0"), size);
    refused("size-lies", &sealed(124..136, b"77777777777\0"), "the archive ends within a file");
    refused("format", &sealed(257..265, b"ustar\x0042"), "the header of x: its format is neither");
    let directory = common().entry(b'5', b"d/", b"", 0o755, b"content").gz("flow");
    refused("directory-with-content", &directory, "d/: it has content and is no file");
    let link = common().raw(&header(b'2', b"l", b"include", 0o777, 512)).raw(&[b'x'; 512]).gz("flow");
    refused("link-with-content", &link, "l: it has content and is no file");
}

#[test]
fn s3_13_extensions_that_lie() {
    let with = |lines: &[&str]| common().pax(b'x', lines).file("x", 0o644, "four").gz("flow");
    refused("pax-size-differs", &with(&["size=1024"]), "x: its two sizes differ");
    refused("pax-path-escapes", &with(&["path=../x"]), "../x: the path has the name");
    refused("pax-key-twice", &with(&["path=a", "path=b"]), "a pax header has the key path twice");
    refused("pax-nul", &with(&["path=a\0b"]), "a pax header has a path that is empty or has a NUL");
    refused(
        "pax-key-with-newline",
        &with(&["pa\nth=x"]),
        "a pax header has a key that is empty or has control",
    );
    let malformed = common().entry(b'x', b"p", b"", 0o644, b"999 path=a\n").file("x", 0o644, "").gz("flow");
    refused("pax-length-lies", &malformed, "a pax header is malformed");
    let large = common().raw(&header(b'x', b"p", b"", 0o644, 100 << 20)).gz("flow");
    refused("pax-of-100-MB", &large, "an extension's header is larger than 64 KiB");
    let all = common().pax(b'g', &["path=x"]).file("x", 0o644, "").gz("flow");
    refused("pax-for-all", &all, "a pax header gives path for the whole archive");
    let both = common().pax(b'x', &["path=a"]).entry(b'L', b"l", b"", 0o644, b"b\0").file("x", 0o644, "");
    refused("pax-and-gnu", &both.gz("flow"), "two extensions give an entry different paths");
    let twice = common().entry(b'L', b"l", b"", 0o644, b"b\0").entry(b'L', b"l", b"", 0o644, b"c\0");
    refused(
        "gnu-name-twice",
        &twice.file("x", 0o644, "").gz("flow"),
        "two headers of an extension before one entry",
    );
    let alone = common().pax(b'x', &["path=a"]).tar_without();
    refused("extension-of-nothing", &gzip(&alone), "the archive ends behind the header of an extension");
}

#[test]
fn s3_13_maps_of_holes_that_lie() {
    let with = |lines: &[&str], content: &str| common().pax(b'x', lines).file("x", 0o644, content).gz("flow");
    let form = ["GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=h", "GNU.sparse.realsize=9000"];
    let map = |text: &str, content: &str| with(&form, &format!("{text:\0<512}{content}"));
    let unread = "a file with holes is in a form that is not read";
    refused("sparse-half-said", &with(&form[..1], "four"), unread);
    refused("sparse-older-form", &with(&["GNU.sparse.size=9", "GNU.sparse.map=0,4"], "four"), unread);
    refused("sparse-overlaps", &map("2\n0\n4\n2\n2\n", "sixsix"), "h: a file's map of holes contradicts");
    refused("sparse-beyond-end", &map("1\n8999\n4\n", "four"), "h: a file's map of holes contradicts");
    refused("sparse-more-stored", &map("1\n0\n2\n", "four"), "h: its map of holes does not fit its size");
    refused("sparse-less-stored", &map("1\n0\n20\n", "four"), "h: its map of holes does not fit its size");
    refused("sparse-no-number", &map("one\n", ""), "h: its map of holes has a line that is not a number");
    refused("sparse-map-cut", &with(&form, "5\n1\n"), "h: its map of holes has a line that is not");
    let huge = ["GNU.sparse.realsize=4000000000000000000", form[0], form[1], form[2]];
    refused(
        "sparse-bomb",
        &with(&huge, &format!("{:\0<512}", "0\n")),
        "its files are more than 274877906944",
    );
    let directory = common().pax(b'x', &form).entry(b'5', b"d/", b"", 0o755, b"").gz("flow");
    refused("sparse-directory", &directory, "h: it has content and is no file");
    let mut block = header(b'S', b"x", b"", 0o644, 4);
    block[257..265].copy_from_slice(b"ustar  \0");
    block[386..410].copy_from_slice(b"00000000000\x0000000000005\0");
    block[483..495].copy_from_slice(b"00000000010\0");
    seal(&mut block);
    let gnu = common().raw(&block).raw(b"four").pad().gz("flow");
    refused("gnu-sparse-less-stored", &gnu, "x: its map of holes does not fit its size");
}

#[test]
fn s3_13_streams_that_do_not_end_as_they_should() {
    let tar = common().tar("flow");
    let whole = gzip(&tar);
    let cut = |bytes: &[u8], less: usize| bytes[..bytes.len() - less].to_vec();
    refused("no-end", &gzip(&cut(&tar, 1024)), "the archive has no end: two empty blocks are missing");
    refused(
        "one-empty-block",
        &gzip(&cut(&tar, 512)),
        "the archive has no end: the second empty block is missing",
    );
    refused(
        "something-after-the-end",
        &gzip(&[&tar[..], &[0; 512], b"evil"].concat()),
        "something follows the archive's end",
    );
    let second_archive = [&tar[..], &common().tar("flow")].concat();
    refused("second-archive", &gzip(&second_archive), "something follows the archive's end");
    let member = [&whole[..], &gzip(b"x")].concat();
    refused("second-member", &member, "something follows the archive's end");
    refused(
        "garbage-after-gzip",
        &[&whole[..], &[0; 512]].concat(),
        "the gzip stream is damaged, or something follows",
    );
    refused("gzip-cut", &cut(&whole, 9), "the gzip stream is damaged");
    let mut crc = whole.clone();
    let at = crc.len() - 8;
    crc[at] ^= 1;
    refused("crc", &crc, "the gzip stream is damaged");
    refused("no-gzip", b"Hello, this is no archive.", "the gzip stream is damaged");
    refused("empty", b"", "the archive has no end");
    refused("uncompressed", &tar, "the gzip stream is damaged");
}

#[test]
fn s3_13_bombs() {
    let list = header(b'0', b"built.files.flow.xml", b"", 0o644, (512 << 20) + 1);
    let large = common().raw(&list).tar_without();
    refused("large-list", &gzip(&large), "its list is larger than 536870912 bytes");
}

#[test]
fn s3_13_lists_that_lie() {
    let differs = |what: &str| format!("it does not agree with its list: {what}");
    refused("no-list", &gzip(&common().tar_without()), "it has no list built.files.flow.xml");
    let two = common().entry(b'0', b"built.files.other.xml", b"", 0o644, b"").gz("flow");
    refused("two-lists", &two, "it has two lists, built.files.");
    let xml = common().xml();
    let twice = common().entry(b'0', b"built.files.flow.xml", b"", 0o644, xml.as_bytes()).gz("flow");
    refused("list-twice", &twice, "it has two lists, built.files.flow.xml and built.files.flow.xml");
    let link = common().entry(b'2', b"built.files.flow.xml", b"include/a.h", 0o777, b"").tar_without();
    refused("list-is-a-link", &gzip(&link), "its list built.files.flow.xml is no file");
    let absent = common().list("gone", "file", &format!("md5sum=\"{}\"", md5(b"")));
    refused("listed-and-absent", &absent.gz("flow"), &differs("gone is listed and not there"));
    let unlisted = common().entry(b'0', b"more", b"", 0o644, b"x");
    refused("present-and-unlisted", &unlisted.gz("flow"), &differs("more is there and not listed"));
    let unlisted = common().entry(b'5', b"more/", b"", 0o755, b"");
    refused("unlisted-directory", &unlisted.gz("flow"), &differs("more is there and not listed"));
    let other = |more: &str| {
        let archive = common().entry(b'0', b"x", b"", 0o644, b"two").list("x", "file", more);
        archive.gz("flow")
    };
    let (right, wrong) = (md5(b"two"), md5(b"one"));
    let says = differs(&format!("x has the MD5 {right}, listed is {wrong}"));
    refused("other-md5", &other(&format!("md5sum=\"{wrong}\" size=\"3\"")), &says);
    let says = differs("x has 3 bytes, listed are others");
    refused("other-size", &other(&format!("md5sum=\"{right}\" size=\"4\"")), &says);
    let kind = common().entry(b'0', b"x", b"", 0o644, b"").list("x", "dir", "");
    refused("other-type", &kind.gz("flow"), &differs("x is of another type than listed"));
    let target =
        common().entry(b'2', b"x", b"include", 0o777, b"").list("x", "link", "target=\"include/a.h\"");
    refused("other-target", &target.gz("flow"), &differs("x leads to include and not where its list says"));
    let listed_twice = common().list("include", "dir", "");
    refused("listed-twice", &listed_twice.gz("flow"), &differs("include is listed twice"));
}

#[test]
fn s3_13_lists_that_attack_their_reader() {
    let with = |xml: String| gzip(&common().tar_with("flow", xml.as_bytes()));
    let files = |inside: &str| format!("<files>{inside}</files>");
    let entities =
        "<!DOCTYPE files [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><files>&b;</files>";
    refused(
        "doctype",
        &with(entities.to_owned()),
        "the list has a document type, which is not allowed at byte 0",
    );
    let external = files("<file fullname=\"&xxe;\" type=\"dir\"/>");
    refused("entity", &with(external), "the list is not well-formed XML at byte 7");
    refused(
        "deep",
        &with("<files>".to_owned() + &"<x>".repeat(100_000)),
        "the list has more than 64 elements within",
    );
    let wide: String = (0..100).map(|i| format!(" a{i}=''")).collect();
    refused(
        "wide",
        &with(files(&format!("<file{wide}/>"))),
        "the list has an element with more than 64 attributes",
    );
    let latin = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><files/>".to_owned();
    refused("encoding", &with(latin), "the list declares another encoding than UTF-8");
    refused("no-utf-8", &gzip(&common().tar_with("flow", b"<files>\xff</files>")), "the list is not UTF-8");
    let path = files("<file fullname=\"../x\" type=\"dir\"/>");
    refused("path-escapes-in-list", &with(path), "the list's entry ../x: the path has the name \"..\"");
    let digest = files("<file fullname=\"x\" md5sum=\"zz\" type=\"file\"/>");
    refused("no-md5", &with(digest), "the list's entry x: its md5sum is not 32 hexadecimal digits");
    refused("cut", &with("<files><file fullname=\"x\"".to_owned()), "the list is not well-formed XML");
}

#[test]
fn right_archives_of_other_programs_are_taken() {
    let packages = Packages::default();
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    let more = format!("md5sum=\"{}\" size=\"1\"", md5(b"x"));
    let posix = common().pax(b'x', &[&format!("path={long}"), "mtime=1.5", "SCHILY.fflags=x"]);
    packages.put("ebb", posix.entry(b'0', b"short", b"", 0o644, b"x").list(&long, "file", &more));
    let name = format!("{long}\0");
    let gnu = common().entry(b'L', b"././@LongLink", b"", 0o644, name.as_bytes());
    packages.put("flow", gnu.entry(b'0', b"short", b"", 0o644, b"x").list(&long, "file", &more));
    // The package itself, and the end filled up as tar does.
    let filled = Archive::new().entry(b'5', b"./", b"", 0o755, b"").tar("granite");
    packages.put_bytes("foo_1.0_granite.tar.gz", &gzip(&[filled, vec![0; 8192]].concat()));
    packages.assemble(&[]).expect(0);
    assert_eq!(packages.read(&long), "x");
}

#[test]
fn all_fragments_that_are_wrong_are_told_and_in_the_json_too() {
    let packages = Packages::default();
    packages.put("ebb", common());
    packages.put_bytes("foo_1.0_flow.tar.gz", b"no archive");
    packages.put_bytes("foo_1.0_moss.tar.gz", &gzip(&common().tar_without()));
    let run = packages.assemble(&["--json"]).expect(1);
    assert!(
        run.stderr.ends_with("error: 2 fragments are refused; make them again, nothing was published\n"),
        "{run:?}"
    );
    let refused = &run.json()["refused"];
    assert!(refused[0]["fragment"].as_str().unwrap().ends_with("foo_1.0_flow.tar.gz"), "{refused}");
    assert_eq!(refused[1]["why"], "it has no list built.files.moss.xml");
}
