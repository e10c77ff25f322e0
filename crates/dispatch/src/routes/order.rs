//! The groups that go before others: each is one that there is, and none waits for itself.

use std::collections::BTreeSet;

use crate::error::Problem;
use crate::routes::Section;

/// Notes the sections that wait for a group that does not exist, or for what waits for them.
pub(super) fn check<'s>(sections: impl Iterator<Item = &'s Section> + Clone, problems: &mut Vec<Problem>) {
    for section in sections.clone() {
        let wrong = |message: String| {
            let problem = Problem::at(section.line, format!("after: {message}"));
            Problem { section: Some(section.name.clone()), ..problem }
        };
        let is_group =
            |group: &str| sections.clone().any(|other| other.rollout.group.as_deref() == Some(group));
        for group in section.rollout.after.iter().filter(|group| !is_group(group)) {
            problems.push(wrong(format!("no section says `group = {group}`")));
        }
        if let Some(group) = &section.rollout.group
            && before(section, sections.clone()).contains(group.as_str())
        {
            problems.push(wrong(format!("the group {group} would wait for itself")));
        }
    }
}

/// Returns all groups that go before a section.
fn before<'s>(
    section: &'s Section,
    sections: impl Iterator<Item = &'s Section> + Clone,
) -> BTreeSet<&'s str> {
    let mut all = BTreeSet::new();
    let mut open: Vec<&Section> = vec![section];
    while let Some(section) = open.pop() {
        for group in &section.rollout.after {
            if all.insert(group.as_str()) {
                open.extend(sections.clone().filter(|other| other.rollout.group.as_ref() == Some(group)));
            }
        }
    }
    all
}
