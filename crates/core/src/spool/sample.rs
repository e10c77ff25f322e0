//! Jobs for the tests of what decides about them, here and in other crates.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Job, JobId, Manifest, Receipt, Room};
use crate::deliver::{Delivered, Strength};
use crate::digest::{Digester, Digests};
use crate::site::Place;

/// Returns a job of a record with this payload, whose build was prepared at this time.
pub fn job(record: &str, content: &str, room: Room, at: Timestamp) -> Job {
    let digests = digests(content);
    let id = JobId { record: record.parse().expect("an id"), generation: digests.generation() };
    Job {
        dir_name: id.to_string(),
        room,
        manifest: Manifest {
            format: 1,
            record: id.record.clone(),
            name: format!("Build {record}"),
            build_path: "/builds/blast/p7".into(),
            place: place(),
            digests,
            fingerprint: digests.sha256.to_string(),
            build_date: at,
            priority: None,
            files: 1,
            bytes: 1,
            signed_by: "ABCD".into(),
            created: at,
            created_on: "ebb".into(),
            released_before: false,
            warnings: Vec::new(),
        },
        id,
        has_payload: true,
        receipts: Vec::new(),
        lags: BTreeMap::new(),
        attempts: None,
        parked: None,
    }
}

/// Returns the receipt of the site `intraware` for such a job, of this time.
pub fn receipt(at: Timestamp) -> Receipt {
    Receipt {
        format: 1,
        site: "intraware".into(),
        peer: "sshd".into(),
        path: place().payload(),
        delivery: Delivered {
            verified_by: Strength::ServerHash,
            resumed_from: 0,
            sent: 1,
            adopted: false,
            moved_aside: None,
        },
        delivered: at,
        host: "ebb".into(),
        run: "x".into(),
    }
}

/// Returns the digests of a payload.
pub fn digests(content: &str) -> Digests {
    let mut digester = Digester::default();
    digester.update(content.as_bytes());
    digester.finish()
}

fn place() -> Place {
    Place::of_build(b"blast/p7").expect("a place")
}
