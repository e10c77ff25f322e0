//! How far packages are at machines: by what a run is to do, and by what is known of the others.

use std::collections::{BTreeMap, BTreeSet};

use intraware_core::digest::Sha256Hex;

use crate::plan::{Action, Item, Plan};
use crate::routes::{Routes, Section};
use crate::state::{Row, State};
use crate::turns::Standing;

/// Where it says how far a package is at a machine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell {
    /// An item of the plan.
    Item(usize),
    /// It is no part of the plan.
    Known(Option<Standing>),
}

/// All that is known, by package, content and machine.
pub(crate) struct Table<'t> {
    rows: BTreeMap<Key<'t>, &'t Row>,
    items: BTreeMap<Key<'t>, usize>,
}

type Key<'t> = (&'t str, Sha256Hex, &'t str);

impl<'t> Table<'t> {
    pub(crate) fn of(plan: &'t Plan<'_>, known: &'t [Row]) -> Self {
        let key = |row: &'t Row| (&row.package[..], row.sha256, &row.machine[..]);
        let items = plan.items.iter().enumerate().map(|(index, item)| (key(&item.row), index));
        Self { rows: known.iter().map(|row| (key(row), row)).collect(), items: items.collect() }
    }

    pub(crate) fn cell(&self, row: &Row, machine: &str) -> Cell {
        let key = (&row.package[..], row.sha256, machine);
        match (self.items.get(&key), self.rows.get(&key)) {
            (Some(item), _) => Cell::Item(*item),
            (None, Some(row)) => Cell::Known(settled(row)),
            (None, None) => Cell::Known(None),
        }
    }
}

/// Returns what must be done before, at the machines of other groups.
pub(crate) fn before<'p>(
    routes: &'p Routes,
    section: &'p Section,
    row: &Row,
    table: &Table<'_>,
) -> Vec<(&'p str, String, Cell)> {
    let mut all = Vec::new();
    for group in &section.rollout.after {
        let is_meant =
            |other: &&Section| other.rollout.group.as_ref() == Some(group) && other.matches(&row.package);
        for host in routes.sections.iter().filter(is_meant).flat_map(|other| &other.hosts) {
            let machine = host.to_string();
            let cell = table.cell(row, &machine);
            all.push((&group[..], Row { machine, ..row.clone() }.label(), cell));
        }
    }
    all
}

/// Returns the upgrades that may still run, at the machines of a plan.
pub(crate) fn unclear<'p>(plan: &'p Plan<'_>, known: &[Row]) -> BTreeMap<&'p str, BTreeSet<String>> {
    let mut labels: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for row in known.iter().filter(|row| is_unclear(row)) {
        labels.entry(&row.machine).or_default().insert(row.label());
    }
    let machines = plan.items.iter().map(|item| &item.row.machine[..]);
    machines.filter_map(|machine| Some((machine, labels.get(machine)?.clone()))).collect()
}

pub(crate) fn is_unclear(row: &Row) -> bool {
    match row.state {
        State::Running | State::Unknown => true,
        State::Planned | State::Sent | State::Verified | State::Done | State::Failed | State::Superseded => {
            false
        }
    }
}

/// Returns how far a package is, if nothing more is done with it.
fn settled(row: &Row) -> Option<Standing> {
    match row.state {
        State::Done => Some(Standing::Done(row.since)),
        State::Verified if !row.is_upgraded => Some(Standing::Done(row.since)),
        State::Failed => Some(Standing::Failed),
        State::Unknown if row.again.is_none() => Some(Standing::Failed),
        State::Planned
        | State::Sent
        | State::Verified
        | State::Running
        | State::Unknown
        | State::Superseded => None,
    }
}

/// Returns how far a package is that this run has tried.
pub(crate) fn reached(row: &Row) -> Standing {
    let has_failed = row.failures > 0 || matches!(row.state, State::Running | State::Unknown);
    match settled(row) {
        Some(standing) => standing,
        None if has_failed => Standing::Failing { is_now: false },
        // A person holds it by now, another content has taken its place, or the run was stopped.
        None => Standing::Held,
    }
}

/// Returns how far an item of the plan is, which another run may have done meanwhile.
pub(crate) fn standing(item: &Item<'_>, table: &Table<'_>) -> Standing {
    let key = (&item.row.package[..], item.row.sha256, &item.row.machine[..]);
    let meanwhile = table.rows.get(&key).and_then(|row| settled(row));
    match item.action {
        Action::Nothing => Standing::Done(item.row.since),
        Action::Hold => Standing::Held,
        Action::Leave => Standing::Failed,
        Action::Wait(_) => Standing::Failing { is_now: false },
        Action::Settle => meanwhile.unwrap_or(Standing::Unclear),
        Action::Send | Action::Upgrade if item.row.failures > 0 => {
            meanwhile.unwrap_or(Standing::Failing { is_now: true })
        }
        Action::Send | Action::Upgrade => meanwhile.unwrap_or(Standing::Open),
    }
}
