//! Carrying out a plan: many machines at the same time, as they take turns, and the packages of each one
//! after the other over one connection.
//!
//! One lock a machine keeps two runs from working there at once; who finds it taken leaves the packages as
//! they are. If the machines of a section take turns, a lock of the section keeps a second run from sending
//! to it at all, and what the run that had it before has done is read under it: two runs would take two
//! canaries.
//!
//! A machine that nobody answers at is connected to once a run, for all its packages; one that answers and is
//! lost twice in a row is left as well. That is counted for the machine ([`crate::outage`]), and its packages
//! stay as they are.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;

use intraware_core::digest::Digester;
use intraware_core::exit::{Fault, HasFault as _};
use intraware_core::lock::Lock;
use intraware_core::txlog::chain;
use jiff::Zoned;

use crate::board::{Board, Job};
use crate::plan::{Action, Item, Plan};
use crate::routes::Section;
use crate::send::{Line, Outcome, Sender, Sent, Trouble, part, sent};
use crate::state::{Row, StateError};
use crate::turns::Standing;
use crate::upgrade::Upgraded;

/// So often in a row a connection may be lost before the machine counts as away.
const LOSSES: u32 = 2;

type Ended = BTreeMap<usize, Sent>;

impl Sender<'_> {
    /// Sends what the plan says, and returns what became of each package at each machine, in the plan's
    /// order. Nothing is sent before all of it is noted.
    pub fn send(&self, plan: &Plan<'_>) -> Result<Vec<Sent>, StateError> {
        if plan.is_named {
            let is_new = |item: &&Item<'_>| matches!(item.action, Action::Send | Action::Upgrade);
            let rows: Vec<Row> = plan.items.iter().filter(is_new).map(|item| item.row.clone()).collect();
            self.states.plan(&rows, self.context.now())?;
        }
        let (locks, taken) = self.lock_sections(plan);
        // What others have done before the locks were free.
        let known = self.states.rows()?;
        let outages = self.states.outages()?;
        let board = Board::new(self.routes, plan, &known, &outages, self.context.now());
        let mut done = Ended::new();
        for (index, item) in plan.items.iter().enumerate().filter(|(_, item)| item.action.is_work()) {
            if let Some(why) = taken.get(&item.section.name[..]) {
                board.note(index, Standing::Held);
                done.insert(index, sent(item, Outcome::Nothing(item.row.state), Some(why.clone())));
            }
        }
        let done = Mutex::new(done);
        thread::scope(|scope| {
            for _ in 0..board.workers() {
                scope.spawn(|| {
                    while let Some(job) = board.next(&|| self.zoned(), &self.context.stop) {
                        let was_away = outages.contains_key(job.machine);
                        let ended = self.work(plan, &job, &board, was_away);
                        done.lock().unwrap_or_else(PoisonError::into_inner).extend(ended);
                        board.end(&job);
                    }
                });
            }
        });
        drop(locks);
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        let waits = board.waits(&self.zoned());
        let all = plan.items.iter().zip(waits).enumerate().map(|(index, (item, waits))| {
            done.remove(&index)
                .unwrap_or_else(|| Sent { waits, ..sent(item, Outcome::Nothing(item.row.state), None) })
        });
        Ok(all.collect())
    }

    fn zoned(&self) -> Zoned {
        self.context.now().to_zoned(self.zone.clone())
    }

    /// Takes the locks of the sections whose machines take turns; says of which another run has it.
    fn lock_sections<'p>(&self, plan: &'p Plan<'_>) -> (Vec<Lock>, BTreeMap<&'p str, (Fault, String)>) {
        let works = plan.items.iter().filter(|item| item.action.is_work());
        let sections: BTreeMap<&str, &Section> =
            works.map(|item| (&item.section.name[..], item.section)).collect();
        let (mut locks, mut taken) = (Vec::new(), BTreeMap::new());
        for (name, section) in sections {
            if !section.rollout.takes_turns() {
                continue;
            }
            let mut digester = Digester::default();
            digester.update(name.as_bytes());
            let file = format!("section-{}.lock", digester.finish().sha256);
            match Lock::take(&self.dir.join("locks").join(file), self.context) {
                Ok(lock) => locks.push(lock),
                Err(error) => {
                    let told = format!("another run sends by {}: {}", section.shown(), chain(&error));
                    taken.insert(name, (error.fault(), told));
                }
            }
        }
        (locks, taken)
    }

    /// Does a job, at a machine that perhaps was away.
    fn work<'p>(
        &self,
        plan: &'p Plan<'p>,
        job: &Job<'p>,
        board: &Board<'p>,
        was_away: bool,
    ) -> Vec<(usize, Sent)> {
        let items = job.items.iter().map(|&index| (index, &plan.items[index]));
        let lock = Lock::take(&self.dir.join("locks").join(format!("{}.lock", job.machine)), self.context);
        let mut hold = match lock {
            Ok(lock) => lock,
            // Another run's packages come first; these stay as they are.
            Err(error) => {
                let (fault, told) = (error.fault(), format!("another run sends there: {}", chain(&error)));
                return items
                    .map(|(index, item)| {
                        board.note(index, Standing::Held);
                        (index, sent(item, Outcome::Nothing(item.row.state), Some((fault, told.clone()))))
                    })
                    .collect();
            }
        };
        let (mut line, mut losses, mut away, mut is_there) = (Line::default(), 0, None, false);
        let mut all = Vec::new();
        for (index, item) in items {
            if let Some(why) = &away {
                all.push((index, sent(item, Outcome::Nothing(item.row.state), Some(Clone::clone(why)))));
                continue;
            }
            if board.check(index, &self.zoned()).is_err() {
                continue;
            }
            let ended = self.send_one(item, &mut line, &mut hold);
            if line.stands() {
                losses = 0;
                is_there = true;
            }
            if let Some(trouble) = ended.as_ref().err().filter(|trouble| trouble.is_away()) {
                losses += 1;
                if losses >= LOSSES || matches!(trouble, Trouble::Contact(_)) {
                    let why = (trouble.fault(), chain(trouble));
                    let noted = self.note_away(job, board, &why.1);
                    let why = noted.map_or_else(|error| (Fault::Spool, chain(&error)), |()| why);
                    all.push((index, sent(item, Outcome::Nothing(item.row.state), Some(why.clone()))));
                    away = Some(why);
                    continue;
                }
            }
            let (ended, failed) = part(item, ended);
            if let Outcome::Upgraded(_, Upgraded { is_late: true, .. }) = &ended {
                board.note_late(job, item.row.label());
            }
            // That it cannot be noted is graver than what it was.
            let noted = self.note(item, index, board, failed.as_ref());
            let failed = noted.err().map(|error| (Fault::Spool, chain(&error))).or(failed);
            all.push((index, sent(item, ended, failed)));
        }
        if was_away
            && is_there
            && away.is_none()
            && let Err(error) = self.states.end_outage(job.machine)
        {
            tracing::warn!("{}", chain(&error));
        }
        all
    }

    /// Notes that a machine is away; a run that was stopped does not know that.
    fn note_away<'p>(&self, job: &Job<'p>, board: &Board<'p>, told: &str) -> Result<(), StateError> {
        if self.context.stop.check().is_err() {
            return Ok(());
        }
        let outage = self.states.count_outage(job.machine, told, self.context.now())?;
        board.note_away(job, outage.again);
        Ok(())
    }

    /// Notes a failure if there is one, and how far the package is.
    fn note(
        &self,
        item: &Item<'_>,
        index: usize,
        board: &Board<'_>,
        failed: Option<&(Fault, String)>,
    ) -> Result<(), StateError> {
        if let Some((fault, told)) = failed {
            self.note_failure(&item.row, *fault, told)?;
        }
        let row = self.states.now(&item.row)?;
        board.reach(index, row.as_ref());
        Ok(())
    }
}
