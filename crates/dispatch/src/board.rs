//! What is sent next while a run goes on: the machines of all sections, as they take turns.
//!
//! A job is one machine and all packages of one section that go there now. The jobs of a section that may
//! begin at the same time are a round, and its next round is made up when all of them have ended. A machine
//! is in one job at a time, whatever sections it is in. What could not be connected to is not tried again in
//! the run, for no package; and while it is not known how an upgrade has ended, no other one is begun at that
//! machine: it may still run. Where one was ended because its time was over, none is begun in this run: if
//! they all hang there, the others would wait for each of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use intraware_core::run::Stop;
use jiff::{Timestamp, Zoned};

use crate::known::{Cell, Table, before, is_unclear, reached, standing, unclear};
use crate::outage::Outage;
use crate::plan::{Item, Plan};
use crate::routes::{Routes, Section};
use crate::state::Row;
use crate::turns::{Standing, Unit, Wait, turns};

/// How long nothing is looked at while nothing changes: a request to stop is heard that late.
const TICK: Duration = Duration::from_millis(200);

/// One machine, and what goes there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job<'p> {
    pub(crate) machine: &'p str,
    /// Their places in the plan.
    pub(crate) items: Vec<usize>,
    part: usize,
}

/// All sections of a plan.
pub(crate) struct Board<'p> {
    inner: Mutex<Inner<'p>>,
    changed: Condvar,
}

struct Inner<'p> {
    plan: &'p Plan<'p>,
    /// Of each item of the plan.
    standings: Vec<Standing>,
    parts: Vec<Part<'p>>,
    /// The machines that are sent to just now.
    busy: BTreeSet<&'p str>,
    /// Those that are away, and until when they are left alone.
    away: BTreeMap<&'p str, Wait>,
    /// The upgrades that may still run at a machine.
    unclear: BTreeMap<&'p str, BTreeSet<String>>,
    /// The machines at which an upgrade was waited for until its time was over.
    late: BTreeMap<&'p str, Wait>,
    /// Grows with everything that may let something go that has waited.
    changes: u64,
}

/// A section, and what goes to its machines.
struct Part<'p> {
    section: &'p Section,
    machines: Vec<String>,
    packages: Vec<Package<'p>>,
    queued: VecDeque<Job<'p>>,
    busy: usize,
    /// When it was last looked for a round: after so many changes; and from when on there may be one without
    /// any.
    looked: Option<(u64, Option<Timestamp>)>,
}

/// One content of a package.
struct Package<'p> {
    /// At each machine of the section.
    at: Vec<Cell>,
    /// At those of the groups that go before.
    before: Vec<(&'p str, String, Cell)>,
}

impl Plan<'_> {
    /// Says what each item waits for, if it is to be done and cannot be begun yet: machines take turns.
    pub fn waits(
        &self,
        routes: &Routes,
        known: &[Row],
        outages: &BTreeMap<String, Outage>,
        now: &Zoned,
    ) -> Vec<Option<Wait>> {
        Board::new(routes, self, known, outages, now.timestamp()).waits(now)
    }
}

impl<'p> Board<'p> {
    /// Lays out a plan. The machines that were away are left alone, unless somebody has named the packages.
    pub(crate) fn new(
        routes: &'p Routes,
        plan: &'p Plan<'p>,
        known: &[Row],
        outages: &BTreeMap<String, Outage>,
        now: Timestamp,
    ) -> Self {
        let table = Table::of(plan, known);
        let mut parts: Vec<Part<'p>> = Vec::new();
        let mut seen = BTreeSet::new();
        for item in &plan.items {
            let (section, row) = (item.section, &item.row);
            if !seen.insert((&section.name, &row.package, row.sha256)) {
                continue;
            }
            let place = parts.iter().position(|part| part.section.name == section.name);
            let part = match place {
                Some(place) => &mut parts[place],
                None => {
                    parts.push(Part::of(section));
                    let last = parts.len() - 1;
                    &mut parts[last]
                }
            };
            part.packages.push(Package {
                at: part.machines.iter().map(|machine| table.cell(row, machine)).collect(),
                before: before(routes, section, row, &table),
            });
        }
        let machine = |item: &'p Item<'_>| {
            let machine = &item.row.machine[..];
            let outage = outages.get(machine).filter(|outage| !plan.is_named && outage.is_on(now));
            let Outage { again, .. } = outage?;
            Some((machine, Wait::Away { until: *again }))
        };
        let inner = Inner {
            plan,
            standings: plan.items.iter().map(|item| standing(item, &table)).collect(),
            parts,
            busy: BTreeSet::new(),
            away: plan.items.iter().filter_map(machine).collect(),
            unclear: unclear(plan, known),
            late: BTreeMap::new(),
            changes: 0,
        };
        Self { inner: Mutex::new(inner), changed: Condvar::new() }
    }

    /// Returns how many machines may be sent to at the same time.
    pub(crate) fn workers(&self) -> usize {
        let inner = self.lock();
        let machines: BTreeSet<&str> = inner.plan.items.iter().map(|item| &item.row.machine[..]).collect();
        let most = inner.parts.iter().map(|part| part.section.rollout.parallel as usize).max();
        most.unwrap_or(0).min(machines.len())
    }

    /// Waits for the next job; none if there is no more to come in this run, or if it is to stop.
    pub(crate) fn next(&self, now: &dyn Fn() -> Zoned, stop: &Stop) -> Option<Job<'p>> {
        let mut inner = self.lock();
        loop {
            if stop.check().is_err() {
                return None;
            }
            let now = now();
            let until = match inner.pick(&now) {
                Pick::Job(job) => return Some(job),
                Pick::Later(until) => until,
            };
            if inner.busy.is_empty() && until.is_none() {
                self.changed.notify_all();
                return None;
            }
            let left = until.map(|until| until.duration_since(now.timestamp()).unsigned_abs());
            let left = left.unwrap_or(TICK).clamp(Duration::from_millis(1), TICK);
            inner = self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns why a package of a job that has begun is not begun any more, if that is so.
    pub(crate) fn check(&self, index: usize, now: &Zoned) -> Result<(), Wait> {
        let inner = self.lock();
        if inner.standing(Cell::Item(index)) == Some(Standing::Away)
            && let Some(wait) = inner.left(&inner.plan.items[index].row.machine)
        {
            return Err(wait);
        }
        for part in &inner.parts {
            for package in &part.packages {
                let found =
                    package.at.iter().position(|cell| matches!(cell, Cell::Item(item) if *item == index));
                let Some(machine) = found else { continue };
                let turns = part.turns_of(&[inner.unit(package)], now, false);
                return turns[0][machine].clone().unwrap_or(Ok(()));
            }
        }
        Ok(())
    }

    /// Notes how far a package is now.
    pub(crate) fn note(&self, index: usize, standing: Standing) {
        self.lock().standings[index] = standing;
    }

    /// Notes how far a package is by what is known of it now.
    pub(crate) fn reach(&self, index: usize, row: Option<&Row>) {
        let mut inner = self.lock();
        let item = &inner.plan.items[index].row;
        let labels = inner.unclear.entry(&item.machine).or_default();
        match row.is_some_and(is_unclear) {
            true => labels.insert(item.label()),
            false => labels.remove(&item.label()),
        };
        inner.standings[index] = row.map_or(Standing::Held, reached);
    }

    /// Notes that a machine is away.
    pub(crate) fn note_away(&self, job: &Job<'p>, until: Timestamp) {
        self.lock().away.insert(job.machine, Wait::Away { until });
    }

    /// Notes that the upgrade of a package was waited for until its time was over.
    pub(crate) fn note_late(&self, job: &Job<'p>, label: String) {
        self.lock().late.insert(job.machine, Wait::Late { label });
    }

    /// Ends a job.
    pub(crate) fn end(&self, job: &Job<'p>) {
        let mut inner = self.lock();
        inner.busy.remove(job.machine);
        inner.parts[job.part].busy -= 1;
        inner.changes += 1;
        drop(inner);
        self.changed.notify_all();
    }

    /// Says what each item of the plan waits for, if it is to go and does not.
    pub(crate) fn waits(&self, now: &Zoned) -> Vec<Option<Wait>> {
        let inner = self.lock();
        let mut waits = vec![None; inner.plan.items.len()];
        for part in &inner.parts {
            let units: Vec<Unit> = part.packages.iter().map(|package| inner.unit(package)).collect();
            for (package, turns) in part.packages.iter().zip(part.turns_of(&units, now, true)) {
                for (cell, turn) in package.at.iter().zip(turns) {
                    let Cell::Item(item) = cell else { continue };
                    let machine = &inner.plan.items[*item].row.machine[..];
                    let is_away = inner.standing(*cell) == Some(Standing::Away);
                    let away = inner.left(machine).filter(|_| is_away);
                    waits[*item] = away.or(turn.and_then(Result::err));
                }
            }
        }
        waits
    }

    fn lock(&self) -> MutexGuard<'_, Inner<'p>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What there is to do.
enum Pick<'p> {
    Job(Job<'p>),
    /// Nothing before a job ends, or before this time.
    Later(Option<Timestamp>),
}

impl<'p> Inner<'p> {
    fn pick(&mut self, now: &Zoned) -> Pick<'p> {
        let mut first = None;
        for place in 0..self.parts.len() {
            if self.parts[place].is_due(self.changes, now.timestamp()) {
                self.make_round(place, now);
            }
            let Self { busy, parts, .. } = self;
            let part = &mut parts[place];
            if part.busy < part.section.rollout.parallel as usize
                && let Some(free) = part.queued.iter().position(|job| !busy.contains(job.machine))
                && let Some(job) = part.queued.remove(free)
            {
                part.busy += 1;
                busy.insert(job.machine);
                return Pick::Job(job);
            }
            first = first.into_iter().chain(part.looked.and_then(|(_, until)| until)).min();
        }
        Pick::Later(first)
    }

    /// Looks which machines of a section may go now.
    fn make_round(&mut self, place: usize, now: &Zoned) {
        let part = &self.parts[place];
        let units: Vec<Unit> = part.packages.iter().map(|package| self.unit(package)).collect();
        let turns = part.turns_of(&units, now, true);
        let mut until: Option<Timestamp> = None;
        let mut jobs: Vec<Job<'p>> = Vec::new();
        for machine in 0..part.machines.len() {
            let mut items = Vec::new();
            for (package, turns) in part.packages.iter().zip(&turns) {
                match (&package.at[machine], &turns[machine]) {
                    (Cell::Item(item), Some(Ok(()))) => items.push(*item),
                    (Cell::Item(_), Some(Err(Wait::Pause { until: pause }))) => until = Some(*pause),
                    (Cell::Item(_), Some(Err(_)) | None) | (Cell::Known(_), _) => {}
                }
            }
            if let Some(first) = items.first() {
                let machine = &self.plan.items[*first].row.machine;
                jobs.push(Job { machine, items, part: place });
            }
        }
        let part = &mut self.parts[place];
        part.queued.extend(jobs);
        part.looked = Some((self.changes, until));
    }

    /// Returns why a machine is left alone.
    fn left(&self, machine: &str) -> Option<Wait> {
        let unclear = || {
            let label = self.unclear.get(machine)?.first()?.clone();
            Some(Wait::Unclear { label })
        };
        self.away.get(machine).cloned().or_else(unclear).or_else(|| self.late.get(machine).cloned())
    }

    fn unit(&self, package: &Package<'p>) -> Unit {
        let lacks = package
            .before
            .iter()
            .find(|(_, _, cell)| !matches!(self.standing(*cell), Some(Standing::Done(_))));
        Unit {
            at: package.at.iter().map(|cell| self.standing(*cell)).collect(),
            before: lacks.map(|(group, label, _)| ((*group).to_owned(), label.clone())),
        }
    }

    fn standing(&self, cell: Cell) -> Option<Standing> {
        match cell {
            Cell::Known(standing) => standing,
            Cell::Item(item) => {
                let (standing, machine) = (self.standings[item], &self.plan.items[item].row.machine[..]);
                let left = self.left(machine);
                // How it has ended is what has to be found out.
                let settles = standing == Standing::Unclear && matches!(left, Some(Wait::Unclear { .. }));
                let is_left = left.is_some() && standing.is_unfinished() && !settles;
                Some(if is_left { Standing::Away } else { standing })
            }
        }
    }
}

impl<'p> Part<'p> {
    fn of(section: &'p Section) -> Self {
        let machines = section.hosts.iter().map(ToString::to_string).collect();
        Self { section, machines, packages: Vec::new(), queued: VecDeque::new(), busy: 0, looked: None }
    }

    /// Returns whether there may be a round now.
    fn is_due(&self, changes: u64, now: Timestamp) -> bool {
        let is_idle = self.queued.is_empty() && self.busy == 0;
        let is_new = |(then, until): (u64, Option<Timestamp>)| {
            then != changes || until.is_some_and(|until| until <= now)
        };
        is_idle && self.looked.is_none_or(is_new)
    }

    fn turns_of(&self, units: &[Unit], now: &Zoned, by_round: bool) -> Vec<Vec<Option<Result<(), Wait>>>> {
        turns(&self.section.rollout, &self.machines, units, now, by_round)
    }
}

#[cfg(test)]
mod tests;
