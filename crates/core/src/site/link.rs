//! One run's connection to a site: made when first needed, made anew when it broke, and not tried again when the
//! site would not have it.

use super::{Session, Site, SiteError, SiteErrorKind};

/// A connection that is made on demand.
pub struct Link<'a> {
    site: &'a dyn Site,
    session: Option<Box<dyn Session>>,
    refusal: Option<(SiteErrorKind, String)>,
}

impl<'a> Link<'a> {
    /// Makes a link; nothing is connected yet.
    pub fn new(site: &'a dyn Site) -> Self {
        Self { site, session: None, refusal: None }
    }

    /// Returns the site.
    pub fn site(&self) -> &'a dyn Site {
        self.site
    }

    /// Returns whether the next [`Self::open`] connects.
    pub fn is_closed(&self) -> bool {
        self.session.is_none()
    }

    /// Returns why the site would not have a connection in this run, if so.
    pub fn refusal(&self) -> Option<SiteError> {
        self.refusal.as_ref().map(|(kind, reason)| SiteError::new(*kind, reason.clone()))
    }

    /// Returns the connection. After one failed attempt to connect every call fails as that one did: a run costs a
    /// site that is away one attempt, not one for each build, and one that refuses the login is not asked again.
    pub fn open(&mut self) -> Result<&mut (dyn Session + 'static), SiteError> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let session = match self.session.take() {
            Some(session) => session,
            None => self.site.connect().inspect_err(|e| {
                self.refusal = Some((e.kind, crate::txlog::chain(e)));
            })?,
        };
        Ok(self.session.insert(session).as_mut())
    }

    /// Hears of a failure; a connection that is of no more use is dropped.
    pub fn heard(&mut self, kind: SiteErrorKind) {
        if kind.is_dead() {
            self.session = None;
        }
    }
}
