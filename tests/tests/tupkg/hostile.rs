//! Clients that mean no good, or do not know better: refused in time, nothing outside of the account's
//! directory, and neither memory nor other sessions suffer.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::raw::{Raw, announce, framed, login, md5};
use crate::scene::{PASSWORD, Scene, Server, Tls, USER, content};

/// Deadlines that a test can wait for, each different from the others.
const SHORT: &str = "limits.login_s = 1\nlimits.idle_s = 2\nlimits.total_s = 6\nlimits.min_rate_kib = 1\n\
                     limits.rate_over_s = 3\nlimits.failure_pause_ms = 50\nlimits.quota = \"1M\"";

/// How much longer than its deadline the server may take on a busy machine.
const SLACK: Duration = Duration::from_secs(4);

const DIGEST: &str = "900150983cd24fb0d6963f7d28e17f72";

/// Checks that the server ends the connection within so many seconds, and not much before.
#[track_caller]
fn ends_within(mut raw: Raw, seconds: u64, begin: Instant) {
    raw.rest();
    let (took, limit) = (begin.elapsed(), Duration::from_secs(seconds));
    assert!(took < limit + SLACK, "it took {took:?}, and {limit:?} are allowed");
    assert!(took + Duration::from_millis(300) > limit, "it took only {took:?} of {limit:?}");
}

/// Sends one byte now and then until the server ends the connection.
fn drip(raw: &mut Raw, bytes: impl IntoIterator<Item = u8>, pause: Duration) {
    for byte in bytes {
        if !raw.send(&[byte]) {
            return;
        }
        thread::sleep(pause);
    }
}

/// Checks that an honest client is served, that memory is bounded, and that nothing lies where it should not.
#[track_caller]
fn unharmed(scene: &Scene, server: &Server) {
    scene.package("honest.pkg.tar.xz", 100_000, 99);
    let account = scene.account("honest", server.address(), Tls::Yes, "");
    scene.send(&account, &["honest.pkg.tar.xz", "--tries", "20"]).expect(0);
    assert!(server.peak_mib() < 64, "{} MiB", server.peak_mib());
    let is_inside = |name: &String| {
        name == "lock"
            || name.starts_with("accounts/u1/partial/")
            || name.starts_with("accounts/u1/done/")
            || name.starts_with("incoming/u1/")
    };
    let below = scene.below("root");
    assert!(below.iter().all(is_inside), "{below:?}");
    assert!(!server.log().contains("panicked") && !server.log().contains(PASSWORD), "{}", server.log());
}

#[test]
fn s4_10_who_does_not_log_in_is_ended_within_the_deadline() {
    let scene = Scene::new(SHORT);
    let server = scene.serve();
    let begin = Instant::now();
    let silent = Raw::connect(server.address());
    let mut half = Raw::connect(server.address());
    half.send(&framed(&login(USER, PASSWORD))[..20]);
    let mut hello = Raw::connect(server.address());
    // The beginning of TLS, and then nothing.
    hello.send(&[0x16, 3, 1, 2, 0, 1]);
    let dripping = thread::spawn(move || {
        let mut raw = Raw::connect(server.address());
        drip(&mut raw, framed(&login(USER, PASSWORD)), Duration::from_millis(150));
        ends_within(raw, 1, begin);
        server
    });
    let slow_hello = {
        let mut raw = Raw::connect(silent.0.peer_addr().expect("an address"));
        thread::spawn(move || {
            drip(
                &mut raw,
                std::iter::once(0x16).chain(std::iter::repeat_n(3, 100)),
                Duration::from_millis(150),
            );
            raw
        })
    };
    [silent, half, hello].into_iter().for_each(|raw| ends_within(raw, 1, begin));
    let server = dripping.join().expect("no panic");
    let mut slow_hello = slow_hello.join().expect("no panic");
    slow_hello.rest();
    assert!(begin.elapsed() < Duration::from_secs(1) + SLACK);
    unharmed(&scene, &server);
}

#[test]
fn s4_08_s4_10_messages_that_are_none_end_the_session() {
    let scene = Scene::new(SHORT);
    let server = scene.serve();
    let long = format!("username={}&password=x", "a".repeat(2000));
    let framed_long = framed(&long);
    let starts: [&[u8]; 7] = [
        b"\0",
        b"\0\x05abc",
        b"\xff\xff",
        &framed_long,
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\xff\xff\x01\x02\x03\x04",
        b"\x80\x2e\x01\x03\x01",
    ];
    for start in starts {
        let mut raw = Raw::connect(server.address());
        raw.send(start);
        raw.finish();
        let answer = raw.rest();
        // An alert of TLS, or nothing.
        assert!(answer.is_empty() || answer[0] == 0x15, "{start:?}: {answer:?}");
    }
    for message in
        ["", "x", "username=a", "password=a", "username=a&password=%", "username=a&username=b&password=c"]
    {
        let mut raw = Raw::connect(server.address());
        raw.say(message);
        assert_eq!(raw.hear().as_deref(), Some("result=FAIL"), "{message}");
        assert_eq!(raw.rest(), b"");
    }
    unharmed(&scene, &server);
}

#[test]
fn s4_12_announcements_that_make_no_sense_are_refused() {
    let scene = Scene::new(SHORT);
    let server = scene.serve();
    let one = announce("p.pkg.tar.gz", 10, DIGEST);
    let named = |name: &str| announce(name, 10, DIGEST);
    let sized = |size: &str| format!("numpkgs=1&name1=p.pkg.tar.gz&size1={size}&md5sum1={DIGEST}");
    let malformed = [
        String::new(),
        "ack".to_owned(),
        format!("{one}&extra=1"),
        format!("{one}&name1=q.pkg.tar.gz"),
        one.replace("numpkgs=1&", ""),
        one.replace("&size1=10", ""),
        one.replace("name1", "name2"),
        one.replace("numpkgs=1", "numpkgs=0"),
        one.replace("numpkgs=1", "numpkgs=-1"),
        one.replace("numpkgs=1", "numpkgs=2"),
        one.replace("numpkgs=1", "numpkgs=1%00"),
        one.replace(DIGEST, "abcd"),
        one.replace("p.pkg", "p%.pkg"),
        one.replace("p.pkg", "p%2.pkg"),
        sized("-5"),
        sized("+5"),
        sized("1e3"),
        sized("99999999999999999999"),
        format!("{one}&sha256sum1={}", "a".repeat(64)),
    ];
    let names = [
        "../p.pkg.tar.gz",
        "..%2Fp.pkg.tar.gz",
        "%2Fetc%2Fp.pkg.tar.gz",
        "a%00.pkg.tar.gz",
        ".p.pkg.tar.gz",
        "p%252F.pkg.tar.gz",
        "a+b.pkg.tar.gz",
        "a%0ab.pkg.tar.gz",
        "p.tar.gz",
        ".pkg.tar.gz",
        "%FF.pkg.tar.gz",
    ];
    let refused = |reason: &str| format!("result=FAIL&reason={reason}");
    let about_first = |reason: &str| format!("{}&package=1", refused(reason));
    let mut cases: Vec<(String, String)> = malformed.map(|message| (message, refused("malformed"))).into();
    cases.extend(names.map(|name| (named(name), about_first("name"))));
    cases.push((one.replace("numpkgs=1", "numpkgs=1000000"), refused("packages")));
    cases.push((sized("0"), about_first("size")));
    cases.push((sized("1048577"), about_first("quota")));
    cases.push((sized("9223372036854775807"), about_first("quota")));
    let twice = format!("numpkgs=2&{}&{}", &one[10..], one[10..].replace("1=", "2="));
    cases.push((twice, "result=FAIL&reason=name&package=2".to_owned()));
    for (message, answer) in cases {
        let mut raw = Raw::logged_in(server.address());
        raw.say(&message);
        assert_eq!(raw.hear(), Some(answer), "{message}");
        assert_eq!(raw.rest(), b"", "{message}");
    }
    assert_eq!(scene.below("root/accounts/u1/partial"), [""; 0]);
    unharmed(&scene, &server);
}

#[test]
fn s4_19_who_stalls_or_drips_is_ended_and_what_came_is_kept() {
    let scene = Scene::new(SHORT);
    let mut server = scene.serve();
    let address = server.address();
    let start = |name: &str| {
        let mut raw = Raw::logged_in(address);
        raw.say(&announce(name, 100_000, DIGEST));
        assert!(raw.hear().is_some());
        raw
    };
    let mut stalled = start("stalled.pkg.tar.gz");
    stalled.send(&[7; 1000]);
    let begin = Instant::now();
    let drips = [("slow.pkg.tar.gz", 1, 3), ("steady.pkg.tar.gz", 1000, 6)].map(|(name, size, seconds)| {
        let mut raw = start(name);
        thread::spawn(move || {
            while raw.send(&vec![7; size]) && begin.elapsed() < Duration::from_secs(20) {
                thread::sleep(Duration::from_millis(200));
            }
            let took = begin.elapsed();
            assert!(took < Duration::from_secs(seconds) + SLACK, "{name}: {took:?} of {seconds} s");
            assert!(
                took + Duration::from_millis(300) > Duration::from_secs(seconds),
                "{name}: only {took:?}"
            );
        })
    });
    ends_within(stalled, 2, begin);
    drips.into_iter().for_each(|drip| drip.join().expect("it ends in time"));
    assert!(scene.partial() > 1000, "{}", scene.partial());
    server.wait_for("slower than min_rate_kib");
    unharmed(&scene, &server);
}

#[test]
fn s4_14_bytes_behind_the_announced_end_are_refused() {
    let scene = Scene::new(SHORT);
    let mut server = scene.serve();
    let mut raw = Raw::logged_in(server.address());
    raw.say(&announce("p.pkg.tar.gz", 3, DIGEST));
    assert!(raw.hear().is_some());
    raw.send(b"abcdef");
    assert_eq!(raw.rest(), b"");
    assert_eq!(scene.incoming(), [""; 0]);
    drop(raw);
    server.wait_for("more than it announced");
    unharmed(&scene, &server);
}

#[test]
fn s4_13_one_package_has_one_sender_at_a_time() {
    let scene = Scene::new(SHORT);
    let server = scene.serve();
    let mut first = Raw::logged_in(server.address());
    first.say(&announce("p.pkg.tar.gz", 3, DIGEST));
    assert!(first.hear().is_some());
    let mut second = Raw::logged_in(server.address());
    second.say(&announce("p.pkg.tar.gz", 3, DIGEST));
    assert_eq!(second.hear().as_deref(), Some("result=FAIL&reason=locked&package=1"));
    // The same name with another digest is another file.
    let mut third = Raw::logged_in(server.address());
    third.say(&announce("p.pkg.tar.gz", 3, &md5(b"xyz")));
    assert_eq!(third.hear().as_deref(), Some("numpkgs=1&name1=p.pkg.tar.gz&size1=0"));
    first.send(b"abc");
    assert_eq!(first.hear().as_deref(), Some("np=1&m1=PASS"));
    unharmed(&scene, &server);
}

#[test]
fn s4_13_another_size_or_digest_is_another_package() {
    let scene = Scene::new(SHORT);
    let server = scene.serve();
    let mut raw = Raw::logged_in(server.address());
    raw.say(&announce("p.pkg.tar.gz", 10, DIGEST));
    assert!(raw.hear().is_some());
    raw.send(b"12345");
    raw.finish();
    raw.rest();
    for (size, digest, held) in [(10, DIGEST, 5), (4, DIGEST, 0), (11, DIGEST, 0), (10, &*md5(b"x"), 0)] {
        let mut raw = Raw::logged_in(server.address());
        raw.say(&announce("p.pkg.tar.gz", size, digest));
        assert_eq!(raw.hear(), Some(format!("numpkgs=1&name1=p.pkg.tar.gz&size1={held}")));
        raw.finish();
        raw.rest();
    }
    unharmed(&scene, &server);
}

#[test]
fn s4_17_without_ack_the_result_stands_and_a_replay_changes_nothing() {
    let scene = Scene::new(SHORT);
    let server = scene.serve();
    for held in [0, 3] {
        let mut raw = Raw::logged_in(server.address());
        raw.say(&announce("p.pkg.tar.gz", 3, DIGEST));
        assert_eq!(raw.hear(), Some(format!("numpkgs=1&name1=p.pkg.tar.gz&size1={held}")));
        raw.send(&b"abc"[held..]);
        assert_eq!(raw.hear().as_deref(), Some("np=1&m1=PASS"));
        // No ack.
    }
    assert_eq!(scene.incoming(), ["u1/p.pkg.tar.gz"]);
    unharmed(&scene, &server);
}

#[test]
fn s4_10_who_guesses_waits_and_is_locked_out() {
    let scene = Scene::new("limits.failure_pause_ms = 300\nlimits.failures_s = 3");
    let server = scene.serve();
    let answer = |password: &str| {
        let begin = Instant::now();
        let mut raw = Raw::connect(server.address());
        raw.say(&login(USER, password));
        (raw.hear().expect("an answer"), begin.elapsed())
    };
    assert_eq!(answer(PASSWORD).0, "result=PASS");
    for _ in 0..5 {
        let (said, took) = answer("guess");
        assert!(said == "result=FAIL" && took >= Duration::from_millis(300), "{said} {took:?}");
    }
    let (said, took) = answer(PASSWORD);
    assert!(said == "result=FAIL" && took >= Duration::from_millis(300), "{said} {took:?}");
    thread::sleep(Duration::from_millis(3100));
    assert_eq!(answer(PASSWORD).0, "result=PASS");
    unharmed(&scene, &server);
}

#[test]
fn s4_03_s4_05_too_many_sessions_are_told_to_come_again() {
    let scene = Scene::new("limits.sessions_per_account = 2\nlimits.logins = 5\nlimits.login_s = 2");
    let mut server = scene.serve();
    let mut sessions = vec![Raw::logged_in(server.address()), Raw::logged_in(server.address())];
    let mut third = Raw::connect(server.address());
    third.say(&login(USER, PASSWORD));
    assert_eq!(third.hear().as_deref(), Some("result=FAIL&reason=busy"));
    drop(third);
    // A crowd that says nothing keeps new ones out no longer than a login may take, and harms nobody who is
    // in.
    let crowd: Vec<Raw> = (0..100).map(|_| Raw::connect(server.address())).collect();
    let package = content(100_000, 5);
    let session = &mut sessions[0];
    session.say(&announce("p.pkg.tar.xz", package.len(), &md5(&package)));
    assert!(session.hear().is_some());
    session.send(&package);
    assert_eq!(session.hear().as_deref(), Some("np=1&m1=PASS"));
    drop(sessions);
    unharmed(&scene, &server);
    drop(crowd);
    server.wait_for("too many connections that have not logged in");
}

/// Returns an address of this host that is not loopback, which stands for another host. A host without any is
/// given one of those that are nobody's (RFC 5737).
fn address_on_a_network() -> IpAddr {
    let probe = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    if probe.connect("192.0.2.1:9").is_ok() {
        return probe.local_addr().expect("an address").ip();
    }
    let added = Command::new("ip").args(["address", "replace", "198.51.100.1/32", "dev", "lo"]).status();
    assert!(added.expect("ip, of iproute2").success());
    IpAddr::from([198, 51, 100, 1])
}

#[test]
fn s4_11_from_other_hosts_nothing_goes_without_tls() {
    let scene = Scene::new("listen = [\"0.0.0.0:0\"]");
    let mut server = scene.serve();
    let far = SocketAddr::new(address_on_a_network(), server.address().port());
    let mut raw = Raw::connect(far);
    raw.say(&login(USER, PASSWORD));
    assert_eq!(raw.rest(), b"");
    drop(raw);
    server.wait_for("no TLS, which is needed from other hosts");
    let account = scene.account("far", far, Tls::No, "");
    scene.package("p.pkg.tar.xz", 1000, 1);
    scene
        .send(&account, &["p.pkg.tar.xz"])
        .expect(78)
        .complains(&["TLS is off, and the host is another one"]);
    // Plain is fine from here.
    Raw::logged_in(SocketAddr::new("127.0.0.1".parse().expect("an address"), far.port()));
}

#[test]
fn s4_03_half_open_connections_by_the_hundred_leave_memory_bounded() {
    let scene = Scene::new("limits.login_s = 2\nlimits.logins = 200\nlimits.logins_per_address = 200");
    let server = scene.serve();
    let crowd: Vec<TcpStream> = (0..200)
        .map(|n| {
            let mut tcp = TcpStream::connect(server.address()).expect("a server");
            let start: &[u8] = if n % 2 == 0 { &[0x16, 3, 1, 0x40, 0, 1, 0, 0x3f] } else { &[0, 200, b'u'] };
            // It may have been turned away.
            let _ = tcp.write_all(start).and_then(|()| tcp.write_all(&vec![0; 16_000]));
            tcp
        })
        .collect();
    thread::sleep(Duration::from_millis(500));
    drop(crowd);
    unharmed(&scene, &server);
}
