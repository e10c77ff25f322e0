//! Records that come in pages, and records that go.

use super::*;

/// Puts the three builds among so many records that the query selects, because it compares without regard to
/// letter case, but that are not ours, so that there is a build on each of three pages.
fn bench_of_4500() -> Bench {
    let bench = Bench::builder().salesforce().build();
    for (page, name) in NAMES.into_iter().enumerate() {
        bench.add_build(name, &format!("blast/{name}"), fill);
        for number in 1..1500 {
            let fields = json!({
                "Name": format!("other-{page}-{number}"),
                "Build_Path__c": format!("{}/other/{page}/{number}", bench.build_root().display()),
                "build_type__c": "PATCH build",
            });
            bench.salesforce().create(BUILD, fields);
        }
    }
    assert_eq!(bench.salesforce().records(BUILD).len(), 4500);
    bench
}

#[test]
fn s0_17_s0_18_builds_are_found_among_4500_records_in_three_pages() {
    let bench = bench_of_4500();
    bench.manage(&["run"]).expect_silence();
    assert_eq!(
        requests(&bench, QUERY) - 3,
        3,
        "three pages, and one look at each build before its sidecars go"
    );
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    assert_whole(&bench);
    let others =
        bench.salesforce().records(BUILD).into_iter().filter(|row| row["build_type__c"] == "PATCH build");
    assert!(others.into_iter().all(|row| row["Magma_Intraware_Upload__c"].is_null()), "none of ours");
}

/// Loses a page of the query while one build waits in the spool whose record stands on it.
fn lose_a_page(fault: Fault) {
    let bench = bench_of_4500();
    bench.manage(&["run", "--build", "p3"]).expect_silence();
    let waiting = bench.spool_listing().upload;
    // The second page passes, the third is lost: p1 and p2 are known, of p3 nothing.
    bench.salesforce().inject(fault, On::NextPage, 1, ALWAYS);
    let run = bench.manage(&["run"]).expect(75);
    run.complains(&["not all records could be read: cannot query Build__c"]);
    assert_eq!(status(&bench), ["In Process"; 3], "what was read is worked on");
    let spool = bench.spool_listing();
    assert!(spool.upload.contains(&waiting[0]) && spool.counts() == [0, 3, 0, 0, 0], "{spool:?}");
    assert_truthful(&bench);
    bench.salesforce().clear_faults();
    bench.deliver();
    assert_whole(&bench);
}

#[test]
fn a_lost_page_says_nothing_about_the_records_on_it() {
    lose_a_page(Fault::LosePage);
}

#[test]
fn a_page_that_comes_again_and_again_ends_the_query() {
    lose_a_page(Fault::RepeatPage);
}

#[test]
fn a_page_that_is_unavailable_says_nothing_about_the_records_on_it() {
    lose_a_page(Fault::Unavailable(None));
}

#[test]
fn a_record_that_cannot_be_asked_for_is_not_taken_for_deleted() {
    let bench = bench_of_4500();
    bench.manage(&["run"]).expect_silence();
    let waiting = bench.spool_listing();
    // The pages are lost on which the records of two waiting builds stand, and the question after their
    // owners fails.
    bench.salesforce().inject(Fault::LosePage, On::NextPage, 0, 1);
    bench.salesforce().inject(Fault::RequestLimit, On::Query, 1, 1);
    bench.manage(&["run"]).expect(75).complains(&["not all records could be read"]);
    assert_eq!(bench.salesforce().pending_faults(), 0);
    assert_eq!(bench.spool_listing(), waiting);
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    assert_whole(&bench);
}

#[test]
fn the_job_of_a_deleted_record_is_parked_and_reported_once() {
    let bench = bench();
    bench.manage(&["run"]).expect_silence();
    let id = bench.record("p2")["id"].as_str().expect("an id").to_owned();
    bench.salesforce().delete(BUILD, &id);
    bench.manage(&["run"]).expect(1).complains(&[&id, "its record does not exist any more"]);
    let parked = bench.spool_listing().parked;
    assert!(parked.len() == 1 && parked[0].starts_with(&id), "{parked:?}");
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p1");
    bench.assert_delivered("p3");
    assert!(!bench.site_file("blast/p2/p2.tar.gz").exists());
}
