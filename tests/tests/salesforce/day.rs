//! An object that keeps the day of a build, and not the time.

use std::process::Command;
use std::time::UNIX_EPOCH;

use intraware_tests::{Program, Running};

use super::*;

#[test]
fn f_17_a_date_field_gets_the_day_that_ls_shows() {
    let bench = Bench::builder().salesforce().build();
    bench.salesforce().define(changed_object(|fields| {
        fields.iter_mut().filter(|field| field.name == "Build_Creation_Date__c").for_each(|field| {
            field.kind = FieldType::Date;
        });
    }));
    let id = bench.add_build("p1", "blast/p1", fill);
    let build = bench.build_root().join("blast/p1");
    fs::File::open(&build).and_then(|dir| dir.set_modified(UNIX_EPOCH)).expect("a directory of ours");
    // West of Greenwich, where it is the evening of the day before.
    let zone = |mut command: Command| {
        command.env("TZ", "LOC8");
        command
    };
    Running::start(zone(bench.command(Program::Manage, &["run"]))).wait().expect_silence();
    let mut ls = Command::new("ls");
    ls.args(["-ld", "--time-style=long-iso"]).arg(&build);
    let shown = zone(ls).output().expect("ls").stdout;
    let shown = String::from_utf8(shown).expect("text");
    let record = bench.salesforce().record(BUILD, &id).expect("a record");
    let day = record["Build_Creation_Date__c"].as_str().expect("a day");
    assert_eq!(day, "1969-12-31");
    assert!(shown.contains(&format!(" {day} 16:00 ")), "{shown}");
}
