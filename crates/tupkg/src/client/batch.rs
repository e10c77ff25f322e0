//! How many packages fit into one session.

use crate::wire::{Announced, Announcement, Dialect, frame};

/// What the count takes, and what an index of several digits takes more than one of one digit, in each of
/// four fields.
const COUNT: usize = 32;
const INDEX: usize = 4 * 5;

/// Returns how many of the packages, from the first one on, can be announced together: at most `most`, and so
/// many that the message has a length. At least one.
pub(super) fn fitting<'a>(
    packages: impl Iterator<Item = &'a Announced>,
    dialect: Dialect,
    most: usize,
) -> usize {
    let mut length = COUNT;
    let mut count = 0;
    for package in packages.take(most) {
        let alone = Announcement { dialect, packages: vec![package.clone()] };
        length += alone.message().len() + INDEX;
        if length > frame::MAX {
            break;
        }
        count += 1;
    }
    count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Md5Sum, Sha256Sum};

    #[test]
    fn s4_12_announcements_are_split_so_that_each_has_a_length() {
        let package = |n: usize| Announced {
            name: format!("{n}{}", "+".repeat(200)).into_bytes(),
            size: u64::MAX >> 1,
            md5: Md5Sum::parse(&[b'a'; 32]).unwrap(),
            sha256: Sha256Sum::parse(&[b'b'; 64]),
        };
        let all: Vec<Announced> = (0..1000).map(package).collect();
        for dialect in [Dialect::Readme, Dialect::Y2004] {
            let fits = fitting(all.iter(), dialect, 1000);
            let message =
                |count: usize| Announcement { dialect, packages: all[..count].to_vec() }.message().len();
            assert!(message(fits) <= frame::MAX && message(fits + 5) > frame::MAX, "{fits}");
        }
        assert_eq!(fitting(all.iter(), Dialect::Readme, 3), 3);
    }
}
