//! An error and its causes on one line.

use crate::tame;

/// Returns an error and its causes as one escaped line: what was done, why it failed, and then what to do
/// about it.
///
/// A message says what to do behind a semicolon, and does not know its cause. So what stands behind the first
/// semicolon of each but the last comes behind the last.
pub fn chain(error: &dyn std::error::Error) -> String {
    let (mut what, mut remedies) = (String::new(), String::new());
    let mut next = Some(error);
    while let Some(error) = next {
        next = error.source();
        let text = without_number(error.to_string());
        match text.split_once("; ").filter(|_| next.is_some()) {
            Some((head, remedy)) => {
                what.push_str(head);
                remedies = format!("; {remedy}{remedies}");
            }
            None => what.push_str(&text),
        }
        if next.is_some() {
            what.push_str(": ");
        }
    }
    tame(what + &remedies)
}

/// Returns an error of the system without its number, which is for programs.
fn without_number(text: String) -> String {
    let Some((head, rest)) = text.split_once(" (os error ") else { return text };
    let tail = rest.split_once(')').filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()));
    tail.map_or(text.clone(), |(_, tail)| format!("{head}{tail}"))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn newcomer_m4_the_cause_stands_before_the_remedy_and_has_no_number() {
        #[derive(Debug, thiserror::Error)]
        #[error("connecting to the site; look whether it is up")]
        struct Middle(#[source] io::Error);
        #[derive(Debug, thiserror::Error)]
        #[error("cannot deliver p7; try again later")]
        struct Above(#[source] Middle);
        let refused = || Middle(io::Error::from_raw_os_error(111));
        assert_eq!(chain(&refused()), "connecting to the site: Connection refused; look whether it is up");
        assert_eq!(
            chain(&Above(refused())),
            "cannot deliver p7: connecting to the site: Connection refused; look whether it is up; try again later"
        );
        let own = io::Error::other("it said: a; b (os error x)");
        assert_eq!(chain(&own), "it said: a; b (os error x)");
    }
}
