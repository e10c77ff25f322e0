use super::*;

fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes(), text].concat()
}

/// The packet that names a file with all attributes there are.
fn names() -> Vec<u8> {
    let mut packet = vec![104, 0, 0, 0, 9, 0, 0, 0, 1];
    packet.extend(string(b"a"));
    packet.extend(string(b"-rw-r--r-- a"));
    packet.extend(0x8000_000f_u32.to_be_bytes());
    packet.extend([0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0x81, 0xa4]);
    packet.extend([0; 8]);
    packet.extend(1_u32.to_be_bytes());
    packet.extend(string(b"x@y"));
    packet.extend(string(b"z"));
    packet
}

#[test]
fn a_packet_is_as_the_draft_says() {
    let mut out = Vec::new();
    let attributes = Attributes { size: None, mode: Some(0o640) };
    Request::Open { path: "/a", how: open::WRITE | open::CREATE, attributes }.write(7, &mut out);
    assert_eq!(
        out,
        [0, 0, 0, 23, 3, 0, 0, 0, 7, 0, 0, 0, 2, b'/', b'a', 0, 0, 0, 10, 0, 0, 0, 4, 0, 0, 1, 0o240]
    );
    out.clear();
    Request::Write { handle: b"h", from: 1 << 32, bytes: b"xy" }.write(8, &mut out);
    assert_eq!(
        out,
        [0, 0, 0, 24, 6, 0, 0, 0, 8, 0, 0, 0, 1, b'h', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, b'x', b'y']
    );
    assert_eq!(greeting(), [0, 0, 0, 5, 1, 0, 0, 0, 3]);
}

#[test]
fn answers_are_read_and_what_is_cut_is_none() {
    assert_eq!(answer(&names()), Some((9, Answer::Names(vec!["a".into()]))));
    let attributes = [&[105, 0, 0, 0, 1][..], &[0, 0, 0, 4, 0, 0, 0x41, 0xed]].concat();
    let Some((1, Answer::Attributes(attributes))) = answer(&attributes) else { panic!("no attributes") };
    assert!(attributes.is_directory() && !attributes.may_be_file() && attributes.size.is_none());
    let whole = names();
    for len in 0..whole.len() {
        assert_eq!(answer(&whole[..len]), None, "{len}");
    }
    let endless = [&[104, 0, 0, 0, 1][..], &u32::MAX.to_be_bytes()].concat();
    assert_eq!(answer(&endless), None);
    assert_eq!(answer(&[99, 0, 0, 0, 1]), None);
}

#[test]
fn packets_are_taken_whole_and_none_is_too_long() {
    assert!(matches!(next(&[0, 0, 0]), Ok(None)));
    assert!(matches!(next(&[0, 0, 0, 2, 1]), Ok(None)));
    assert!(matches!(next(&[0, 0, 0, 2, 1, 2, 3]), Ok(Some([1, 2]))));
    assert!(next(b"This account is not available").is_err());
}

#[test]
fn a_welcome_tells_the_extensions() {
    let mut packet = vec![2, 0, 0, 0, 3];
    for word in [&b"fsync@openssh.com"[..], b"1", b"other", b"", b"limits@openssh.com", b"1"] {
        packet.extend(string(word));
    }
    let extensions = welcome(&packet).unwrap();
    assert!(extensions.flushes && extensions.tells_limits && !extensions.tells_disk);
    assert!(welcome(&packet[..packet.len() - 1]).is_none());
    assert!(welcome(&[2, 0, 0, 0, 4]).is_none(), "another version");
}
