//! The object's description, kept for a day beside the token.
//!
//! It is bound to the organisation, user, API version and object it was made for. A file that cannot
//! be read is as if there were none: everything in it can be asked for again.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use rsforce::{Access, Object};
use serde::{Deserialize, Serialize};

use super::settings::SalesforceSettings;

/// How long a description is believed.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    owner: Owner,
    made: Timestamp,
    object: Object,
}

/// What a description belongs to.
#[derive(PartialEq, Serialize, Deserialize)]
struct Owner {
    login_url: String,
    api_version: String,
    client_id: String,
    username: String,
    object: String,
}

/// The place of the kept description, if there is one.
#[derive(Debug)]
pub(super) struct Cache {
    path: Option<PathBuf>,
    access: Access,
}

impl Cache {
    pub(super) fn new(settings: &SalesforceSettings) -> Self {
        let path = settings.cache_dir.as_ref().map(|dir| dir.join("salesforce-object.json"));
        Self { path, access: settings.cache_access }
    }

    /// Returns the description that was kept less than a day before `now`.
    pub(super) fn load(&self, settings: &SalesforceSettings, now: Timestamp) -> Option<Object> {
        let kept: Kept = serde_json::from_slice(&fs::read(self.path.as_ref()?).ok()?).ok()?;
        let age = now.duration_since(kept.made);
        let is_fresh = age >= SignedDuration::ZERO && age < LIFETIME;
        let fits = kept.format == FORMAT && kept.owner == owner(settings);
        (fits && is_fresh).then_some(kept.object)
    }

    /// Keeps a description. Failing to is no fault of the run: the next one asks again.
    pub(super) fn save(&self, settings: &SalesforceSettings, object: &Object, now: Timestamp, random: u64) {
        let Some(path) = self.path.as_ref().filter(|_| self.access == Access::ReadWrite) else { return };
        let kept = Kept { format: FORMAT, owner: owner(settings), made: now, object: object.clone() };
        let temporary = path.with_extension(format!("{random:016x}.new"));
        let written = serde_json::to_vec(&kept).map_err(io::Error::from).and_then(|text| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        });
        if let Err(error) = written {
            tracing::warn!(%error, path = %intraware_core::foreign::path(path), "the object's description is not kept");
            // The temporary file may not exist; if it does and stays, nothing reads it.
            let _ = fs::remove_file(&temporary);
        }
    }

    /// Forgets the description: the organisation has contradicted it.
    pub(super) fn forget(&self) {
        if let Some(path) = self.path.as_ref().filter(|_| self.access == Access::ReadWrite) {
            // What cannot be removed is checked against the organisation after a day at the latest.
            let _ = fs::remove_file(path);
        }
    }
}

fn owner(settings: &SalesforceSettings) -> Owner {
    let (client_id, username) = settings.identity();
    Owner {
        login_url: settings.login_url.clone(),
        api_version: settings.api_version.clone(),
        client_id: client_id.to_owned(),
        username: username.to_owned(),
        object: settings.object.clone(),
    }
}
