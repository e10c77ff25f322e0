//! The allowance of requests, as Salesforce reports it with each answer.

/// How much of an organisation's daily allowance of requests is used, by everybody together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiUsage {
    /// Requests counted in the running 24 hours; not exact.
    pub used: u64,
    /// Requests allowed in 24 hours.
    pub allowed: u64,
}

impl ApiUsage {
    /// Reads the header `Sforce-Limit-Info`, such as `api-usage=18/5000`; per-application figures
    /// may follow and are passed over.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let figures = header.split([',', ';']).find_map(|part| part.trim().strip_prefix("api-usage="))?;
        let (used, allowed) = figures.split_once('/')?;
        Some(Self { used: used.trim().parse().ok()?, allowed: allowed.trim().parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_header_is_read_with_and_without_application_figures() {
        let usage = Some(ApiUsage { used: 18, allowed: 5000 });
        assert_eq!(ApiUsage::parse("api-usage=18/5000"), usage);
        assert_eq!(ApiUsage::parse("api-usage=18/5000; per-app-api-usage=17/250(appName=sample-app)"), usage);
        assert_eq!(ApiUsage::parse("api-usage=many/5000"), None);
    }
}
