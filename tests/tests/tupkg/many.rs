//! Five hundred sessions at the same time.

use std::sync::{Arc, Barrier};
use std::thread;

use crate::raw::{Raw, announce, md5};
use crate::scene::{Scene, Tls, content};

const SESSIONS: usize = 500;

#[test]
fn s4_03_s4_05_five_hundred_sessions_at_the_same_time_all_pass() {
    let limits = "limits.sessions = 600\nlimits.sessions_per_account = 600\nlimits.logins = 600\n\
                  limits.logins_per_address = 600\nlimits.login_s = 60\nlimits.idle_s = 120";
    let scene = Scene::new(limits);
    let server = scene.serve();
    let address = server.address();
    // All have logged in and sent half of their package when the first sends the rest.
    let barrier = Arc::new(Barrier::new(SESSIONS));
    let session = |number: usize| {
        let barrier = Arc::clone(&barrier);
        let work = move || {
            let package = content(20_000 + number, number as u64);
            let mut raw = Raw::logged_in(address);
            raw.say(&announce(&format!("{number}.pkg.tar.xz"), package.len(), &md5(&package)));
            let held = raw.hear().expect("an answer");
            assert!(held.ends_with("size1=0"), "{held}");
            raw.send(&package[..10_000]);
            barrier.wait();
            raw.send(&package[10_000..]);
            assert_eq!(raw.hear().as_deref(), Some("np=1&m1=PASS"));
            raw.say("ack");
        };
        thread::Builder::new().stack_size(256 << 10).spawn(work).expect("a thread")
    };
    let sessions: Vec<_> = (0..SESSIONS).map(session).collect();
    // And some that are real ones, over TLS, meanwhile.
    let account = scene.account("account", address, Tls::Yes, "");
    let names: Vec<String> = (0..12).map(|n| format!("real-{n}.pkg.tar.xz")).collect();
    names.iter().for_each(|name| drop(scene.package(name, 500_000, 9)));
    let real: Vec<_> = names.iter().map(|name| scene.start_send(&account, &[name])).collect();
    sessions.into_iter().for_each(|session| session.join().expect("it passes"));
    real.into_iter().for_each(|running| drop(running.wait().expect(0)));
    assert_eq!(scene.incoming().len(), SESSIONS + names.len());
    assert!(server.peak_mib() < 128, "{} MiB", server.peak_mib());
}
