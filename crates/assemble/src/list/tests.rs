use super::*;
use crate::refused::Refused;

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

fn all(text: &str) -> Result<Vec<Listed>, Refused> {
    let mut entries = Vec::new();
    read(text.as_bytes(), |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

fn refusal(text: &str) -> String {
    match all(text) {
        Ok(entries) => panic!("{text} is taken as {entries:?}"),
        Err(Refused(why)) => why,
    }
}

fn files(inside: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<files>\n{inside}\n</files>\n")
}

#[test]
fn s3_13_what_is_written_is_read_again() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let odd = "a/<&>\"'é";
    writer
        .entry([("fullname", odd), ("host", "ebb"), ("md5sum", MD5), ("size", "3"), ("type", "file")])
        .unwrap();
    writer.entry([("fullname", "d"), ("host", "ebb"), ("type", "dir")]).unwrap();
    writer.entry([("fullname", "l"), ("machtype", "linux"), ("target", "d"), ("type", "link")]).unwrap();
    let text = String::from_utf8(writer.finish().unwrap()).unwrap();
    let entries = all(&text).unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!((entries[0].path.as_str(), entries[0].size), (odd, Some(3)));
    assert_eq!(entries[0].kind, ListedKind::File(MD5.parse().unwrap()));
    assert_eq!((&entries[1].kind, entries[1].host.as_deref()), (&ListedKind::Directory, Some("ebb")));
    assert_eq!(entries[2].target.as_deref(), Some("d"));
    assert_eq!(*entries[2].more, [("machtype".into(), "linux".into())]);
}

#[test]
fn s3_28_an_apostrophe_stays_one_as_xml_simple_writes_it() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.entry([("fullname", "don't"), ("host", "&apos;"), ("type", "dir")]).unwrap();
    let text = String::from_utf8(writer.finish().unwrap()).unwrap();
    assert!(text.contains("fullname=\"don't\"") && text.contains("host=\"&amp;apos;\""), "{text}");
}

#[test]
fn lists_as_others_write_them_are_read() {
    // What XML::Simple writes, with its indent and without a declaration.
    let entries = all(
        "<files>\n  <file fullname=\"./bin/\"\n        host='flow'\n  type=\"dir\"></file><other><x/>y</other></files>",
    );
    assert_eq!(entries.unwrap()[0].path, "bin");
    assert_eq!(all("\u{feff}<files/>").unwrap(), []);
    let unknown = all(&files("<file fullname='p' type='pipe&#39;'/>")).unwrap();
    assert_eq!(unknown[0].kind, ListedKind::Other("pipe'".to_owned()));
}

#[test]
fn a_list_with_what_no_list_needs_is_refused() {
    let file = |attributes: &str| files(&format!("<file {attributes}/>"));
    let deep = files(&("<x>".repeat(70) + &"</x>".repeat(70)));
    let wide: String = (0..65).map(|i| format!(" a{i}='x'")).collect();
    for (text, why) in [
        ("<!DOCTYPE files [<!ENTITY a \"b\">]><files/>".to_owned(), "document type"),
        (files("<!DOCTYPE files>"), "document type"),
        (file("fullname='&xxe;' type='dir'"), "not well-formed"),
        (files("&lol;"), "text between"),
        (files("<?php x ?>"), "processing instruction"),
        (deep, "elements within elements"),
        (file(&format!("fullname='a' type='dir'{wide}")), "more than 64 attributes"),
        (files(&format!("<other{wide}/>")), "more than 64 attributes"),
        ("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><files/>".to_owned(), "encoding"),
        ("<?xml version=\"1.1\"?><files/>".to_owned(), "XML 1.0"),
        ("<files>".to_owned(), "its end before"),
        (String::new(), "its end before"),
        ("<files/><files/>".to_owned(), "another element"),
        ("<opt/>".to_owned(), "another element"),
        ("<files></file>".to_owned(), "not well-formed"),
        (files("words"), "text between"),
        (file("type='dir'"), "no fullname"),
        (file("fullname='a'"), "no type"),
        (file("fullname='a' fullname='b' type='dir'"), "not well-formed"),
        (file("fullname='../a' type='dir'"), "\"..\""),
        (file("fullname='/a' type='dir'"), "absolute"),
        (file("fullname='a&#10;b' type='dir'"), "control characters"),
        (file("fullname='a&#x1b;b' type='dir'"), "control characters"),
        (file("fullname='a' type='file'"), "md5sum"),
        (file("fullname='a' type='file' md5sum='900150983cd24fb0'"), "md5sum"),
        (file(&format!("fullname='a' type='file' size='-1' md5sum='{MD5}'")), "size"),
        (file(&format!("fullname='a' type='file' size='+1' md5sum='{MD5}'")), "size"),
        (file(&format!("fullname='a' type='file' size='99999999999999999999' md5sum='{MD5}'")), "size"),
    ] {
        let refused = refusal(&text);
        assert!(refused.contains(why), "{text}: {refused}");
    }
    let long = files(&format!("<file fullname=\"{}\"/>", "x".repeat(MAX_PIECE)));
    assert!(refusal(&long).contains("in one piece"));
    let apart = files(&"<!-- between -->\n".repeat(MAX_PIECE / 16));
    assert_eq!(all(&apart).unwrap(), []);
    assert!(read(b"<files>\xff</files>", |_| Ok(())).unwrap_err().0.contains("UTF-8"));
    let large = vec![0; MAX_BYTES as usize + 1];
    assert!(read(&large, |_| Ok(())).unwrap_err().0.contains("larger"));
}
