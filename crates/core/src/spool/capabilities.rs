//! What `upload check` has found out about a site, for all hosts and programs.

use super::notes::Kept;
use super::{Note, NoteKey, Spool, SpoolError};
use crate::foreign;
use crate::site::probe::{Capabilities, FORMAT};
use crate::txlog::chain;

impl Note for Capabilities {
    const DIR: &'static str = "sites";

    const INSTEAD: &'static str = "nothing is known of what the site can do";

    fn key(&self) -> NoteKey {
        NoteKey::hashed(&self.site)
    }
}

impl Spool {
    /// Returns what `upload check` has found out about a site. What cannot be understood, or has another
    /// format, counts as nothing: nobody needs it, and it can be found out again.
    pub fn capabilities(&self, site: &str) -> Option<Capabilities> {
        let unusable = |why: &str| {
            let site = foreign::escape(site);
            tracing::warn!("what is known of site {site} cannot be used ({why}); run `upload check` again");
        };
        match self.kept::<Capabilities>(&NoteKey::hashed(site)) {
            Ok(Kept::Nothing) => None,
            Ok(Kept::Note(known)) if known.format == FORMAT => Some(known),
            Ok(Kept::Note(known)) => {
                unusable(&format!("it has format {}, this program knows {FORMAT}", known.format));
                None
            }
            Ok(Kept::Unusable(why)) => {
                unusable(&why);
                None
            }
            Err(e) => {
                unusable(&chain(&e));
                None
            }
        }
    }

    /// Forgets what was found out about a site; returns whether there was anything.
    pub fn forget_capabilities(&self, site: &str) -> Result<bool, SpoolError> {
        self.remove_note::<Capabilities>(&NoteKey::hashed(site))
    }

    /// Keeps what was found out about a site, over what was known before; but not over what a newer version
    /// wrote.
    pub fn keep_capabilities(&self, found: &Capabilities) -> Result<(), SpoolError> {
        self.put_unless_newer(found, FORMAT)
    }
}
