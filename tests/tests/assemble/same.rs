//! The result is the same for any order of fragments and any number of threads.

use std::fs;

use intraware_tests::Packages;

use crate::of;

/// Makes a package in which much is shared and some of it differs, its fragments written in this order.
fn assembled(order: &[&str], threads: &str) -> Vec<String> {
    let packages = Packages::default();
    for machine in order {
        let mut archive =
            of(machine).dir("lib").link("latest", "lib").file("include/version.h", 0o644, machine);
        for number in 0..300 {
            archive =
                archive.file(&format!("lib/{number}"), 0o600 + number % 8 * 8, format!("shared {number}"));
        }
        for number in 0..50 {
            archive =
                archive.file(&format!("lib/{machine}.{number}"), 0o755, format!("own {machine} {number}"));
        }
        // Conflicts too come out the same.
        archive = archive.file("lib/differs", 0o644, machine);
        packages.put(machine, archive);
    }
    packages.assemble(&["--mergeErrors", "--threads", threads]).expect(0);
    let list =
        fs::read_to_string(packages.root().join("foo/1.0/built.files.packageAssembly.xml")).expect("a list");
    let mut all = packages.target();
    all.push(list);
    all
}

#[test]
fn s3_27_any_order_of_fragments_and_any_number_of_threads_give_the_same() {
    let first = assembled(&["ebb", "flow", "granite", "moss"], "1");
    assert!(first.len() > 500);
    for (order, threads) in [
        (["moss", "granite", "flow", "ebb"], "1"),
        (["granite", "ebb", "moss", "flow"], "2"),
        (["flow", "moss", "ebb", "granite"], "3"),
        (["moss", "ebb", "flow", "granite"], "16"),
        (["ebb", "flow", "granite", "moss"], "0"),
    ] {
        assert!(assembled(&order, threads) == first, "{order:?} on {threads} threads");
    }
}
