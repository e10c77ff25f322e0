//! Which files of a build are one and the same.
//!
//! A tree that was copied with `cp -al` has further names for every file, most of them outside the
//! build. Remembering them all would make memory grow with the build, so what is remembered has a
//! limit; past it a file is stored once more, which is larger but as right.

use std::collections::HashMap;

use crate::tree::Meta;

/// Most bytes of remembered names.
const MAX_REMEMBERED: usize = 16 << 20;

/// What one remembered name costs beside its bytes, roughly.
const OVERHEAD: usize = 64;

/// The first archive path of each file that has further names still to come.
#[derive(Default)]
pub(super) struct HardLinks {
    names: HashMap<u64, Remembered>,
    remembered: usize,
}

struct Remembered {
    first: Box<[u8]>,
    still_to_come: u64,
}

impl HardLinks {
    /// Returns the name under which this file is already in the archive. The name is forgotten once all names
    /// that the file has were met.
    pub(super) fn first_name(&mut self, meta: &Meta) -> Option<Box<[u8]>> {
        let remembered = self.names.get_mut(&meta.ino)?;
        remembered.still_to_come = remembered.still_to_come.saturating_sub(1);
        if remembered.still_to_come > 0 {
            return Some(remembered.first.clone());
        }
        let forgotten = self.names.remove(&meta.ino)?;
        self.remembered -= forgotten.first.len() + OVERHEAD;
        Some(forgotten.first)
    }

    /// Remembers the first name of a file; false if there is no more room.
    pub(super) fn remember(&mut self, meta: &Meta, path: &[u8]) -> bool {
        let cost = path.len() + OVERHEAD;
        if self.remembered + cost > MAX_REMEMBERED {
            return false;
        }
        self.remembered += cost;
        self.names.insert(meta.ino, Remembered { first: path.into(), still_to_come: meta.nlink - 1 });
        true
    }
}
