//! From a staged job to a payload in the upload area: own, sidecars, queue (M5 to M7).

use super::{Run, Trouble, Work};
use intraware_core::deliver::{self, DeliverError, Final, Released, Stop, Verify, moved_aside};
use intraware_core::record::{Change, Status};
use intraware_core::sidecar::{SidecarKind, Sidecars};
use intraware_core::site::{Link, RemotePath, SiteError, SiteErrorKind};
use intraware_core::sites::{Contact, Names};
use intraware_core::spool::{Job, ParkKind, Room};
use intraware_core::store::{WriteError, WriteRefusal};
use intraware_core::txlog::{Step, Subject, chain};

impl Run<'_, '_> {
    /// Brings a job that stands elsewhere back to staged.
    pub(super) fn bring_to_staged(&mut self, job: &Job, work: &mut Work) -> Result<Job, Trouble> {
        if job.room == Room::Staged {
            return Ok(job.clone());
        }
        let manager = &self.manager;
        let id = job.id.to_string();
        let subject = Subject { record: work.record.id.as_str(), job: &id };
        let lock = work.lock.as_mut().ok_or_else(|| Trouble::Moved("its lock was let go".to_owned()))?;
        let effect = format!("bring the job back from {}", job.room);
        let staged = manager
            .log
            .record(subject, Step::M4, &effect, || manager.spool.bring_back(job, manager.context, lock))?;
        work.done.push(format!("took over job {id} from {}", job.room));
        Ok(staged)
    }

    /// Makes the record describe the job: In Process, date, size and digests in one conditional write (M5).
    pub(super) fn own(&mut self, job: &Job, work: &mut Work) -> Result<(), Trouble> {
        let manifest = &job.manifest;
        let change = Change::Prepared { build_date: manifest.build_date, digests: manifest.digests };
        let id = job.id.to_string();
        let subject = Subject { record: work.record.id.as_str(), job: &id };
        let store = &mut *self.manager.store;
        let written =
            self.manager.log.record(subject, Step::M5, "set In Process with date, size and digests", || {
                store.write(&work.record, &change)
            });
        match written {
            Ok(_) => {}
            // It must not stay where an uploader could get it.
            Err(WriteError::Refused { id, refusal: refusal @ WriteRefusal::Held }) => {
                self.park(job, ParkKind::Held, "the record is on Do Not Release", work)?;
                return Err(WriteError::Refused { id, refusal }.into());
            }
            Err(error) => return Err(error.into()),
        }
        work.done.push("set In Process".to_owned());
        Ok(())
    }

    /// Puts the sidecars to the sites (M6), and then the payload into the upload area (M7).
    pub(super) fn hand_over(&mut self, job: &Job, to: &Names, work: &mut Work) -> Result<(), Trouble> {
        self.reread(job, work)?;
        let id = job.id.to_string();
        let record = work.record.id.to_string();
        let subject = Subject { record: &record, job: &id };
        let place = &job.manifest.place;
        let mut without = Vec::new();
        for site in self.places_of(to) {
            if self.is_desk(site) {
                // What lies there is the server's business, and its sidecars come with the payload.
                if self.released(job, site, work)?.is_of_other(job.id.generation) {
                    return Err(self.conflict(job, site, DeliverError::Conflict, work)?);
                }
                continue;
            }
            let released = self.released(job, site, work)?;
            let found =
                self.clear_final(job, site, released, subject).map_err(|trouble| self.told(site, trouble))?;
            match found {
                // What was released is this, and somebody has changed it there.
                Final::Conflict if released == Released::Before(Some(job.id.generation)) => {
                    return Err(self.conflict(job, site, DeliverError::Spoilt, work)?);
                }
                Final::Conflict => return Err(self.conflict(job, site, DeliverError::Conflict, work)?),
                Final::Foreign => return Err(self.conflict(job, site, DeliverError::Foreign, work)?),
                Final::Same(_) if released != Released::NotKnown => {
                    let kept = self.keep_released_sidecars(job, site, subject);
                    kept.map_err(|trouble| self.told(site, trouble))?;
                    // What of the others is missing or wrong is put right.
                    without.push(site);
                }
                Final::Free | Final::Same(_) | Final::MovedAside(_) => without.push(site),
            }
        }
        // Only now: with a signature that was released at one site, if there is one.
        let sidecars = self.manager.spool.sidecars(job)?;
        for site in without {
            let put = self.put_sidecars(job, &sidecars, site, subject);
            put.map_err(|trouble| self.told(site, trouble))?;
        }
        let shelves = to.shelves();
        if !shelves.is_empty() {
            work.done.push(format!("put the sidecars to {shelves}"));
        }
        let manager = &mut self.manager;
        manager.lock.confirm()?;
        let lock = work.lock()?;
        manager.log.record(subject, Step::M7, "move the job to upload", || {
            manager.spool.transfer(job, Room::Upload, manager.context, lock)
        })?;
        work.done.push(format!("queued for upload as {place}"));
        Ok(())
    }

    /// Verifies the signature of a job that an earlier run made, or somebody else: what is not signed by our
    /// key goes no further.
    pub(super) fn verify_signature(&mut self, job: &Job, work: &mut Work) -> Result<(), Trouble> {
        let key = self.manager.key.as_ref().map_err(Clone::clone)?;
        let sidecars = self.manager.spool.sidecars(job)?;
        let mut payload = self.manager.spool.open_payload(job)?;
        let signature = sidecars.get(SidecarKind::Signature);
        if let Err(error) = key.verify(signature, &mut payload, self.manager.context.now()) {
            let reason = format!("the job's signature does not verify: {}", chain(&error));
            self.park(job, ParkKind::Damaged, &reason, work)?;
            return Err(Trouble::Build { reason, seen: job.manifest.fingerprint.clone() });
        }
        Ok(())
    }

    /// Looks whether the record still is the job's before anything becomes visible at the site.
    fn reread(&mut self, job: &Job, work: &mut Work) -> Result<(), Trouble> {
        let now = self.manager.store.get(std::slice::from_ref(&work.record.id))?;
        let Some(record) = now.into_iter().next() else {
            return Err(Trouble::Moved("its record does not exist any more".to_owned()));
        };
        let is_ours = record.status == Status::InProcess
            && record.describes(&job.manifest.digests)
            && record.build_path.as_deref() == Some(&job.manifest.build_path);
        work.record = record;
        if is_ours { Ok(()) } else { Err(Trouble::Moved("somebody changed its record meanwhile".to_owned())) }
    }

    /// Makes the directories and finds out what stands under the payload's final name; what is known to be
    /// ours and was not released is moved aside.
    pub(super) fn clear_final(
        &mut self,
        job: &Job,
        site: usize,
        released: Released,
        subject: Subject<'_>,
    ) -> Result<Final, Trouble> {
        let manager = &mut self.manager;
        let place = &job.manifest.place;
        let (spool, name) = (manager.spool, manager.contacts[site].name().to_owned());
        let ours = || spool.ours(&name, job, true).map_err(|error| Stop(chain(&error)));
        let (link, verify) = shelf(&mut manager.contacts[site])?;
        let session = link.open()?;
        let log = manager.log;
        log.record(subject, Step::M6, &format!("make the directory {} at the site", place.dir()), || {
            session.make_dirs(place.dir())
        })?;
        let found = deliver::clear_final(session, place, &job.manifest.digests, released, verify, &ours)?;
        if let Final::MovedAside(to) = &found {
            log.note(subject, Step::M6, &moved_aside(place, to));
        }
        Ok(found)
    }

    fn put_sidecars(
        &mut self,
        job: &Job,
        sidecars: &Sidecars,
        site: usize,
        subject: Subject<'_>,
    ) -> Result<usize, Trouble> {
        let place = &job.manifest.place;
        let session = shelf(&mut self.manager.contacts[site])?.0.open()?;
        let put = || deliver::put_sidecars(session, place, job.id.generation, sidecars);
        Ok(self.manager.log.record(
            subject,
            Step::M6,
            &format!("put the sidecars of {place} to the site"),
            put,
        )?)
    }

    pub(super) fn is_desk(&self, site: usize) -> bool {
        matches!(self.manager.contacts[site], Contact::Desk { .. })
    }

    /// Takes a job out of the flow whose place something else has that must stay, and returns what to say.
    fn conflict(
        &mut self,
        job: &Job,
        site: usize,
        what: fn(RemotePath) -> DeliverError,
        work: &mut Work,
    ) -> Result<Trouble, Trouble> {
        let reason = chain(&self.told(site, what(job.manifest.place.payload()).into()));
        self.refuse(job, reason, work)
    }

    /// Takes a job out of the flow that cannot go where it belongs, and returns what to say.
    pub(super) fn refuse(&mut self, job: &Job, reason: String, work: &mut Work) -> Result<Trouble, Trouble> {
        self.park(job, ParkKind::Conflict, &reason, work)?;
        Ok(Trouble::Build { reason, seen: job.manifest.fingerprint.clone() })
    }

    /// Returns what is known of a release where a job goes: to the spool, or to the record, which may be
    /// newer than both the spool and the job.
    pub(super) fn released(&self, job: &Job, site: usize, work: &Work) -> Result<Released, Trouble> {
        Ok(match self.manager.spool.released(self.manager.contacts[site].name(), job)? {
            Released::NotKnown if work.record.released => Released::Before(None),
            known => known,
        })
    }

    /// Returns the places of sites in [`super::Manager::contacts`].
    pub(super) fn places_of(&self, names: &Names) -> Vec<usize> {
        let place = |name| self.manager.contacts.iter().position(|contact| contact.name() == name);
        names.iter().filter_map(place).collect()
    }

    /// Says of which site a trouble is, if there are several, and drops a connection that is of no more use.
    pub(super) fn told(&mut self, site: usize, trouble: Trouble) -> Trouble {
        if let Trouble::Site(error) | Trouble::Deliver(DeliverError::Site(error)) = &trouble
            && let Contact::Shelf { link, .. } = &mut self.manager.contacts[site]
        {
            link.heard(error.kind);
        }
        match &*self.manager.contacts {
            [_] => trouble,
            all => Trouble::At { site: all[site].name().to_owned(), source: Box::new(trouble) },
        }
    }

    /// The same payload was released before, with the signature that customers have: the job takes that one
    /// over, if it is good, and nothing at the site changes.
    fn keep_released_sidecars(
        &mut self,
        job: &Job,
        site: usize,
        subject: Subject<'_>,
    ) -> Result<(), Trouble> {
        let ours = self.manager.spool.sidecars(job)?;
        let key = self.manager.key.as_ref().map_err(Clone::clone)?;
        let path = job.manifest.place.sidecar(SidecarKind::Signature);
        let mut theirs = Vec::new();
        match shelf(&mut self.manager.contacts[site])?.0.open()?.get(&path, 0, &mut theirs) {
            // Customers get another one then, which is as good.
            Err(error) if error.kind == SiteErrorKind::NotFound => return Ok(()),
            got => got?,
        };
        if theirs == ours.get(SidecarKind::Signature) {
            return Ok(());
        }
        let mut payload = self.manager.spool.open_payload(job)?;
        if let Err(error) = key.verify(&theirs, &mut payload, self.manager.context.now()) {
            let reason = format!("{path} at the site was released and does not verify: {}", chain(&error));
            return Err(Trouble::Build { reason, seen: job.manifest.fingerprint.clone() });
        }
        let spool = self.manager.spool;
        let effect = "take over the signature that was released";
        Ok(self.manager.log.record(subject, Step::M6, effect, || spool.replace_signature(job, &theirs))?)
    }
}

/// Returns the connection to a site whose files can be looked at, and how strongly a payload there must be
/// verified.
fn shelf<'c, 's>(contact: &'c mut Contact<'s>) -> Result<(&'c mut Link<'s>, Verify), SiteError> {
    match contact {
        Contact::Shelf { link, verify } => Ok((link, *verify)),
        Contact::Desk { name } => {
            let text = format!("site {name} lets nobody look at what it has");
            Err(SiteError::new(SiteErrorKind::Unsupported, text))
        }
    }
}
