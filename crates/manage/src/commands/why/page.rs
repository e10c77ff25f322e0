//! What `manage why` knows of one build: facts as programs read them, and the lines that people read.

use intraware_core::foreign::{escape, tame};
use intraware_core::record::{RecordId, Status};
use intraware_core::spool::{Attempts, Job, Parked, Room};
use intraware_core::txlog::Event;
use jiff::Timestamp;
use serde::Serialize;

use super::super::log;

/// One build.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) record: RecordId,
    pub(super) name: String,
    /// None if the record was not read.
    pub(super) status: Option<Status>,
    pub(super) detail: Option<String>,
    pub(super) path: Option<String>,
    pub(super) jobs: Vec<InSpool>,
    /// A person's hold on it.
    pub(super) hold: Option<String>,
    /// What goes wrong again and again, though not by the build's own fault.
    pub(super) failed: Option<String>,
    /// What the next run does.
    pub(super) next: Vec<String>,
    /// Why nobody can say what comes next.
    pub(super) unknown: Option<String>,
    /// What a person can do.
    pub(super) unblock: String,
    /// The last lines of the log about it.
    pub(super) log: Vec<Event>,
}

/// Where a job is, and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct InSpool {
    job: String,
    room: Room,
    /// What its archive does not keep of the build, or keeps in another way.
    warnings: Vec<String>,
    deliveries: Vec<Delivery>,
    failure: Option<Failure>,
    lags: Vec<Failure>,
    parked: Option<Parked>,
}

#[derive(Debug, Serialize)]
struct Delivery {
    site: String,
    delivered: Timestamp,
    verified_by: String,
}

/// How its delivery failed.
#[derive(Debug, Serialize)]
struct Failure {
    /// The site, if it is one that may lag.
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    count: u32,
    error: String,
    next_try: Timestamp,
}

impl InSpool {
    pub(super) fn of(job: &Job, now: Timestamp) -> Self {
        let failure = |site: Option<&String>, failed: &Attempts, next_try| Failure {
            site: site.cloned(),
            count: failed.count,
            error: failed.told(),
            next_try,
        };
        let deliveries = job.receipts.iter().map(|receipt| Delivery {
            site: receipt.site.clone(),
            delivered: receipt.delivered,
            verified_by: receipt.delivery.verified_by.to_string(),
        });
        // What failed before a delivery went well is over.
        let failed = job.attempts.as_ref().filter(|_| job.room == Room::Upload);
        let lags = job.lags.iter().map(|(site, failed)| failure(Some(site), failed, failed.pause().end(now)));
        Self {
            job: job.id.to_string(),
            room: job.room,
            warnings: job.manifest.warnings.clone(),
            deliveries: deliveries.collect(),
            failure: failed.map(|failed| failure(None, failed, failed.next_try)),
            lags: lags.collect(),
            parked: job.parked.clone(),
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut text = format!("spool     job {} in {}", self.job, self.room);
        for Delivery { site, delivered, verified_by } in &self.deliveries {
            let to = if self.deliveries.len() > 1 { format!(" to {}", escape(site)) } else { String::new() };
            text.push_str(&format!(", delivered{to} {delivered:.0}, verified by {verified_by}"));
        }
        for Failure { site, count, error, next_try } in self.failure.iter().chain(&self.lags) {
            let to = site.as_ref().map(|site| format!(" to {}", escape(site))).unwrap_or_default();
            let failed = failed_deliveries(*count);
            text.push_str(&format!(", {failed}{to} ({}), next not before {next_try:.0}", tame(error)));
        }
        if let Some(parked) = &self.parked {
            text.push_str(&format!(", parked {:.0}: {}", parked.at, tame(&parked.reason)));
        }
        let warned = self.warnings.iter().map(|warning| format!("warned    {}", tame(warning)));
        [text].into_iter().chain(warned).collect()
    }
}

fn failed_deliveries(count: u32) -> String {
    if count == 1 { "1 failed delivery".to_owned() } else { format!("{count} failed deliveries") }
}

impl Page {
    /// Returns the page as people read it.
    pub(super) fn text(&self) -> String {
        let detail = self.detail.as_ref().map(|detail| format!(" ({})", tame(detail))).unwrap_or_default();
        let status = self.status.as_ref().map_or_else(|| "not read".to_owned(), ToString::to_string);
        let mut lines = vec![
            format!("build     {}", escape(&self.name)),
            format!("record    {}: {status}{detail}", self.record),
            format!("path      {}", self.path.as_ref().map_or_else(|| "none".to_owned(), escape)),
        ];
        lines.extend(self.jobs.iter().flat_map(InSpool::lines));
        // Else what comes next says it.
        let hold = self.hold.as_ref().filter(|_| self.unknown.is_some());
        lines.extend(hold.map(|hold| format!("hold      {hold}")));
        lines.extend(self.failed.iter().map(|told| format!("failed    {}", tame(told))));
        lines.push(match (&self.unknown, self.next.is_empty()) {
            (Some(why), _) => format!("next      unknown: {}", tame(why)),
            (None, true) => "next      nothing".to_owned(),
            (None, false) => format!("next      {}", self.next.join("; ")),
        });
        lines.push(format!("unblock   {}", self.unblock));
        lines.extend(self.log.iter().map(|event| format!("log       {}", log::line(event))));
        once(lines, self.detail.as_deref()).join("\n")
    }
}

/// Says what a record says only where it says it. Short words stay: they may be part of others.
fn once(mut lines: Vec<String>, detail: Option<&str>) -> Vec<String> {
    let Some(detail) = detail.map(tame).filter(|detail| detail.len() >= 20) else { return lines };
    let begin = lines.iter().position(|line| line.contains(&detail)).map_or(lines.len(), |first| first + 1);
    for line in &mut lines[begin..] {
        *line = line.replace(&detail, "(as above)");
    }
    lines
}
