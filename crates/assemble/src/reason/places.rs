//! Contents without what says where they were made: absolute paths and the machines' names.

/// What stands for each of them.
const MARK: &[u8] = b"\x01place\x01";

/// Returns the content with a mark for each absolute path of at least two names, and for each of `hosts` as a
/// whole word.
pub(super) fn without(content: &[u8], hosts: &[&str]) -> Vec<u8> {
    super::marked(content, MARK, is_word, |rest| path(rest).or_else(|| host(rest, hosts)))
}

/// Returns the length of the path that `rest` begins with: `/a/b`, `C:\a\b`.
fn path(rest: &[u8]) -> Option<usize> {
    let start = match rest {
        [b'/', ..] => 0,
        [drive, b':', b'/' | b'\\', ..] if drive.is_ascii_alphabetic() => 2,
        _ => return None,
    };
    let length = start + rest[start..].iter().take_while(|b| is_in_path(**b)).count();
    let names: Vec<&[u8]> = rest[start + 1..length].split(|b| matches!(b, b'/' | b'\\')).collect();
    let named = names.iter().take(2).filter(|name| !name.is_empty()).count();
    (named == 2).then_some(length)
}

fn host(rest: &[u8], hosts: &[&str]) -> Option<usize> {
    let is_here = |host: &&&str| {
        let name = rest.get(..host.len()).is_some_and(|word| word.eq_ignore_ascii_case(host.as_bytes()));
        name && rest.get(host.len()).is_none_or(|next| !is_word(*next))
    };
    hosts.iter().filter(is_here).map(|host| host.len()).max()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_in_path(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'/' | b'\\' | b'.' | b'-' | b'+' | b'~' | b'@' | b'%')
}
