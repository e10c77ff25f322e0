//! From a name to a session: TLS, certificates, passwords, the base.

use super::*;

/// Returns the fingerprint as the configuration has it.
fn pin(ftpd: &Ftpd, identity: &str) -> Trust {
    Trust::Certificate(ftpd.certificates().fingerprint(identity).replace(':', "").parse().unwrap())
}

#[test]
fn a_certificate_that_is_not_trusted_ends_the_connection_before_any_login() {
    let ftpd = Ftpd::start(Kind::ProFtpd, Security::Explicit);
    let with =
        |trust: &Trust| FtpSettings { protection: Protection::Explicit(trust.clone()), ..settings(&ftpd) };
    let ours = Trust::Authorities(Some(ftpd.certificates().authority()));
    for (identity, trust, what) in [
        ("server", Trust::Authorities(None), "an unknown authority"),
        ("elsewhere", ours.clone(), "another host's"),
        ("ca", ours.clone(), "an authority's own"),
        ("server", pin(&ftpd, "elsewhere"), "another one than named"),
    ] {
        ftpd.present(identity);
        let err = fails(with(&trust));
        assert_eq!(err.kind, SiteErrorKind::HostKey, "{what}: {err:?}");
        let shown = ftpd.certificates().fingerprint(identity).replace(':', "").to_lowercase();
        assert!(err.message.contains(&shown), "{what}: {err}");
    }
    assert!(!ftpd.log().contains("USER"), "{}", ftpd.log());
    for (identity, trust) in
        [("server", &ours), ("ca", &pin(&ftpd, "ca")), ("elsewhere", &pin(&ftpd, "elsewhere"))]
    {
        ftpd.present(identity);
        let mut session = connect(with(trust));
        assert_eq!(put(session.as_mut(), identity, b"x").unwrap(), 1, "data connections as well");
    }
    assert_eq!(ftpd.log().matches("USER upload").count(), 3, "{}", ftpd.log());
}

#[test]
fn a_server_without_tls_gets_no_password() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    let trust = Trust::Authorities(None);
    let protection = Protection::Explicit(trust.clone());
    let err = fails(FtpSettings { protection, ..through(&ftpd, relay.addr().port()) });
    assert_eq!(err.kind, SiteErrorKind::Unsupported, "{err:?}");
    assert_eq!(relay.commands(), ["AUTH TLS"]);
    let protection = Protection::Implicit(trust);
    let err = fails(FtpSettings { protection, ..through(&ftpd, relay.addr().port()) });
    assert_eq!(err.kind, SiteErrorKind::Protocol, "{err:?}");
    assert!(relay.commands().iter().all(|command| !command.contains("USER") && !command.contains("PASS")));
}

#[test]
fn a_server_that_takes_its_leave_has_not_refused_tls() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    let protection = Protection::Explicit(Trust::Authorities(None));
    let settings = FtpSettings { protection, ..through(&ftpd, relay.addr().port()) };
    // As Pure-FTPd does when the line is gone, and as RFC 4217 has it for a server that is busy.
    for answer in ["220 Logout.", "431 not now"] {
        relay.answer("AUTH", answer);
        let err = fails(settings.clone());
        assert_eq!(err.kind.fault(), intraware_core::exit::Fault::TryLater, "{answer}: {err:?}");
    }
}

#[test]
fn what_is_said_before_tls_is_not_taken_for_said_in_it() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    relay.answer("AUTH", "234 go on\r\n230 logged in");
    let protection = Protection::Explicit(Trust::Authorities(None));
    let err = fails(FtpSettings { protection, ..through(&ftpd, relay.addr().port()) });
    assert_eq!(err.kind, SiteErrorKind::Protocol, "{err:?}");
}

#[test]
fn a_server_of_tls_1_3_alone_is_met_too() {
    let ftpd = Ftpd::start(Kind::ProFtpd, Security::Explicit);
    ftpd.configure("TLSProtocol TLSv1.3\nTLSOptions NoSessionReuseRequired");
    let mut session = connect(settings(&ftpd));
    for name in ["a", "b", "c", "d"] {
        put(session.as_mut(), name, b"x").unwrap();
    }
    assert!(session.peer().contains("TLSv1_3"), "{}", session.peer());
}

#[test]
fn a_refused_password_is_not_repeated() {
    for (kind, security) in [
        (Kind::ProFtpd, Security::Explicit),
        (Kind::Vsftpd, Security::Implicit),
        (Kind::PureFtpd, Security::Explicit),
    ] {
        let ftpd = Ftpd::start(kind, security);
        let with = |password: &str| FtpSettings { password: Secret::new(password), ..settings(&ftpd) };
        let err = fails(with("canary-5d41"));
        assert!(
            err.kind == SiteErrorKind::Auth && !format!("{err:?}").contains("canary"),
            "{kind:?}: {err:?}"
        );
        let err = fails(with("canary-5d41\r\nDELE x"));
        assert_eq!(err.kind, SiteErrorKind::Configuration, "{kind:?}: {err:?}");
        assert!(!format!("{err:?}").contains("canary"), "{kind:?}: {err:?}");
        assert!(!format!("{:?}", settings(&ftpd)).contains(ftpd.password()));
    }
}

#[test]
fn a_password_that_was_cut_has_not_been_refused() {
    let ftpd = Ftpd::start(Kind::ProFtpd, Security::Plain);
    let relay = Relay::start(ftpd.addr(), Fault::LoseAfter("USER upload\r\nPASS can".len() as u64));
    let err = fails(through(&ftpd, relay.addr().port()));
    assert_eq!(err.kind, SiteErrorKind::Disconnected, "{err:?}");
    assert!(err.source.is_some_and(|said| said.to_string().contains("530 ")));
}

#[test]
fn a_password_that_the_server_repeats_is_not_told() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    for code in [421, 500, 530] {
        relay.answer("PASS", &format!("{code} 'PASS {}' is no command", ftpd.password()));
        let err = fails(through(&ftpd, relay.addr().port()));
        let said = format!("{err:?}");
        assert!(said.contains(&code.to_string()) && !said.contains(ftpd.password()), "{said}");
    }
}

#[test]
fn a_base_may_be_relative_to_the_login_directory_and_must_exist() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let mut session = connect(FtpSettings { base: BasePath::Home(String::new()), ..settings(&ftpd) });
    put(session.as_mut(), "here", b"x").unwrap();
    assert!(ftpd.root().join("here").exists());
    let err = fails(FtpSettings { base: BasePath::Home("no/such".into()), ..settings(&ftpd) });
    assert_eq!(err.kind, SiteErrorKind::Configuration);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    relay.answer("PWD", "257 \"/a\u{1b}[2J\"");
    let base = BasePath::Home(String::new());
    let err = fails(FtpSettings { base, ..through(&ftpd, relay.addr().port()) });
    assert_eq!(err.kind, SiteErrorKind::Unsupported, "{err:?}");
}

#[test]
fn s2_09_a_server_that_asks_for_an_account_besides_gets_it() {
    let ftpd = Ftpd::start(Kind::Vsftpd, Security::Plain);
    let relay = FtpRelay::start(ftpd.addr(), Fault::None);
    relay.answer("PASS", "332 which account?");
    relay.answer("ACCT", "530 not this one, canary-acct");
    let account = Some(Secret::new("canary-acct"));
    let err = fails(FtpSettings { account, ..through(&ftpd, relay.addr().port()) });
    assert_eq!(err.kind, SiteErrorKind::Auth, "{err:?}");
    assert!(!format!("{err:?} {err}").contains("canary"), "{err:?}");
    assert!(relay.commands().contains(&"ACCT canary-acct".to_owned()), "{:?}", relay.commands());
    let err = fails(through(&ftpd, relay.addr().port()));
    assert_eq!(err.kind, SiteErrorKind::Auth, "{err:?}");
}
