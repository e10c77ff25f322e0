//! Secrets: never shown, wiped when dropped, and blacked out where a server repeats them.

use std::fmt;

use zeroize::Zeroizing;

use crate::percent::percent_encode;

/// A password, client secret or token: a text.
#[derive(Clone)]
pub struct Secret(intraware_shown::Secret);

impl Secret {
    /// Takes the secret's text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(intraware_shown::Secret::new(text.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        // It was made of a text.
        self.0.expose_str().unwrap_or_default()
    }

    /// Writes `***` over the secret wherever it stands in an answer, as it is or as a form or JSON writes it:
    /// some of what stands between us and the server shows the request that it did not like.
    pub(crate) fn black_out(&self, answer: &mut Vec<u8>) {
        let in_json = Zeroizing::new(serde_json::Value::from(self.expose()).to_string());
        let in_form = Zeroizing::new(percent_encode(self.expose()));
        for form in [self.expose(), &in_form, &in_form.replace("%20", "+"), in_json.trim_matches('"')] {
            let form = form.as_bytes();
            while let Some(at) = find(answer, form) {
                answer.splice(at..at + form.len(), *b"***");
            }
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    // What is empty, or stars already, is no secret and would be found for ever.
    if part.is_empty() || part.iter().all(|byte| *byte == b'*') {
        return None;
    }
    text.windows(part.len()).position(|window| window == part)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_blacked_out_in_every_form_that_an_answer_may_have_it_in() {
        let secret = Secret::new("p w/\"1");
        let mut answer =
            br#"raw p w/"1, form p%20w%2F%221 and p+w%2F%221, json "p w/\"1", other p w"#.to_vec();
        secret.black_out(&mut answer);
        let wanted = r#"raw ***, form *** and ***, json "***", other p w"#;
        assert_eq!(String::from_utf8(answer).unwrap(), wanted);
        for nothing in ["", "**"] {
            let mut answer = b"a**b".to_vec();
            Secret::new(nothing).black_out(&mut answer);
            assert_eq!(answer, b"a**b");
        }
    }
}
