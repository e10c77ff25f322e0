//! Each message in both dialects, and what is refused.

use super::*;
use crate::digest::{Md5Sum, Sha256Sum};

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

fn package(name: &str, size: u64, sha256: bool) -> Announced {
    let md5 = Md5Sum::parse(MD5.as_bytes()).unwrap();
    Announced {
        name: name.into(),
        size,
        md5,
        sha256: sha256.then_some(Sha256Sum::parse(&[b'a'; 64]).unwrap()),
    }
}

fn two(dialect: Dialect, sha256: bool) -> Announcement {
    Announcement { dialect, packages: vec![package("p1", 123, sha256), package("p2", 3, sha256)] }
}

fn text(message: &[u8]) -> String {
    String::from_utf8(message.to_vec()).unwrap()
}

#[test]
fn s4_10_login_and_its_answers() {
    let login = Login { user: b"bfinch@example.net".to_vec(), password: Secret::new("B0b") };
    assert_eq!(text(&login.message()), "username=bfinch@example.net&password=B0b");
    assert_eq!(Login::parse(&login.message()), Ok(login.clone()));
    assert!(!format!("{login:?}").contains("B0b"));
    assert_eq!(Login::parse(b"password=B0b"), Err(MessageError::Missing("username".to_owned())));
    assert!(matches!(Login::parse(b"username=a&password=b&c=d"), Err(MessageError::Unknown(_))));

    let fail = Refusal { reason: Reason::NotSaid, package: None };
    assert_eq!(text(&LoginAnswer::Pass.message()), "result=PASS");
    assert_eq!(text(&LoginAnswer::Fail(fail).message()), "result=FAIL");
    assert_eq!(LoginAnswer::parse(b"result=PASS"), Ok(LoginAnswer::Pass));
    assert_eq!(LoginAnswer::parse(b"result=SQLERR"), Ok(LoginAnswer::Fail(fail)));
}

#[test]
fn s4_12_announcements_show_their_dialect() {
    for (dialect, sha256, message) in [
        (
            Dialect::Readme,
            false,
            format!("numpkgs=2&name1=p1&size1=123&md5sum1={MD5}&name2=p2&size2=3&md5sum2={MD5}"),
        ),
        (
            Dialect::Y2004,
            false,
            format!("numpkgs=2&name0=p1&size0=123&md5sum0={MD5}&name1=p2&size1=3&md5sum1={MD5}"),
        ),
    ] {
        let announcement = two(dialect, sha256);
        assert_eq!(text(&announcement.message()), message);
        assert_eq!(Announcement::parse(message.as_bytes(), 2, sha256), Ok(announcement));
    }
    let with = two(Dialect::Readme, true);
    assert_eq!(Announcement::parse(&with.message(), 2, true), Ok(with.clone()));
    assert!(matches!(Announcement::parse(&with.message(), 2, false), Err(MessageError::Unknown(_))));
    // The programs of 2004 wrote the fields in any order.
    let mixed = format!("size0=3&md5sum0={MD5}&numpkgs=1&name0=p2");
    let read = Announcement::parse(mixed.as_bytes(), 2, false).unwrap();
    assert_eq!(read, Announcement { dialect: Dialect::Y2004, packages: vec![package("p2", 3, false)] });
}

#[test]
fn s4_12_announcements_with_two_meanings_or_none_are_refused() {
    let one = |index: usize| format!("name{index}=p&size{index}=3&md5sum{index}={MD5}");
    let refused = [
        format!("numpkgs=2&{}&{}&{}", one(0), one(1), one(2)),
        format!("numpkgs=1&{}&{}", one(0), one(1)),
        format!("numpkgs=2&{}&{}", one(1), one(3)),
        format!("numpkgs=2&{}&{}", one(0), one(2)),
        format!("numpkgs=2&{}", one(1)),
        format!("numpkgs=0&{}", one(1)),
        "numpkgs=0".to_owned(),
        format!("numpkgs=3&{}&{}&{}", one(1), one(2), one(3)),
        format!("numpkgs=99999999999999999999&{}", one(1)),
        format!("numpkgs=01&{}", one(1)),
        format!("numpkgs=1&{}&x=1", one(1)),
        format!("{}&numpkgs=1&numpkgs=1", one(1)),
        format!("numpkgs=1&name1=p&size1=-3&md5sum1={MD5}"),
        format!("numpkgs=1&name1=p&size1=+3&md5sum1={MD5}"),
        format!("numpkgs=1&name1=p&size1=&md5sum1={MD5}"),
        format!("numpkgs=1&name1=p&size1=9223372036854775808&md5sum1={MD5}"),
        "numpkgs=1&name1=p&size1=3&md5sum1=abcd".to_owned(),
    ];
    for message in refused {
        assert!(Announcement::parse(message.as_bytes(), 2, false).is_err(), "{message}");
    }
}

#[test]
fn s4_13_the_answer_says_how_much_is_there_already() {
    let announcement = two(Dialect::Readme, false);
    let held = Held(vec![119, 0]);
    assert_eq!(text(&held.message(&announcement)), "numpkgs=2&name1=p1&size1=119&name2=p2&size2=0");
    assert_eq!(Held::parse(&held.message(&announcement), &announcement), Ok(held.clone()));
    let old = two(Dialect::Y2004, false);
    assert_eq!(text(&held.message(&old)), "numpkgs=2&name0=p1&size0=119&name1=p2&size1=0");
    assert_eq!(Held::parse(&held.message(&old), &old), Ok(held));
    for wrong in [
        "numpkgs=2&name1=p1&size1=124&name2=p2&size2=0",
        "numpkgs=2&name1=p2&size1=119&name2=p1&size2=0",
        "numpkgs=1&name1=p1&size1=119",
        "numpkgs=2&size1=-1&size2=0",
        "result=PASS",
    ] {
        assert!(Held::parse(wrong.as_bytes(), &announcement).is_err(), "{wrong}");
    }
}

#[test]
fn s4_17_verdicts_in_both_dialects() {
    let verdicts = Verdicts(vec![Verdict::Pass, Verdict::Fail]);
    for (dialect, sha256, message) in [
        (Dialect::Readme, false, "np=2&m1=PASS&m2=FAIL"),
        (Dialect::Y2004, false, "numpkgs=2&md5sum0=PASS&md5sum1=FAIL"),
        (Dialect::Readme, true, "np=2&m1=PASS&s1=PASS&m2=FAIL&s2=FAIL"),
    ] {
        assert_eq!(text(&verdicts.message(dialect, sha256)), message);
        assert_eq!(Verdicts::parse(message.as_bytes(), dialect, 2, sha256), Ok(verdicts.clone()));
    }
    for wrong in [
        "np=1&m1=PASS",
        "np=2&m1=PASS",
        "np=2&m1=PASS&m2=pass",
        "np=2&m1=PASS&m2=PASS&m3=PASS",
        "np=2&m0=PASS&m1=PASS",
    ] {
        assert!(Verdicts::parse(wrong.as_bytes(), Dialect::Readme, 2, false).is_err(), "{wrong}");
    }
    let either = b"np=1&m1=PASS&s1=FAIL";
    assert_eq!(Verdicts::parse(either, Dialect::Readme, 1, true), Ok(Verdicts(vec![Verdict::Fail])));
}

#[test]
fn s4_15_refusals_say_why_and_about_what() {
    for dialect in [Dialect::Readme, Dialect::Y2004] {
        let refusal = Refusal { reason: Reason::Quota, package: Some(1) };
        let message = refusal.message_in(dialect);
        let read = match Held::parse(&message, &two(dialect, false)) {
            Err(MessageError::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        };
        assert_eq!(read, refusal);
    }
    assert_eq!(
        text(&Refusal { reason: Reason::Name, package: Some(0) }.message_in(Dialect::Readme)),
        "result=FAIL&reason=name&package=1"
    );
}
