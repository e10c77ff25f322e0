//! Logins that want more than a key or a password as such, and servers to which no login leads.

use intraware_test_support::sshd::PASSWORD;

use super::*;
use intraware_core::exit;

fn password(word: &str) -> Credential {
    Credential::Password(Secret::new(word))
}

fn logs_in(sshd: &Sshd, credentials: Vec<Credential>) -> Result<(), SiteError> {
    Sftp::new(SftpSettings { credentials, ..settings(sshd) }).connect().map(drop)
}

#[test]
fn f_08_a_password_answers_what_a_server_asks() {
    let sshd = Sshd::start(Access::Asked);
    sshd.configure("AuthenticationMethods keyboard-interactive");
    logs_in(&sshd, vec![password(PASSWORD)]).unwrap();
    logs_in(&sshd, vec![key(sshd.stranger_key()), password(PASSWORD)]).unwrap();
    let err = logs_in(&sshd, vec![password("canary-77e0")]).unwrap_err();
    assert_eq!(err.kind, SiteErrorKind::Auth);
    assert!(err.message.contains("the server takes keyboard-interactive"), "{err}");
    assert!(!format!("{err:?}").contains("canary"), "{err:?}");
    assert_eq!(sshd.log().matches("PAM: ").count(), 1, "it is wrong once: {}", sshd.log());
}

#[test]
fn f_08_a_server_may_want_a_key_and_an_answer() {
    let sshd = Sshd::start(Access::Asked);
    sshd.configure("AuthenticationMethods publickey,keyboard-interactive");
    logs_in(&sshd, vec![key(sshd.client_key()), password(PASSWORD)]).unwrap();
    logs_in(&sshd, vec![password(PASSWORD), key(sshd.client_key())]).expect("in the other order");
    let agent = sshd.agent(&[sshd.stranger_key(), sshd.client_key()]);
    let socket = agent.socket().into();
    logs_in(&sshd, vec![Credential::Agent { socket }, password(PASSWORD)]).expect("with a key of an agent");
    let err = logs_in(&sshd, vec![key(sshd.client_key())]).unwrap_err();
    assert_eq!(err.kind, SiteErrorKind::Auth);
    let text = "accepted, but the server wants keyboard-interactive as well";
    assert!(err.message.contains(text) && !err.message.contains("refused"), "{err}");
}

#[test]
fn f_08_a_refusal_names_what_the_server_takes() {
    let sshd = Sshd::start(Access::Shell);
    for credential in [key(sshd.stranger_key()), password("canary-08")] {
        let err = logs_in(&sshd, vec![credential]).unwrap_err();
        assert!(err.message.contains("refused; the server takes publickey;"), "{err}");
    }
}

#[test]
fn f_15_algorithms_that_nobody_has_in_common_are_named_each_time_and_for_good() {
    // Some of so many tries used to find that the server has closed the connection, and to take that for the
    // reason.
    for (line, lacks) in [
        (
            "KexAlgorithms diffie-hellman-group14-sha1",
            "no key exchange in common; the server offers diffie-hellman-group14-sha1",
        ),
        (
            "MACs umac-64@openssh.com\nCiphers aes256-ctr",
            "no MAC in common; the server offers umac-64@openssh.com",
        ),
    ] {
        let sshd = Sshd::start(Access::Shell);
        sshd.configure(line);
        for _ in 0..8 {
            let err = fails(settings(&sshd));
            assert!(err.message.contains(lacks), "{err}");
            assert_eq!(err.kind.fault().exit_status(), exit::CONFIG, "{err}");
        }
    }
}

#[test]
fn n_11_a_server_that_knows_only_old_key_exchanges_is_told_from_a_broken_line() {
    let sshd = Sshd::start(Access::Shell);
    sshd.configure("KexAlgorithms diffie-hellman-group14-sha1");
    let err = fails(settings(&sshd));
    assert_eq!(err.kind, SiteErrorKind::Unsupported);
    assert!(err.message.contains("no key exchange in common"), "{err}");
    assert!(err.message.contains("diffie-hellman-group14-sha1"), "{err}");
}

#[test]
fn f_15_a_server_without_the_subsystem_does_not_fit() {
    let sshd = Sshd::start(Access::Shell);
    sshd.set_subsystem("");
    let err = fails(settings(&sshd));
    assert!(err.kind == SiteErrorKind::Unsupported && err.message.contains("the server has none"), "{err:?}");
}

#[test]
fn f_23_a_server_that_ends_it_after_some_keys_of_an_agent_is_told_so() {
    let sshd = Sshd::start(Access::SftpOnly);
    let dir = tempfile::tempdir().unwrap();
    let keys: Vec<_> = (0..9).map(|i| dir.path().join(i.to_string())).collect();
    for key in &keys {
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(key)
            .status();
        assert!(made.is_ok_and(|made| made.success()));
    }
    let agent = sshd.agent(&keys);
    let error = logs_in(&sshd, vec![Credential::Agent { socket: agent.socket().into() }]).unwrap_err();
    assert_eq!(error.kind, SiteErrorKind::Auth, "{error}");
    let said = "refused; the server ended it after 6 keys; name the right one as private_key";
    assert!(error.to_string().contains(said), "{error}");
    // One that it would have taken does not help where it comes too late, and does where it comes first.
    let late = vec![Credential::Agent { socket: agent.socket().into() }, key(sshd.client_key())];
    let error = logs_in(&sshd, late).unwrap_err();
    assert!(error.to_string().contains(said), "{error}");
    let first = vec![key(sshd.client_key()), Credential::Agent { socket: agent.socket().into() }];
    logs_in(&sshd, first).expect("with the key that is named");
}
