use super::*;

const XML: &str = "<files><file fullname=\"d/f\" md5sum=\"9dd4e461268c8034f5c8564e155c67a6\" size=\"1\" type=\"file\"/>\
                   <file fullname=\"l\" type=\"link\"/></files>";

/// Returns a right archive, in which each kind of entry is.
fn right() -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    let header = |kind, size| {
        let mut header = ::tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size);
        header
    };
    let mut list = header(::tar::EntryType::Regular, XML.len() as u64);
    builder.append_data(&mut list, "built.files.m.xml", XML.as_bytes()).unwrap();
    builder.append_data(&mut header(::tar::EntryType::Directory, 0), "d/", &b""[..]).unwrap();
    builder.append_data(&mut header(::tar::EntryType::Regular, 1), "d/f", &b"x"[..]).unwrap();
    builder.append_link(&mut header(::tar::EntryType::Symlink, 0), "l", "d/f").unwrap();
    builder.into_inner().unwrap()
}

fn check(tar: &[u8]) -> Result<usize, Refused> {
    check_archive(tar, &MachineName::new("m").unwrap(), &Limits::default())
}

#[test]
fn s3_13_an_archive_that_is_cut_anywhere_is_refused() {
    let tar = right();
    assert_eq!(check(&tar), Ok(3));
    for length in 0..tar.len() {
        assert!(check(&tar[..length]).is_err(), "cut to {length} bytes");
    }
}

#[test]
fn s3_13_an_archive_with_a_wrong_byte_is_refused_or_holds_the_same() {
    let tar = right();
    let padding = |at: usize| tar[at] == 0;
    for at in 0..tar.len() {
        for bit in [1, 0x20, 0x80] {
            let mut wrong = tar.clone();
            wrong[at] ^= bit;
            // What fills a content's last block means nothing, and nor does white space in the list.
            match check(&wrong) {
                Err(_) => {}
                Ok(entries) => {
                    assert!(entries == 3 && (padding(at) || at < 1024), "byte {at} of {}", tar.len())
                }
            }
        }
    }
}

#[test]
fn s3_13_an_archive_of_too_many_entries_is_refused() {
    let limits = Limits { max_entries: 3, ..Limits::default() };
    let machine = MachineName::new("m").unwrap();
    assert!(check_archive(&*right(), &machine, &limits).unwrap_err().0.contains("more than 3 entries"));
}
