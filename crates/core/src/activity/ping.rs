//! Signals to a service that watches jobs, as healthchecks.io and its like understand them: a URL a job, to
//! which `/start`, nothing, or the exit status is appended.
//!
//! Whoever knows such a URL can say that all is well, so it is shown nowhere; its host may be.

use std::fmt;

/// The address of the service, in which `{run}` and `{host}` stand for the run's name and host.
#[derive(Clone, PartialEq, Eq)]
pub struct PingUrl {
    template: String,
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A run begins.
    Start,
    /// It did what it should.
    Success,
    /// It ended with this exit status.
    Failure(u8),
    /// It found the lock taken and did nothing, which is neither good nor bad.
    Idle,
}

impl PingUrl {
    /// Takes `https://HOST/PATH` or the same with `http`.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        let is_path = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\^`|".contains(&byte);
        let filled = path.replace("{run}", "").replace("{host}", "");
        let is_sound = !host.is_empty()
            && host.bytes().all(is_host)
            && filled.bytes().all(is_path)
            && !filled.contains(['{', '}']);
        is_sound.then(|| Self { template: text.trim_end_matches('/').to_owned() })
    }

    /// Returns where to say something of a run.
    pub fn of(&self, run: &str, host: &str, signal: Signal) -> String {
        let plain = |text: &str| -> String {
            text.chars()
                .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
                .collect()
        };
        let url = self.template.replace("{run}", &plain(run)).replace("{host}", &plain(host));
        match signal {
            Signal::Start => url + "/start",
            Signal::Success => url,
            Signal::Failure(status) => format!("{url}/{status}"),
            Signal::Idle => url + "/log",
        }
    }
}

impl fmt::Display for PingUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.template.split_once("://").unwrap_or_default();
        write!(f, "{scheme}://{}/…", rest.split('/').next().unwrap_or_default())
    }
}

impl fmt::Debug for PingUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_03_what_is_told_of_a_run_is_the_end_of_the_path() {
        let url = PingUrl::parse("https://hc.example/ping/s3cret/{run}-{host}/").unwrap();
        let told = |signal| url.of("manage run", "ebb", signal);
        assert_eq!(told(Signal::Success), "https://hc.example/ping/s3cret/manage-run-ebb");
        assert_eq!(told(Signal::Start), "https://hc.example/ping/s3cret/manage-run-ebb/start");
        assert_eq!(told(Signal::Failure(75)), "https://hc.example/ping/s3cret/manage-run-ebb/75");
        assert_eq!(told(Signal::Idle), "https://hc.example/ping/s3cret/manage-run-ebb/log");
        assert_eq!(format!("{url} {url:?}"), "https://hc.example/… https://hc.example/…");
    }

    #[test]
    fn s1_03_what_is_no_address_of_a_watcher_is_refused() {
        for text in ["http://127.0.0.1:8000/x", "https://[::1]:8/a", "https://hc.example"] {
            assert!(PingUrl::parse(text).is_some(), "{text}");
        }
        let wrong = [
            "",
            "hc.example/x",
            "https://",
            "https:///x",
            "https://u:pw@h/x",
            "https://h/x?rid=1",
            "https://h/a b",
        ];
        for text in wrong.into_iter().chain(["https://h/{name}", "https://h/{", "ftp://h/x"]) {
            assert!(PingUrl::parse(text).is_none(), "{text}");
        }
    }
}
