use std::collections::BTreeSet;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::reader::Reader;
use super::written::Written;
use super::*;

mod sites;
mod trees;

const SQLITE: &str = include_str!("../../../config/sqlite.toml");
const PRODUCTION: &str = include_str!("../../../config/production.toml");

/// A configuration in which only what must be set is set; more lines may follow.
const SALESFORCE: &str = r#"records.salesforce.client_id = "3MVG9"
records.salesforce.username = "ci@example.com"
site = [{ url = "sftp://upload@intraware.example:22/incoming", private_key = "/etc/intraware/id_ed25519" }]
"#;

/// The reference with its commented-out keys switched on.
fn whole_reference() -> String {
    let mut text = String::new();
    for line in REFERENCE.lines() {
        let key = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
        text.push_str(key.unwrap_or(line));
        text.push('\n');
    }
    text.replace("client_id = \"\"", "client_id = \"3MVG9\"").replace("username = \"\"", "username = \"ci\"")
}

fn problems(text: &str) -> Vec<String> {
    match Config::parse(text, "c.toml") {
        Ok(_) => Vec::new(),
        Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
    }
}

/// Adds `lines` to the smallest configuration and returns the only problem.
fn problem(lines: &str) -> String {
    let found = problems(&format!("{SALESFORCE}{lines}\n"));
    assert_eq!(found.len(), 1, "{lines}: {found:#?}");
    found[0].clone()
}

fn salesforce(config: &Config) -> &SalesforceConfig {
    match &config.records.backend {
        Backend::Salesforce(salesforce) => salesforce,
        Backend::Sqlite { .. } => panic!("the backend is SQLite"),
    }
}

#[test]
fn the_reference_names_every_key_there_is_and_no_other() {
    let text = whole_reference();
    let reference = Written::parse(&text).unwrap();
    let mut reader = Reader::new(&reference, &reference);
    sections::read(&mut reader);
    let asked: BTreeSet<&str> = reader.asked().iter().copied().collect();
    assert_eq!(asked.len(), reader.asked().len(), "a key is read twice");
    for key in asked {
        assert!(reference.get(key, 0).is_some(), "{key} is not in the reference");
    }
    // Of some keys only one may be set, and here all are.
    let keys: Vec<String> = match reader.finish() {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|problem| problem.key).collect(),
    };
    assert_eq!(keys, ["site.ca_file", "site.netrc", "tree.apt.signing_key"]);
}

#[test]
fn the_reference_as_it_stands_says_what_must_be_filled_in() {
    let keys: Vec<String> = match Config::parse(REFERENCE, "x") {
        Err(errors) => errors.problems().iter().map(|problem| problem.key.clone()).collect(),
        Ok(_) => Vec::new(),
    };
    assert_eq!(
        keys,
        ["records.salesforce.client_id", "records.salesforce.username", "site.url"],
        "site.private_key is not demanded before the scheme is known"
    );
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let config = Config::parse(SALESFORCE, "c.toml").unwrap();
    assert_eq!(config.spool.root, Path::new("/mnt/intraware"));
    assert_eq!(config.spool.build_roots, [Path::new("/builds")]);
    assert_eq!((config.spool.keep_days, config.spool.max_payload), (30, 200 << 30));
    assert!(!config.spool.single_host && !config.signing.accept_sha1);
    assert_eq!((config.archive.level, config.archive.links), (6, Links::Reject));
    let salesforce = salesforce(&config);
    assert_eq!(salesforce.login_url, "https://login.salesforce.com");
    assert_eq!(salesforce.object, "Build__c");
    assert_eq!(salesforce.fields.status, "Magma_Intraware_Upload__c");
    assert_eq!(salesforce.fields.detail.as_deref(), Some("Magma_Intraware_Upload_Detail__c"));
    assert!(matches!(&salesforce.auth, AuthConfig::JwtBearer { client_id, .. } if client_id == "3MVG9"));
    assert_eq!(config.records.values.build_type, ["Patch Build"]);
    assert_eq!(config.records.values.ready, "Ready for Intraware File Association");
    let site = &config.sites[0];
    assert_eq!((site.name.as_str(), site.verify, site.file_mode), ("intraware", Verification::Strong, 0o644));
    assert_eq!(site.connections, 8);
    assert_eq!((site.connect_timeout.as_secs(), site.io_timeout.as_secs()), (20, 60));
    assert_eq!(site.min_rate, 1024);
    assert!(site.is_required);
    assert!(site.exec_hash && !site.agent && site.password.is_none());
    assert_eq!((site.tls, &site.trust), (TlsBegin::Explicit, &Trust::Authorities(None)));
}

#[test]
fn the_example_for_sqlite_is_complete_and_its_every_beginning_is_refused() {
    let config = Config::parse(SQLITE, "sqlite.toml").unwrap();
    let path = Path::new("/var/lib/intraware/records.db");
    assert_eq!(config.records.backend, Backend::Sqlite { path: path.to_owned() });
    for end in 0..SQLITE.len() {
        assert!(!problems(&SQLITE[..end]).is_empty(), "half a file was taken:\n{}", &SQLITE[..end]);
    }
}

#[test]
fn newcomer_m9_the_configuration_to_install_is_short_and_all_it_leaves_out_has_its_default() {
    let config = Config::parse(PRODUCTION, "production.toml").unwrap();
    assert!(matches!(config.records.backend, Backend::Salesforce(_)), "{:?}", config.records.backend);
    let says = |line: &&str| !line.is_empty() && !line.starts_with('#');
    assert!(PRODUCTION.lines().filter(says).count() <= 15);
    let from_file = config.entries().iter().filter(|entry| entry.origin != Origin::Default).count();
    assert!(from_file <= 15, "{from_file}");
    // With what is left out put in.
    let whole = PRODUCTION.replace("\n#", "\n");
    let text = whole.lines().filter(|line| line.contains(" = ") || line.starts_with('[')).collect::<Vec<_>>();
    Config::parse(&(text.join("\n") + "\n"), "whole.toml").unwrap();
}

#[test]
fn newcomer_d8_a_key_without_a_value_is_called_that() {
    for line in ["root =", "root =   # later"] {
        let told = problems(&format!("[spool]\n{line}\nkeep_days = 3\n"));
        assert!(
            told.iter().any(|told| told.contains(":2: ") && told.contains("nothing stands behind the \"=\"")),
            "{told:?}"
        );
    }
}

#[test]
fn all_problems_are_told_at_once_each_with_line_key_value_and_what_is_allowed() {
    let text = "[spool]\nrooot = \"/x\"\nkeep_days = -1\nbuild_roots = [\"builds\"]\nsingle_host = \"yes\"\n\
                [records]\nbackend = \"oracle\"\n[archive]\nlevel = 13\n[[site]]\nurl = \"tupkg://h/in\"\nmin_rate_kib = 0\n\
                [records.salesforce]\napi_version = \"66\"\n";
    let expected = [
        "c.toml:2: spool.rooot: is not a known key; did you mean spool.root?",
        "c.toml:3: spool.keep_days = -1: must be a whole number from 0 to 3650",
        "c.toml:4: spool.build_roots = [\"builds\"]: each must be an absolute path without \".\" or \"..\", such as \"/etc/intraware\"",
        "c.toml:5: spool.single_host = \"yes\": must be true or false",
        "c.toml:7: records.backend = \"oracle\": must be \"salesforce\" or \"sqlite\"",
        "c.toml:9: archive.level = 13: must be a whole number from 1 to 12",
        "c.toml:11: site.url = \"tupkg://h/in\": must end behind the host, tupkgs://USER@HOST:PORT, since a tupkg server has no directories",
        "c.toml:12: site.min_rate_kib = 0: must be a whole number from 1 to 1048576",
        "c.toml:14: records.salesforce.api_version = \"66\": must be a version from \"31.0\" on, such as \"66.0\"",
        "c.toml: records.salesforce.client_id: must be set for auth = \"jwt-bearer\"",
        "c.toml: records.salesforce.username: must be set for auth = \"jwt-bearer\"",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn unknown_keys_suggest_the_nearest_wherever_they_are() {
    assert!(problem("[spool]\nbuild_root = []").contains("did you mean spool.build_roots?"));
    assert!(problem("[records.value]\nerror = \"E\"").contains("did you mean records.values?"));
    assert!(problem("keep_days = 3").contains("did you mean spool.keep_days?"));
    assert!(problem("[elsewhere]\nx = 1").ends_with("config/intraware.toml lists all of them"));
    assert!(problem("\"spool.root\" = \"/x\"").contains("not a known key"));
    assert!(problem("spool = 3").contains("must be a table"));
}

#[test]
fn syntax_errors_have_a_line_and_quote_nothing() {
    for text in
        ["a = 1\npassword = \"hunter2\n", "a = 1\npassword = hunter2\n", "a = 1\n[site\n", "a = 1\na = 2\n"]
    {
        let found = problems(text).join("\n");
        assert!(found.contains("c.toml:2: is not valid TOML"), "{found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
    assert!(problems(&format!("a = {}\n", "[".repeat(100_000))).join("").contains("is not valid TOML"));
}

#[test]
fn secrets_name_a_source_and_one_that_was_written_down_is_not_repeated() {
    let forms = [
        ("{ file = \"/s\" }", SecretSource::File("/s".into())),
        ("{ env = \"PW\" }", SecretSource::Env("PW".into())),
        ("{ command = [\"/p\", \"a b\"] }", SecretSource::Command(vec!["/p".into(), "a b".into()])),
    ];
    for (form, source) in forms {
        let text = format!("{SALESFORCE}signing.passphrase = {form}\n");
        assert_eq!(Config::parse(&text, "c").unwrap().signing.passphrase, Some(source));
    }
    let wrong = [
        "\"hunter2\"",
        "{ file = \"hunter2\" }",
        "{ value = \"hunter2\" }",
        "{ env = \"hunter2!\" }",
        "{ command = [\"echo\", \"hunter2\"] }",
        "{ command = \"hunter2\" }",
        "{ file = \"/a\", env = \"hunter2\" }",
        "[\"hunter2\"]",
        "{}",
    ];
    for form in wrong {
        let found = problem(&format!("signing.passphrase = {form}"));
        assert!(found.starts_with("c.toml:4: signing.passphrase: must"), "{found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let places = [
        "records.salesforce.private_key = \"\"\"-----BEGIN RSA PRIVATE KEY-----\\nhunter2\"\"\"",
        "records.salesforce.private_key = \"-----BEGIN PRIVATE KEY-----hunter2\"",
        "records.salesforce.login_url = \"https://u:hunter2@login.example\"",
        "records.salesforce.passwort = \"hunter2\"",
        "spool.build_roots = [\"sftp://u:hunter2@h/\"]",
    ];
    for place in places {
        assert!(!problem(place).contains("hunter2"), "{place}");
    }
    let url = "[[site]]\nurl = \"sftp://u:hunter2@h/in\"\n";
    let found = problems(url).join("\n");
    assert!(found.contains("must not hold a password") && !found.contains("hunter2"), "{found}");
}

#[test]
fn foreign_characters_in_a_message_are_escaped() {
    let found = problem("archive.links = \"\\u001b[31mred\"");
    assert!(found.contains("control characters") && !found.contains('\u{1b}'), "{found}");
    let found = problem("\"a\\u001b\\nb\" = 1");
    assert!(found.contains("a\\x1b\\x0ab"), "{found}");
}

#[test]
fn build_roots_lie_apart_from_each_other_and_from_the_spool() {
    assert!(problem("spool.build_roots = [\"/a\", \"/a/b\"]").contains("inside another"));
    assert!(problem("spool.build_roots = [\"/a\", \"/a/\"]").contains("twice"));
    assert!(problem("spool.build_roots = [\"/\"]").contains("outside spool.root"));
    assert!(problem("spool.build_roots = [\"/mnt/intraware/builds\"]").contains("outside spool.root"));
    assert!(problem("spool.build_roots = []").contains("at least one"));
    assert_eq!(problems(&format!("{SALESFORCE}spool.build_roots = [\"/a\", \"/ab\"]\n")), [""; 0]);
}

#[test]
fn words_and_fields_must_be_told_apart() {
    assert!(
        problem("records.values.error = \"completed\"").contains("must differ from records.values.error")
    );
    assert!(
        problem("records.values.ready = \"file associated\"")
            .contains("must differ from records.values.ready")
    );
    assert!(problem("records.values.error = \"\"").contains("must be set"));
    let found = problem("records.salesforce.fields.md5 = \"payload_size__C\"");
    assert!(found.contains("must not be the field of records.salesforce.fields.size"), "{found}");
    let none = SALESFORCE.to_owned() + "[records.salesforce.fields]\ndetail = \"\"\npriority = \"\"\n";
    let config = Config::parse(&none, "c").unwrap();
    assert_eq!(salesforce(&config).fields.detail, None);
    assert_eq!(salesforce(&config).fields.priority, None);
}

#[test]
fn s0_50_the_selection_can_be_narrowed_by_equalities() {
    let text = format!("{SALESFORCE}[records.filter]\nTrain__c = \"5.1\"\nArea__c = \"O'Hare\"\n");
    let config = Config::parse(&text, "c").unwrap();
    let filter = [("Area__c".to_owned(), "O'Hare".to_owned()), ("Train__c".to_owned(), "5.1".to_owned())];
    assert_eq!(config.records.filter, filter);
    assert!(problem("[records.filter]\n\"a = b OR c\" = \"x\"").contains("API name"));
    assert!(problem("[records.filter]\nTrain__c = 5").contains("must be a text in quotes"));
    let sqlite = SQLITE.replace("[signing]", "[records.filter]\nA = \"x\"\n[signing]");
    assert!(problems(&sqlite).join("").contains("records.filter: works with backend = \"salesforce\" only"));
}

#[test]
fn entries_tell_who_says_so_and_never_a_secret() {
    let text = format!("{SALESFORCE}signing.passphrase = {{ command = [\"/p\", \"hunter2\"] }}\n");
    let config = Config::parse(&text, "c").unwrap();
    let entry = |key: &str| {
        let entry = config.entries().iter().find(|entry| entry.key == key).unwrap();
        (entry.value.as_str(), entry.origin)
    };
    assert_eq!(entry("signing.passphrase"), ("command /p …", Origin::File { line: 4 }));
    assert_eq!(entry("records.salesforce.username"), ("\"ci@example.com\"", Origin::File { line: 2 }));
    assert_eq!(entry("spool.build_roots"), ("[\"/builds\"]", Origin::Default));
    assert_eq!(entry("site.password"), ("not set", Origin::Default));
    assert_eq!(entry("archive.level"), ("6", Origin::Default));
    assert!(config.entries().iter().all(|entry| !entry.value.contains("hunter2")));
}

#[test]
fn a_file_is_read_if_it_is_one_and_not_everybodys() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    let message = |path: &Path| Config::load(path).unwrap_err().to_string();
    assert!(message(&path).contains("--config"));
    assert!(message(dir.path()).contains("is not a regular file"));
    std::fs::write(&path, SALESFORCE).unwrap();
    assert!(Config::load(&path).is_ok());
    std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert!(message(&path).contains("chmod o-w"));
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, b"a = 1\nb = \"\xff\"\n").unwrap();
    assert!(message(&path).contains("not UTF-8 on line 2"));
    std::fs::write(&path, "#".repeat(1 << 21)).unwrap();
    assert!(message(&path).contains("larger than"));
}

#[test]
fn s3_21_what_may_differ_is_configuration_that_stands_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    let load = |text: &str| {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        AssembleConfig::load(&path).map_err(|errors| errors.to_string())
    };
    assert_eq!(load("").unwrap(), AssembleConfig::default());
    // What is wrong elsewhere is not a build machine's business.
    let config = load(
        "[spool]\nroot = 5\n[assemble]\nline_endings = \"conflict\"\n[assemble.may_differ]\n\"*/**/a.log\" = \"ebb\"\n",
    );
    let may_differ = vec![("*/**/a.log".to_owned(), "ebb".to_owned())];
    assert_eq!(config.unwrap(), AssembleConfig { line_endings_are_same: false, may_differ });
    assert!(
        load("[assemble.may_differ]\n\"../a.b\" = \"first\"\n")
            .unwrap_err()
            .contains(":1: assemble.may_differ")
    );
    assert!(
        load("[assemble]\nline_ending = \"same\"\n")
            .unwrap_err()
            .contains("did you mean assemble.line_endings")
    );
    assert!(problem("[assemble.may_differ]\n\"a\" = \"../b\"").contains("name of a machine"));
}
