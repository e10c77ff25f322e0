//! What a machine says of an upgrade, read back.
//!
//! Lines of ours begin with a word that tells them from what a login says by itself. Whatever comes behind
//! the line that announces the commands' output is output, whatever it looks like.

use intraware_core::foreign;

/// How much is kept of what a login says by itself, of all lines of ours, and of the output.
const MOST: usize = 16 << 10;

/// How a line of ours begins.
const OURS: &[u8] = b"intraware ";

/// What was heard so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What is not a whole line yet.
    rest: Vec<u8>,
    /// What was said besides.
    noise: Vec<u8>,
    /// Whether an upgrade was begun for this asking.
    pub(super) is_begun: bool,
    /// What the machine has to say, once it has said it.
    pub(super) answer: Option<Answer>,
    /// What the marker has.
    marker: Vec<(String, String)>,
    /// What came of the run, in its order.
    pub(super) steps: Vec<(String, String)>,
    /// What was done after it, if something was.
    pub(super) after: Option<String>,
    /// What its commands have said.
    pub(super) output: Option<Vec<u8>>,
}

/// What a machine answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The run has ended.
    Ended,
    /// The run has not ended, and nobody is at work on it.
    Lost,
    /// There is no run.
    Absent,
    /// Another run is at work; this is what it is for.
    Busy(String),
    /// The package is not there.
    Missing(String),
}

impl Report {
    /// Takes in what was heard.
    pub(super) fn hear(&mut self, mut bytes: &[u8]) {
        while self.output.is_none() {
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { break };
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            extend(&mut self.rest, line);
            let line = std::mem::take(&mut self.rest);
            self.take(&line);
        }
        extend(self.output.as_mut().unwrap_or(&mut self.rest), bytes);
    }

    fn take(&mut self, line: &[u8]) {
        let Some(ours) = line.strip_prefix(OURS) else {
            if !line.is_empty() {
                extend(&mut self.noise, line);
                extend(&mut self.noise, b"\n");
            }
            return;
        };
        let text = String::from_utf8_lossy(ours);
        let (word, value) = text.split_once(' ').unwrap_or((&text, ""));
        let pair = || {
            let (name, value) = value.split_once(' ').unwrap_or((value, ""));
            (name.to_owned(), value.to_owned())
        };
        match word {
            "begun" => self.is_begun = true,
            "ended" => self.answer = Some(Answer::Ended),
            "lost" => self.answer = Some(Answer::Lost),
            "absent" => self.answer = Some(Answer::Absent),
            "busy" => self.answer = Some(Answer::Busy(value.to_owned())),
            "missing" => self.answer = Some(Answer::Missing(value.to_owned())),
            "marker" if self.marker.len() < 100 => self.marker.push(pair()),
            "status" if self.steps.len() < 100 => self.steps.push(pair()),
            "after" => self.after = Some(value.to_owned()),
            "output" => self.output = Some(Vec::new()),
            // That it is at work is all that it says.
            _ => {}
        }
    }

    /// Returns what the marker has for a word.
    pub(super) fn marker(&self, name: &str) -> Option<&str> {
        self.marker.iter().find(|(found, _)| found == name).map(|(_, value)| &value[..])
    }

    /// Returns what came of a step, if it is known.
    pub(super) fn step(&self, name: &str) -> Option<&str> {
        self.steps.iter().find(|(found, _)| found == name).map(|(_, value)| &value[..])
    }

    /// Returns whether a command that was begun for this asking was ended because its time was over.
    pub(super) fn is_late(&self) -> bool {
        self.is_begun && self.steps.iter().any(|(_, value)| value.ends_with(" late"))
    }

    /// Returns what was said besides, to be shown.
    pub(super) fn noise(&self) -> String {
        let noise = [&self.noise[..], &self.rest].concat();
        foreign::escape(String::from_utf8_lossy(&noise).trim())
    }

    /// Returns the output's lines, to be shown.
    pub(super) fn lines(&self) -> Vec<String> {
        let output = String::from_utf8_lossy(self.output.as_deref().unwrap_or_default());
        output.lines().filter(|line| !line.trim().is_empty()).map(foreign::escape).collect()
    }

    /// Returns the end of the output, to be shown in one line.
    pub(super) fn said(&self) -> String {
        let output = String::from_utf8_lossy(self.output.as_deref().unwrap_or_default());
        let output = output.trim();
        let from =
            output.char_indices().rev().map(|(at, _)| at).take_while(|at| output.len() - at <= 200).last();
        let shown = &output[from.unwrap_or(output.len())..];
        let cut = if shown.len() < output.len() { "…" } else { "" };
        format!("{cut}{}", foreign::escape(shown))
    }
}

fn extend(text: &mut Vec<u8>, bytes: &[u8]) {
    let room = MOST.saturating_sub(text.len());
    text.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_13_what_a_command_says_is_never_taken_for_what_came_of_it() {
        let said = "Welcome\nintraware begun 10000001\n\n\nintraware alive\n\nintraware ended 10000001\n\
            intraware marker attempt 2\nintraware status upgrade 3\nintraware status ended failed\n\n\
            intraware output\nintraware status ended done\nintraware after x\n\x1b[31m";
        for size in [1, 7, said.len()] {
            let mut report = Report::default();
            said.as_bytes().chunks(size).for_each(|part| report.hear(part));
            assert!(report.is_begun && report.answer == Some(Answer::Ended) && report.after.is_none());
            assert_eq!((report.step("upgrade"), report.step("ended")), (Some("3"), Some("failed")));
            assert_eq!((report.marker("attempt"), &report.noise()[..]), (Some("2"), "Welcome"));
            assert!(report.said().ends_with("after x\\x0a\\x1b[31m"), "{}", report.said());
        }
    }

    #[test]
    fn s2_13_what_is_kept_of_what_a_machine_says_is_bounded() {
        let mut report = Report::default();
        for _ in 0..1000 {
            report.hear(&[b'x'; 1000]);
            report.hear(b"\nintraware status a b\n");
        }
        report.hear(b"intraware output\n");
        (0..1000).for_each(|_| report.hear(&[b'y'; 1000]));
        assert!(report.noise.len() <= MOST && report.steps.len() <= 100);
        assert!(report.output.as_ref().is_some_and(|output| output.len() == MOST));
        assert!(report.said().len() < 500);
    }
}
