//! What came of an event: a row of the table.

use serde_json::{Value, json};

/// A row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) event: usize,
    pub(crate) name: String,
    /// How many messages named the cause.
    pub(crate) mails: usize,
    /// What the first of them said.
    pub(crate) sentence: String,
    /// What was typed.
    pub(crate) remedy: String,
    /// How long it took from then until the build was Completed.
    pub(crate) minutes: Option<f64>,
    /// What was not as it must be.
    pub(crate) faults: Vec<String>,
}

impl Row {
    pub(crate) fn failed(event: usize, why: &str) -> Self {
        Self { event, faults: vec![why.to_owned()], ..Self::default() }
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.faults.is_empty()
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "event": self.event, "name": self.name, "mails": self.mails, "sentence": self.sentence,
            "remedy": self.remedy, "minutes": self.minutes, "faults": self.faults,
        })
    }

    pub(crate) fn from_json(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| value[key].as_u64().and_then(|number| number.try_into().ok()).unwrap_or(0);
        let faults = value["faults"].as_array().into_iter().flatten();
        Self {
            event: number("event"),
            name: text("name"),
            mails: number("mails"),
            sentence: text("sentence"),
            remedy: text("remedy"),
            minutes: value["minutes"].as_f64(),
            faults: faults.filter_map(|fault| fault.as_str().map(str::to_owned)).collect(),
        }
    }

    /// Returns the lines of the table.
    pub(crate) fn lines(&self) -> Vec<String> {
        let minutes = self.minutes.map_or_else(|| "-".to_owned(), |minutes| format!("{minutes:.1}"));
        let ok = if self.is_ok() { "ok" } else { "NOT OK" };
        let head = format!("{:>2}  {:<34} {:>5} {minutes:>8}  {ok}", self.event, self.name, self.mails);
        let told = [("told", &self.sentence), ("typed", &self.remedy)];
        let told = told.iter().filter(|(_, text)| !text.is_empty());
        let told = told.map(|(what, text)| format!("      {what:<6} {text}"));
        let faults = self.faults.iter().map(|fault| format!("      WRONG  {fault}"));
        std::iter::once(head).chain(told).chain(faults).collect()
    }

    /// Returns the line above all rows.
    pub(crate) fn head() -> String {
        format!("{:>2}  {:<34} {:>5} {:>8}", "", "event", "mails", "minutes")
    }
}
