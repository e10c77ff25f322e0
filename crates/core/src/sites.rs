//! The configured sites: which builds each takes, and what it takes part in.
//!
//! A payload goes to every required site that takes its build, and is shown at none before it is proven at
//! all of them. Sites that are not required get it afterwards: they delay nothing, and what they lack is kept
//! for them for a while. Which those are follows from the configuration and from where the build lies, each
//! time anew: a job says nothing of sites until it has receipts.

use std::collections::BTreeMap;
use std::fmt;

use regex::RegexBuilder;
use serde::{Serialize, Serializer};

use crate::deliver::Verify;
use crate::site::{Desk, Known, Link, PackageName, Place, Site, SiteError, SiteErrorKind};
use crate::spool::{Job, Outage, Spool};

/// The most memory that a pattern may take, compiled, in bytes.
const PATTERN_MAX: usize = 1 << 20;

/// Which builds a site takes: those whose path below their build root has a match of a regular expression.
#[derive(Debug, Clone)]
pub struct Builds(regex::Regex);

impl Builds {
    /// Takes a pattern, or says in one line what is wrong with it.
    pub fn matching(pattern: &str) -> Result<Self, String> {
        let built = RegexBuilder::new(pattern).size_limit(PATTERN_MAX).dfa_size_limit(PATTERN_MAX).build();
        built.map(Self).map_err(|error| {
            // A syntax error is drawn over several lines, and the last one says it.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        })
    }

    fn take(&self, place: &Place) -> bool {
        self.0.is_match(place.dir().as_str())
    }
}

impl Default for Builds {
    /// Takes all builds.
    fn default() -> Self {
        Self(regex::Regex::new("").expect("the empty pattern is one"))
    }
}

impl PartialEq for Builds {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Builds {}

/// What one of the sites is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The site's name in the configuration.
    pub name: String,
    /// Which builds it takes.
    pub builds: Builds,
    /// Whether a build is not completed before it is there.
    pub is_required: bool,
    /// Whether packages are only handed in there.
    pub is_desk: bool,
    /// Whether a payload must be proven there by more than its size.
    pub must_prove: bool,
}

/// What the sites are for, in the order of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(pub Vec<Role>);

impl Roles {
    /// Returns which of the sites could not be connected to, as the spool knows.
    pub fn outages(&self, spool: &Spool) -> BTreeMap<String, Outage> {
        self.0.iter().filter_map(|role| Some((role.name.clone(), spool.outage(&role.name)?))).collect()
    }

    /// Returns the sites that a payload must reach before it is shown at any; none if no site takes its
    /// build.
    pub fn required(&self, place: &Place) -> Names {
        self.names(|role| role.is_required && role.builds.take(place))
    }

    /// Returns the sites that get a payload afterwards, and may lag.
    pub fn optional(&self, place: &Place) -> Names {
        self.names(|role| !role.is_required && role.builds.take(place))
    }

    /// Returns why a payload has no name at a required site where it must have another than elsewhere, if so.
    pub fn unnameable(&self, place: &Place) -> Option<String> {
        let desk = self.0.iter().find(|role| role.is_required && role.is_desk && role.builds.take(place))?;
        let error = PackageName::of(place).err()?;
        Some(if self.0.len() == 1 { error.to_string() } else { format!("at site {}: {error}", desk.name) })
    }

    /// Returns the sites that lag with a job that was delivered to the required ones.
    pub fn lagging(&self, job: &Job) -> Names {
        let optional = self.optional(&job.manifest.place);
        self.names(|role| optional.iter().any(|name| name == role.name) && job.receipt(&role.name).is_none())
    }

    /// Returns whether there is a site that may lag.
    pub fn has_optional(&self) -> bool {
        self.0.iter().any(|role| !role.is_required)
    }

    fn names(&self, is_meant: impl Fn(&Role) -> bool) -> Names {
        let meant = || self.0.iter().filter(|role| is_meant(role)).map(|role| role.name.clone());
        let desks = meant().filter(|name| self.0.iter().any(|role| role.is_desk && role.name == *name));
        Names { names: meant().collect(), desks: desks.collect(), is_only: self.0.len() == 1 }
    }
}

/// Returns why a build goes nowhere.
pub fn no_site(place: &Place) -> String {
    format!(
        "no required site takes {}: none of their `builds` matches that path; correct them, or the path",
        place.dir()
    )
}

/// Some of the sites, by their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    names: Vec<String>,
    /// Those of them where packages are only handed in.
    desks: Vec<String>,
    /// There is no other site, so that its name need not be said.
    is_only: bool,
}

impl Names {
    /// Returns the names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Returns those of them that are meant.
    pub fn filter(&self, is_meant: impl Fn(&str) -> bool) -> Self {
        let names = self.names.iter().filter(|name| is_meant(name)).cloned().collect();
        Self { names, ..self.clone() }
    }

    /// Returns those of them where files can be put before their payload.
    pub fn shelves(&self) -> Self {
        self.filter(|name| !self.desks.iter().any(|desk| desk == name))
    }

    /// Returns those of them where packages are only handed in.
    pub fn desks(&self) -> Self {
        self.filter(|name| self.desks.iter().any(|desk| desk == name))
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns whether one of them must be told from another site.
    pub fn must_be_told(&self) -> bool {
        !self.is_only
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_only { f.write_str("the site") } else { f.write_str(&self.names.join(" and ")) }
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.names.serialize(serializer)
    }
}

/// A site as a delivery needs it.
pub struct Destination<'s> {
    /// The site.
    pub way: Way<'s>,
    /// How strongly a delivery there must be verified.
    pub verify: Verify,
    /// How many connections to it may be open at the same time.
    pub connections: usize,
    /// What is known of its habits.
    pub known: Known,
}

/// How things get to a site.
pub enum Way<'s> {
    /// Files are put there, looked at and renamed.
    Shelf(Box<dyn Site + 's>),
    /// Packages are handed in there.
    Desk(Box<dyn Site<dyn Desk> + 's>),
}

impl Destination<'_> {
    /// Returns the site's name.
    pub fn name(&self) -> &str {
        match &self.way {
            Way::Shelf(site) => site.name(),
            Way::Desk(site) => site.name(),
        }
    }
}

/// A site that cannot be used from here, because a secret of it cannot be read for example. Other sites are
/// not concerned.
pub struct Unusable {
    /// Its name.
    pub name: String,
    /// What kind of failure it is.
    pub kind: SiteErrorKind,
    /// Why.
    pub reason: String,
}

impl<S: ?Sized> Site<S> for Unusable {
    fn name(&self) -> &str {
        &self.name
    }

    fn connect(&self) -> Result<Box<S>, SiteError> {
        Err(SiteError::new(self.kind, self.reason.clone()))
    }
}

/// A site as `manage` needs it.
pub enum Contact<'s> {
    /// Files there can be looked at.
    Shelf {
        /// The only connection, made when it is needed.
        link: Link<'s>,
        /// How strongly a payload there must be verified.
        verify: Verify,
    },
    /// What was handed in cannot be looked at: the receipt counts.
    Desk {
        /// The site's name.
        name: String,
    },
}

impl Contact<'_> {
    /// Returns the site's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Shelf { link, .. } => link.site().name(),
            Self::Desk { name } => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, pattern: &str) -> Role {
        Role {
            name: name.into(),
            builds: Builds::matching(pattern).unwrap(),
            is_required: true,
            is_desk: false,
            must_prove: true,
        }
    }

    fn place(path: &str) -> Place {
        Place::of_build(path.as_bytes()).unwrap()
    }

    #[test]
    fn a_build_goes_to_each_site_whose_pattern_is_found_in_its_path() {
        let roles = Roles(vec![role("all", ""), role("blast", "^blast/"), role("seven", "p7$")]);
        let of = |path: &str| roles.required(&place(path)).to_string();
        assert_eq!(of("blast/5.1/p7"), "all and blast and seven");
        assert_eq!(of("forge/blast/p1"), "all");
        assert_eq!(of("forge/p7"), "all and seven");
        let one = Roles(vec![role("blast", "^blast/")]);
        assert_eq!(one.required(&place("blast/p1")).to_string(), "the site");
        assert!(one.required(&place("forge/p1")).is_empty());
        let lags = Roles(vec![role("a", ""), Role { is_required: false, ..role("b", "^blast/") }]);
        let both =
            |path: &str| (lags.required(&place(path)).to_string(), lags.optional(&place(path)).to_string());
        assert_eq!(both("blast/p1"), ("a".to_owned(), "b".to_owned()));
        assert_eq!(both("forge/p1"), ("a".to_owned(), String::new()));
    }

    #[test]
    fn a_bad_pattern_says_why_in_one_line() {
        let error = |pattern: &str| Builds::matching(pattern).unwrap_err();
        assert_eq!(error("blast/(5|6"), "unclosed group");
        assert!(error("(a{1000}){1000}").contains("size limit"), "{}", error("(a{1000}){1000}"));
        assert!(!error("*").contains('\n'));
    }
}
