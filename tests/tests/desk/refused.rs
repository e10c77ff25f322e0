//! What cannot be handed in, and what is not believed.

use super::*;

#[test]
fn s4_16_where_only_md5_is_compared_nothing_is_handed_in_unless_that_is_allowed() {
    let mut bench = Bench::builder().desk("").build();
    let url = url(&mut bench).replace("tupkgs:", "tupkg:");
    bench.set_site("url", url);
    bench.unset_site("ca_file");
    bench.add_build("p7", "p7", small);
    bench.manage(&["run"]).expect_silence();
    let says = "can be verified by MD5 alone: the site's server knows no SHA-256";
    bench.upload(&["run"]).expect(78).complains(&["p7", says, "verify = \"md5\""]);
    let said = bench.upload(&["check"]).expect(78).stdout;
    let line = said.lines().find(|line| line.starts_with("FAILED  site: ")).expect("a line about the site");
    assert!(line.contains("bench: tupkg without protection, MD5: its server knows no SHA-256"), "{line}");
    assert!(bench.desk().names().is_empty());
    bench.set_site("verify", "md5");
    bench.upload(&["check"]).expect(0);
    bench.upload(&["run", "--job", "p7"]).expect(0);
    assert_eq!(receipt(&bench)["verified_by"], json!("md5"));
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
}

fn url(bench: &mut Bench) -> String {
    let address = bench.desk().address();
    bench.desk().url(address)
}

#[test]
fn s4_12_a_path_that_has_no_name_there_is_an_error_before_it_is_archived() {
    let bench = Bench::builder().desk("").build();
    bench.add_build("odd", "blast/a b", small);
    let says = "blast/a b cannot be named at a tupkg site";
    bench.manage(&["run"]).expect(1).complains(&["odd", says]);
    let (status, detail) = bench.status("odd");
    assert!(status == "Error" && detail.contains("letters, digits"), "{status}: {detail}");
    assert_eq!(bench.spool_listing().counts(), [0; 5]);
}

#[test]
fn another_content_that_waits_there_is_left_alone_and_the_record_says_so() {
    let mut bench = Bench::builder().desk("").build();
    bench.add_build("p7", "p7", small);
    bench.deliver();
    let theirs = bench.desk().incoming().join("p8.tar.gz");
    fs::write(&theirs, "something else").expect("a file");
    bench.add_build("p8", "p8", small);
    bench.manage(&["run"]).expect_silence();
    bench
        .upload(&["run"])
        .expect(1)
        .complains(&["p8.tar.gz: a package of that name and with another content waits there"]);
    bench.manage(&["run"]).expect(1);
    assert_eq!(bench.status("p8").0, "Error");
    assert_eq!(fs::read_to_string(&theirs).expect("a file"), "something else");
    fs::remove_file(&theirs).expect("removed");
    bench.manage(&["run", "--build", "p8"]).expect(0);
    bench.upload(&["run", "--job", "p8"]).expect(0);
    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.status("p8").0, "Completed");
}

#[test]
fn a_server_that_takes_no_such_names_is_told_apart_from_a_bad_build() {
    let bench = Bench::builder().desk("names = [\".pkg.tar.gz\"]").build();
    bench.add_build("p7", "p7", small);
    bench.manage(&["run"]).expect_silence();
    bench
        .upload(&["run"])
        .expect(78)
        .complains(&["p7.tar.gz.asc: the server takes no package of such a name"]);
    assert_eq!(bench.status("p7").0, "In Process");
}

#[test]
fn neither_password_nor_anything_steering_is_shown_and_the_certificate_counts() {
    let mut bench = Bench::builder().desk("").build();
    bench.add_build("p7", "p7", small);
    bench.manage(&["run"]).expect_silence();
    let password = bench.desk().password();
    let own = bench.desk().certificates().fingerprint("server");
    let mut said = vec![bench.manage(&["config"]).expect(0), bench.upload(&["check", "-vv"]).expect(0)];
    bench.unset_site("ca_file");
    let refused = bench.upload(&["run", "-vv"]).expect(77);
    said.push(refused.complains(&["checking the certificate of site bench", "no login was tried"]));
    bench.set_site("certificate_sha256", own);
    let right = bench.site_value("password.file");
    bench.set_site("password.file", json!(private(&bench, "wrong", "not the password")));
    let refused = bench.upload(&["run", "-vv", "--job", "p7"]).expect(77);
    said.push(refused.complains(&["logging in to site bench", "as intraware: the server says FAIL"]));
    bench.set_site("password.file", right);
    said.push(bench.upload(&["run", "-vv", "--job", "p7"]).expect(0));
    for run in &said {
        let text = format!("{}{}", run.stdout, run.stderr);
        assert!(!text.contains(password) && !text.contains("not the password"), "{text}");
    }
    let log = bench.tx_events().iter().map(Value::to_string).collect::<String>();
    assert!(log.contains("hand p7.tar.gz in at the site") && !log.contains(password), "{log}");
    assert!(!bench.desk().log().contains(password));
}

#[test]
fn what_cannot_be_is_refused_with_the_configuration() {
    let mut bench = Bench::builder().desk("").build();
    let url = url(&mut bench);
    for (key, value, says) in [
        ("url", json!(format!("{url}/incoming")), "a tupkg server has no directories"),
        ("url", json!("tupkg://u@far.example"), "set allow_plaintext = true if it must be"),
        ("url", json!("tupkgs://127.0.0.1"), "must name the account, tupkgs://USER@HOST"),
        ("url", json!("tupkgs://u:hunter2@127.0.0.1"), "must not hold a password"),
        ("verify", json!("size"), "must be \"strong\" or \"md5\" for a tupkg site"),
        ("dialect", json!("2004"), "must be \"md5\" with dialect = \"2004\""),
        ("dialect", json!("2010"), "dialect"),
    ] {
        bench.set_site(key, value);
        let run = bench.upload(&["run"]).expect(78);
        let run = run.complains(&["intraware.toml", "site.", says]);
        assert!(!run.stderr.contains("hunter2"), "{run:?}");
        bench.set_site("url", url.clone());
        bench.unset_site("verify");
        bench.unset_site("dialect");
    }
    bench.unset_site("password.file");
    bench.upload(&["run"]).expect(78).complains(&["site.password", "must be set for a tupkgs or tupkg site"]);
    let mut bench = Bench::builder().build();
    bench.set_site("verify", "md5");
    bench.upload(&["run"]).expect(78).complains(&["site.verify", "\"md5\" is for tupkg sites"]);
}
