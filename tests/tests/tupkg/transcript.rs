//! The description's own example, byte for byte: our server under a client of these bytes, and our client
//! before a server of these bytes; and the same in the dialect of 2004.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use crate::raw::{Raw, announce, framed, md5};
use crate::scene::{PATIENCE, Scene, Tls, content};

const LOGIN: &[u8] = b"\x00\x28username=bfinch@example.net&password=B0b";

/// A server that takes a connection, reads what it must and says what it is told to, and then returns all
/// that was said to it.
fn scripted(turns: Vec<(usize, Vec<u8>)>) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let work = move || {
        let (mut tcp, _) = listener.accept().expect("a client");
        // Who comes again finds nobody.
        drop(listener);
        tcp.set_read_timeout(Some(PATIENCE)).expect("an option");
        let mut said = Vec::new();
        for (count, answer) in turns {
            let mut bytes = vec![0; count];
            tcp.read_exact(&mut bytes).expect("what the client says");
            said.extend_from_slice(&bytes);
            tcp.write_all(&answer).expect("the client listens");
        }
        tcp.read_to_end(&mut said).expect("the client ends");
        said
    };
    (address, thread::spawn(work))
}

/// Two packages: of the first the server has 119 of 123 bytes, of the second, which has 3, nothing.
struct Example {
    scene: Scene,
    first: Vec<u8>,
    second: Vec<u8>,
}

impl Example {
    fn new() -> Self {
        let scene = Scene::new("");
        let (first, second) = (content(123, 1), b"abc".to_vec());
        for (name, content) in [("p1.pkg.tar.gz", &first), ("p2.pkg.tar.gz", &second)] {
            fs::write(scene.path("packages").join(name), content).expect("a package");
        }
        Self { scene, first, second }
    }

    fn announcement(&self, from: usize) -> String {
        let (one, two) = (md5(&self.first), md5(&self.second));
        let next = from + 1;
        format!(
            "numpkgs=2&name{from}=p1.pkg.tar.gz&size{from}=123&md5sum{from}={one}\
             &name{next}=p2.pkg.tar.gz&size{next}=3&md5sum{next}={two}"
        )
    }

    fn held(from: usize) -> String {
        let next = from + 1;
        format!("numpkgs=2&name{from}=p1.pkg.tar.gz&size{from}=119&name{next}=p2.pkg.tar.gz&size{next}=0")
    }
}

#[test]
fn s4_08_s4_10_s4_12_s4_13_s4_14_s4_17_our_server_answers_the_example_byte_for_byte() {
    for (from, verdicts) in [(1, "np=2&m1=PASS&m2=FAIL"), (0, "numpkgs=2&md5sum0=PASS&md5sum1=FAIL")] {
        let example = Example::new();
        let server = example.scene.serve();
        let mut early = Raw::logged_in(server.address());
        early.say(&announce("p1.pkg.tar.gz", 123, &md5(&example.first)));
        assert_eq!(early.hear().as_deref(), Some("numpkgs=1&name1=p1.pkg.tar.gz&size1=0"));
        early.send(&example.first[..119]);
        early.finish();
        early.rest();

        let mut raw = Raw::connect(server.address());
        raw.send(LOGIN);
        assert_eq!(raw.hear().as_deref(), Some("result=PASS"));
        raw.say(&example.announcement(from));
        assert_eq!(raw.hear(), Some(Example::held(from)));
        raw.send(&example.first[119..]);
        raw.send(b"abX");
        assert_eq!(raw.hear().as_deref(), Some(verdicts));
        raw.say("ack");
        assert_eq!(raw.rest(), b"", "the server closes the connection");
        assert_eq!(example.scene.incoming(), ["u1/p1.pkg.tar.gz"]);
        assert_eq!(
            fs::read(example.scene.path("root/incoming/u1/p1.pkg.tar.gz")).expect("a package"),
            example.first
        );
        assert_eq!(example.scene.below("root/accounts/u1/partial"), [""; 0]);
    }
}

#[test]
fn s4_02_s4_08_s4_12_s4_14_s4_18_our_client_speaks_the_example_byte_for_byte() {
    for (from, dialect, verdicts) in
        [(1, "readme", "np=2&m1=PASS&m2=PASS"), (0, "2004", "numpkgs=2&md5sum0=PASS&md5sum1=PASS")]
    {
        let example = Example::new();
        let announcement = framed(&example.announcement(from));
        let (address, server) = scripted(vec![
            (LOGIN.len(), framed("result=PASS")),
            (announcement.len(), framed(&Example::held(from))),
            (4 + 3, framed(verdicts)),
        ]);
        let account = example.scene.account("account", address, Tls::No, &format!("dialect = {dialect}"));
        let run = example.scene.send(&account, &["--no-check", "p1.pkg.tar.gz", "p2.pkg.tar.gz"]).expect(0);
        let passes: Vec<&str> = run.stdout.lines().filter(|line| line.ends_with("PASS")).collect();
        assert_eq!(passes.len(), 2, "{run:?}");
        let expected = [LOGIN, &announcement, &example.first[119..], b"abc", b"\x00\x03ack"].concat();
        assert_eq!(server.join().expect("no panic"), expected);
    }
}

#[test]
fn s4_15_a_refused_login_is_said_on_standard_error() {
    let example = Example::new();
    let (address, server) = scripted(vec![(LOGIN.len(), framed("result=FAIL"))]);
    let account = example.scene.account("account", address, Tls::No, "");
    let run = example.scene.send(&account, &["--no-check", "p1.pkg.tar.gz"]).expect(77);
    assert!(run.complains(&["p1.pkg.tar.gz: the server says FAIL to the login"]).stdout.contains("FAIL"));
    assert_eq!(server.join().expect("no panic"), LOGIN);
}

#[test]
fn s4_16_s4_18_each_package_s_result_is_reported_and_one_fail_is_no_success() {
    let example = Example::new();
    let announcement = framed(&example.announcement(1));
    let nothing = framed("numpkgs=2&name1=p1.pkg.tar.gz&size1=0&name2=p2.pkg.tar.gz&size2=0");
    let (address, server) = scripted(vec![
        (LOGIN.len(), framed("result=PASS")),
        (announcement.len(), nothing),
        (126, framed("np=2&m1=PASS&m2=FAIL")),
    ]);
    let account = example.scene.account("account", address, Tls::No, "");
    // It tries the second one again, and finds nobody there any more.
    let send = ["--no-check", "--tries", "1", "p1.pkg.tar.gz", "p2.pkg.tar.gz", "--json"];
    let run = example.scene.send(&account, &send).expect(69);
    let results = &run.json()["packages"];
    assert_eq!((&results[0]["result"], &results[1]["result"]), (&"PASS".into(), &"FAIL".into()), "{run:?}");
    assert!(server.join().expect("no panic").ends_with(b"\x00\x03ack"));
}
