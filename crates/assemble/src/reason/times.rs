//! Contents without dates and times.
//!
//! A time is a row of words and numbers of which at least one can be nothing else: `16:17`, `2026-11-21`,
//! `21/11/2026`, a number of ten digits that begins with 1 (seconds since 1970), or a month's name beside a
//! number.

/// What stands for each of them.
const MARK: &[u8] = b"\x01time\x01";

/// Words that belong to a time when they stand beside one.
const WORDS: [&str; 20] = [
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "am", "pm", "utc", "gmt", "z", "cet", "cest", "est",
    "edt", "pst", "pdt", "bst", "awst",
];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// How sure it is that something is part of a time.
#[derive(Clone, Copy, PartialEq)]
enum Atom {
    Certain,
    Month,
    Number,
    Word,
}

/// Returns the content with a mark for each time.
pub(super) fn without(content: &[u8], _hosts: &[&str]) -> Vec<u8> {
    super::marked(content, MARK, |byte| byte.is_ascii_alphanumeric(), time)
}

/// Returns the length of the time that `rest` begins with.
fn time(rest: &[u8]) -> Option<usize> {
    let (mut end, mut at) = (0, 0);
    let (mut certain, mut month, mut number) = (false, false, false);
    while let Some((atom, length)) = atom(&rest[at..]) {
        certain |= atom == Atom::Certain;
        month |= atom == Atom::Month;
        number |= atom == Atom::Number;
        at += length;
        end = at;
        // What may be between two parts.
        at += rest[at..].iter().take(2).take_while(|b| matches!(b, b' ' | b',' | b'T' | b'+' | b'-')).count();
    }
    (certain || (month && number)).then_some(end)
}

fn atom(rest: &[u8]) -> Option<(Atom, usize)> {
    let length =
        rest.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'/' | b'-')).count();
    let length = rest[..length].iter().rposition(u8::is_ascii_digit).map_or(0, |last| last + 1);
    if length > 0 && rest[0].is_ascii_digit() {
        return digits(&rest[..length]).filter(|_| ends(rest, length)).map(|atom| (atom, length));
    }
    let length = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let word = std::str::from_utf8(&rest[..length]).ok()?.to_ascii_lowercase();
    let is_month = word.len() >= 3 && MONTHS.contains(&&word[..3]);
    let is_day = word.ends_with("day") && WORDS.contains(&&word[..3.min(word.len())]);
    if !ends(rest, length) {
        None
    } else if is_month {
        Some((Atom::Month, length))
    } else {
        (is_day || WORDS.contains(&word.as_str())).then_some((Atom::Word, length))
    }
}

/// Returns whether a word or number of this length ends there; a `T` or `Z` may follow a time's digits.
fn ends(rest: &[u8], length: usize) -> bool {
    rest.get(length).is_none_or(|next| !next.is_ascii_alphanumeric() || matches!(next, b'T' | b'Z'))
}

fn digits(run: &[u8]) -> Option<Atom> {
    let parts: Vec<&[u8]> = run.split(|b| !b.is_ascii_digit()).collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let has = |byte: u8| run.contains(&byte);
    let is_date = matches!(lengths.as_slice(), [4, 1..=2, 1..=2] | [1..=2, 1..=2, 2 | 4]);
    if has(b':') && lengths.iter().take(2).all(|length| (1..=2).contains(length)) {
        return Some(Atom::Certain);
    }
    if is_date && (has(b'-') || has(b'/')) && !has(b'.') {
        return Some(Atom::Certain);
    }
    match lengths.as_slice() {
        [10] if run[0] == b'1' => Some(Atom::Certain),
        [8 | 14] if run.starts_with(b"19") || run.starts_with(b"20") => Some(Atom::Certain),
        [1 | 2 | 4] => Some(Atom::Number),
        _ => None,
    }
}
