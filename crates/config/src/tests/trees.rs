//! `[[tree]]`.

use super::*;

const TREE: &str = "[[tree]]\nname = \"deb\"\nroot = \"/srv/deb\"\nsuites = [\"stable\"]\npublisher = [\"/bin/p\", \"-x\"]\n";

fn trees(text: &str) -> Vec<TreeConfig> {
    TreeConfig::parse_all(text, "c.toml").expect("a sound configuration")
}

fn refused(text: &str) -> Vec<String> {
    let errors = TreeConfig::parse_all(text, "c.toml").expect_err("something wrong");
    errors.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn s1_01_a_tree_needs_little_and_nothing_of_the_other_tables() {
    let found = trees(TREE);
    assert_eq!(found.len(), 1);
    let tree = &found[0];
    assert_eq!((tree.name.as_str(), tree.dists.as_str(), tree.keep), ("deb", "dists", 3));
    assert_eq!(tree.publisher, Publisher::Command(vec!["/bin/p".into(), "-x".into()]));
    assert_eq!(tree.check, TreeCheck::Apt { keyring: None });
    assert!(tree.accepted == Accepted::Elsewhere && tree.pre_publication.is_none());
    assert_eq!(tree.hook_time.as_secs(), 600);
    // Beside whatever is wrong elsewhere.
    assert_eq!(trees(&format!("[spool]\nkeep_days = \"x\"\n{TREE}")).len(), 1);
}

#[test]
fn s1_01_without_a_tree_that_names_something_there_is_none() {
    assert!(trees("").is_empty() && trees(REFERENCE).is_empty());
    assert!(Config::parse(SALESFORCE, "c.toml").unwrap().trees.is_empty());
}

#[test]
fn s1_01_what_is_wrong_with_a_tree_is_said_with_its_line() {
    let found = refused("[[tree]]\nname = \"deb\"\n");
    assert_eq!(found.len(), 3, "{found:#?}");
    let twice = refused(&format!("{TREE}{TREE}"));
    assert!(twice[0].contains("tree[2].name") && twice[0].contains("name of another tree"), "{twice:#?}");
    assert!(twice[1].contains("tree[2].root"), "{twice:#?}");
    // What is missing has no line of its own, and its table begins on the first.
    let missing = refused(&format!("{TREE}accepted.incoming = \"/i\"\n"));
    assert!(missing.len() == 1 && missing[0].contains("c.toml:1: tree.accepted.keyring"), "{missing:#?}");
    for (line, says) in [
        ("security_suites = [\"stable\"]", "tree.security_suites"),
        ("security_suites = [\"../x\"]", "tree.security_suites"),
        ("process_accepted = [\"relative\"]", "tree.process_accepted"),
        ("hooks = \"/x\"", "tree.hooks"),
        ("keep = 0", "tree.keep"),
        ("check = \"rpm\"", "tree.check"),
        ("environment = { \"A B\" = \"x\" }", "tree.environment"),
        ("architectures = [\"source\"]", "tree.architectures"),
        ("components = []", "tree.components"),
        ("apt.signing_key = \"/k\"", "tree.apt.signing_key"),
        ("apt.passphrase = { env = \"P\" }", "tree.apt.passphrase"),
        ("accepted.wait = 3", "tree.accepted.wait"),
    ] {
        let found = refused(&format!("{TREE}{line}\n"));
        assert!(found.len() == 1 && found[0].contains(says) && found[0].contains("c.toml:6"), "{found:#?}");
    }
}

#[test]
fn s1_08_what_is_built_in_is_asked_for_by_one_key_each() {
    let text = TREE.replace("publisher = [\"/bin/p\", \"-x\"]", "apt.signing_key = \"/k\"");
    let more = "[tree.accepted]\nincoming = \"/srv/in\"\nkeyring = \"/u.gpg\"\n";
    let found = trees(&format!("{text}{more}"));
    let Publisher::Apt(apt) = &found[0].publisher else { panic!("{found:#?}") };
    assert!(apt.contents && apt.passphrase.is_none() && apt.origin.is_empty());
    let Accepted::Uploads(uploads) = &found[0].accepted else { panic!("{found:#?}") };
    assert_eq!(uploads.rejected, Path::new("/srv/in/rejected"));
    assert_eq!((uploads.wait.as_secs(), &found[0].components[..]), (86_400, &["main".to_owned()][..]));
    assert_eq!(found[0].architectures, ["amd64"]);
}
