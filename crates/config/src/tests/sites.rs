//! What is said of sites.

use super::*;

#[test]
fn a_limit_is_a_rate_or_a_timetable() {
    let with = |limit: &str| {
        SALESFORCE.replace("private_key =", &format!("bandwidth_limit = {limit}, private_key ="))
    };
    let site = |limit: &str| Config::parse(&with(limit), "c.toml").unwrap().sites.remove(0).bandwidth_limit;
    let always = |text| Timetable::always(intraware_core::bandwidth::Rate::parse(text).unwrap());
    assert!(site("\"off\"").is_off());
    assert_eq!(site("\"20 MiB/s\""), always("20 MiB/s"));
    let timetable = Timetable::parse(["08:00 2 MiB/s", "18:00 off"]).unwrap();
    assert_eq!(site("[\"08:00 2 MiB/s\", \"18:00 off\"]"), timetable);
    for (limit, allowed) in [
        ("\"20 MB/s\"", "= \"20 MB/s\": must be a rate from \"1 KiB/s\""),
        ("\"\"", "must be a rate"),
        ("20", "= 20: must be a rate such as"),
        ("[]", "= []: must be a rate such as"),
        ("[\"20 MiB/s\"]", "or a list of times and rates such as"),
        ("[\"08:00 off\", 3]", "or a list of times and rates such as"),
        ("[\"08:00 off\", \"Mon-Wed 08:00 1 MiB/s\"]", "must not say two things about Mon 08:00"),
    ] {
        let found = problems(&with(limit)).join("\n");
        assert!(found.contains("site.bandwidth_limit") && found.contains(allowed), "{found}");
    }
}

#[test]
fn sites_are_tables_in_double_brackets() {
    assert!(
        problems("[site]\nurl = \"file:///x\"\n")
            .join("")
            .contains("c.toml:1: site: must be written [[site]]")
    );
    assert!(problems("site = []\n").join("").contains("must be written [[site]], with its keys below"));
    assert!(problems("site = [1]\n").join("").contains("must be written [[site]], with its keys below"));
}

#[test]
fn several_sites_have_values_of_their_own_and_each_problem_says_where() {
    let text = format!("{SALESFORCE}[signing]\nkey = \"/k\"\n",).replace(
        "site = [{",
        "site = [{ name = \"east\", connections = 2, url = \"file:///e\" }, { builds = '^blast/',",
    );
    let config = Config::parse(&text, "c.toml").unwrap();
    let [east, intraware] = &config.sites[..] else { panic!("{:?}", config.sites) };
    assert_eq!((east.name.as_str(), east.connections), ("east", 2));
    assert_eq!((intraware.name.as_str(), intraware.connections), ("intraware", 8));
    let has = |key: &str, value: &str| config.entries().iter().any(|e| e.key == key && e.value == value);
    assert!(has("site[1].connections", "2") && has("site[2].connections", "8"), "{:?}", config.entries());
    assert!(has("site[2].builds", "\"^blast/\""));
    let sqlite = "[records]\nbackend = \"sqlite\"\n";
    let none = problems(&format!("{sqlite}[[site]]\nurl = \"file:///x\"\nrequired = false\n"));
    assert_eq!(
        none,
        [
            "c.toml:5: site.required = false: must be true for one site at least, or no build would be completed"
        ]
    );
    let wrong = "[[site]]\nurl = \"file:///x\"\nbuilds = \"(\"\n[[site]]\nname = \"Intraware\"\nurl = \"sftp://u@h/x\"\n\
                 conections = 1\n[[site]]\nname = \"c\"\nurl = \"file:///x\"\n";
    let expected = [
        "c.toml:5: site[1].builds = \"(\": must be a regular expression: unclosed group",
        "c.toml:6: site[2].private_key: must be set for an sftp site, or else agent, password or netrc",
        "c.toml:7: site[2].name = \"Intraware\": must not be the name of another site",
        "c.toml:9: site[2].conections: is not a known key; did you mean site.connections?",
        "c.toml:12: site[3].url = \"file:///x\": must not be the place of another site",
    ];
    assert_eq!(problems(&format!("{sqlite}{wrong}")), expected);
}

#[test]
fn each_way_to_log_in_demands_what_it_needs() {
    let missing = |auth: &str| {
        let text = format!("records.salesforce.auth = \"{auth}\"\n[[site]]\nurl = \"file:///x\"\n");
        let found = Config::parse(&text, "c").unwrap_err();
        found
            .problems()
            .iter()
            .map(|p| p.key.replace("records.salesforce.", ""))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(missing("jwt-bearer"), "client_id username");
    assert_eq!(missing("client-credentials"), "client_id client_secret login_url");
    assert_eq!(missing("password"), "client_id username client_secret password");
    let sftp = "records.backend = \"sqlite\"\n[[site]]\nurl = \"sftp://u@h/in\"\n";
    assert!(
        problems(sftp).join("").contains("site.private_key: must be set for an sftp site, or else agent")
    );
}

#[test]
fn a_site_over_ftp_is_protected_and_has_a_password_from_one_place() {
    let site =
        |lines: &str| problems(&format!("records.backend = \"sqlite\"\n[[site]]\n{lines}\n")).join("\n");
    let password = "password = { file = \"/s\" }";
    for ok in [
        format!("url = \"ftps://u@h/in\"\n{password}"),
        format!("url = \"ftps://u@h/in\"\ntls = \"implicit\"\nca_file = \"/ca\"\n{password}"),
        format!("url = \"ftps://u@h/in\"\ncertificate_sha256 = \"{}\"\n{password}", "AB:".repeat(31) + "AB"),
        "url = \"ftps://h/in\"\nnetrc = \"/n\"".to_owned(),
        "url = \"sftp://u@h/in\"\nnetrc = \"/n\"".to_owned(),
        format!("url = \"ftp://u@h/in\"\nallow_plaintext = true\n{password}"),
    ] {
        assert_eq!(site(&ok), "", "{ok}");
    }
    for (wrong, said) in [
        (format!("url = \"ftp://u@h/in\"\n{password}"), "set allow_plaintext = true if it must be"),
        ("url = \"ftps://u@h/in\"".to_owned(), "site.password: must be set for an ftps or ftp site"),
        ("url = \"ftps://u@h/in\"\nprivate_key = \"/k\"".to_owned(), "site.password: must be set"),
        (format!("url = \"ftps://h/in\"\n{password}"), "must name the account"),
        (format!("url = \"ftps://u@h/in\"\nnetrc = \"/n\"\n{password}"), "site.netrc: holds the password"),
        (
            format!("url = \"ftps://u@h/in\"\ntls = \"none\"\n{password}"),
            "must be \"explicit\" or \"implicit\"",
        ),
        (format!("url = \"ftps://u@h/in\"\ncertificate_sha256 = \"AB\"\n{password}"), "must be a SHA-256"),
        (
            format!(
                "url = \"ftps://u@h/\"\nca_file = \"/c\"\ncertificate_sha256 = \"{}\"\n{password}",
                "ab".repeat(32)
            ),
            "site.ca_file: has no meaning",
        ),
    ] {
        let found = site(&wrong);
        assert!(found.contains(said) && found.lines().count() == 1, "{wrong}: {found}");
    }
}
