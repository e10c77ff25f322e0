//! A command as words, and its quoting for a POSIX shell.

/// A command: its program, and its arguments, in which a few things may stand in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(Vec<String>);

/// What may stand in braces, and the shell's variable that has it.
const PLACES: [(&str, &str); 3] =
    [("{path}", "\"$path\""), ("{previous}", "\"$previous\""), ("{version}", "\"$version\"")];

impl Words {
    /// Takes a command, or says what is allowed.
    pub(crate) fn parse(words: &[String]) -> Result<Self, &'static str> {
        match words.first() {
            Some(program) if program.starts_with('/') => {}
            Some(_) | None => return Err("must begin with the absolute path of a program there"),
        }
        for word in words {
            let rest = PLACES.iter().fold(word.clone(), |rest, (place, _)| rest.replace(place, ""));
            let mut braces = rest.split('{').skip(1).filter_map(|after| after.split_once('}'));
            let is_place =
                |(name, _): (&str, &str)| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase());
            if braces.any(is_place) {
                return Err("knows only {path}, {previous} and {version} in braces");
            }
        }
        Ok(Self(words.to_vec()))
    }

    /// Returns whether it needs what stands in these braces.
    pub(crate) fn needs(&self, place: &str) -> bool {
        self.0.iter().any(|word| word.contains(place))
    }

    /// Returns it for a POSIX shell: whatever is put in braces there, each word stays one.
    pub(super) fn quoted(&self) -> String {
        let word = |word: &String| {
            let (mut quoted, mut rest) = (String::new(), &word[..]);
            while let Some((at, (place, variable))) = first_place(rest) {
                quoted.push_str(&format!("{}{variable}", quote(&rest[..at])));
                rest = &rest[at + place.len()..];
            }
            quoted + &quote(rest)
        };
        self.0.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

fn first_place(text: &str) -> Option<(usize, (&'static str, &'static str))> {
    PLACES.into_iter().filter_map(|place| Some((text.find(place.0)?, place))).min()
}

/// Returns a text as one word of a POSIX shell.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn words(words: &[&str]) -> Result<Words, &'static str> {
        Words::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn s2_13_a_command_is_a_program_and_words() {
        assert!(words(&["/opt/app/upgrade", "{path}", "--json={\"a\":{}}", "{A}"]).is_ok());
        for wrong in [&["upgrade"][..], &[], &["{path}"], &["/x", "{pth}"], &["/x", "a{path}{nothing}"]] {
            assert!(words(wrong).is_err(), "{wrong:?}");
        }
        let command = words(&["/x", "{previous}/{path}"]).unwrap();
        assert!(command.needs("{previous}") && !command.needs("{version}"));
    }

    #[test]
    fn s2_13_each_word_stays_one_whatever_is_in_it() {
        let command =
            words(&["/usr/bin/printf", "%s|", "a'; touch x #", "--{path}--", "$(touch x)", "", "*"]).unwrap();
        let path = "b' \"$(touch x)\\ `x`\n-{version}";
        let script = format!("path={}\n{}", quote(path), command.quoted());
        let said = Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert_eq!(said, format!("a'; touch x #|--{path}--|$(touch x)||*|"));
    }
}
