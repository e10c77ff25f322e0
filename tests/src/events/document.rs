//! What the documents tell people to type: blocks of commands by their heading, and commands in backticks.

/// A document in Markdown.
pub(crate) struct Document(&'static str);

/// How to install the programs.
pub(crate) const INSTALLATION: Document = Document(include_str!("../../../cron/README.md"));
/// What to do at night.
pub(crate) const OPERATIONS: Document = Document(include_str!("../../../docs/operations.md"));

impl Document {
    /// Returns the text below a heading, up to the next one of its level or above.
    ///
    /// # Panics
    /// If there is no such heading: then the document has changed, and what relies on it has to.
    pub(crate) fn section(&self, heading: &str) -> String {
        let level = |line: &str| line.chars().take_while(|&c| c == '#').count();
        let mut lines = self.0.lines().skip_while(|line| line.trim_start_matches('#').trim() != heading);
        let head = lines.next().unwrap_or_else(|| panic!("no document has the heading {heading:?}"));
        let mut in_block = false;
        let belongs = |line: &&str| {
            in_block ^= line.trim_start().starts_with("```");
            in_block || !(1..=level(head)).contains(&level(line))
        };
        lines.take_while(belongs).map(|line| format!("{line}\n")).collect()
    }

    /// Returns the blocks of commands below a heading, each without its indentation.
    pub(crate) fn blocks(&self, heading: &str) -> Vec<String> {
        let section = self.section(heading);
        let parts = section.split("```").enumerate().filter(|(number, _)| number % 2 == 1);
        parts.map(|(_, block)| block.lines().map(|line| format!("{}\n", line.trim())).collect()).collect()
    }

    /// Returns the first command in backticks below a heading that begins like this.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn command(&self, heading: &str, beginning: &str) -> String {
        let section = self.section(heading);
        let found = command_in(&section, beginning);
        found.unwrap_or_else(|| panic!("{heading:?} names no command {beginning:?}"))
    }
}

/// Returns the first command in a text that begins like this, in backticks or up to what ends it in prose.
pub(crate) fn command_in(text: &str, beginning: &str) -> Option<String> {
    let at = text.find(beginning)?;
    let from = &text[at..];
    let ends: &[&str] = if text[..at].ends_with('`') {
        &["`"]
    } else {
        &["`", "\n", " and ", ", then", "; ", ", ", " (", ": "]
    };
    let ends = ends.iter().filter_map(|end| from.find(end));
    Some(from[..ends.min().unwrap_or(from.len())].trim_end().to_owned())
}
