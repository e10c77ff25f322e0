//! The programs are installed on a machine by the commands of `cron/README.md`, as they stand there.
//!
//! Where the document has people make or edit something, that is here: secrets, the configuration's values,
//! and `editor`, which has cron fire each minute.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::document::INSTALLATION;
use crate::office::{INSTANCE, SITE};
use crate::shell::{as_intraware, as_root};

/// The home of whoever installs, and keeps the company's key.
pub(crate) const HOME: &str = "/srv/keeper";
/// The checkout that the commands are typed in.
pub(crate) const CHECKOUT: &str = "/srv/keeper/checkout";
/// Where builds lie.
pub(crate) const BUILDS: &str = "/builds";
/// Where the spool is mounted.
pub(crate) const SPOOL: &str = "/mnt/intraware";
/// Whom cron mails.
pub(crate) const MAILTO: &str = "oncall@example.com";

/// Stands for a person at an editor: cron is to fire each minute, and to mail somebody.
const EDITOR: &str = r#"#!/bin/sh
case $1 in
    /etc/cron.d/*) sed -i -e 's/^MAILTO=.*/MAILTO=oncall@example.com/' \
        -e 's/^[^ #]* *\* \* \* \*\( *intraware  *\(manage\|upload\)\b\)/* * * * *\1/' "$1" ;;
esac
"#;

/// What the machine of an installation has before it: a disk for the spool, builds, a checkout, and secrets.
pub(crate) fn prepare(files: &Path) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a repository");
    fs::create_dir_all(Path::new(CHECKOUT).join("target/release")).expect("a checkout");
    for name in ["config", "cron", "docs"] {
        symlink(repository.join(name), Path::new(CHECKOUT).join(name)).expect("a checkout");
    }
    for name in ["manage", "upload"] {
        let to = Path::new(CHECKOUT).join("target/release").join(name);
        fs::copy(files.join("programs").join(name), to).expect("programs: run tests/events");
    }
    program("/usr/local/bin/editor", EDITOR);
    let cron = files.join("cron");
    as_root(&format!("cp -a '{0}/etc' '{0}/usr' / && mkdir -p /etc/cron.d", cron.display())).expect("cp");
    add_to("/etc/hosts", &format!("\n127.0.0.1 {SITE} {INSTANCE} ebb\n"));
    make_secrets();
    // On an overlay, files and directories seem to be on different file systems.
    let disk = format!(
        "mkdir -p {SPOOL} {BUILDS}
         mount -t tmpfs -o mode=0755 builds {BUILDS}
         truncate -s 256M /srv/spool.img
         mkfs.ext4 -q -F /srv/spool.img
         echo '/srv/spool.img {SPOOL} ext4 loop 0 0' >> /etc/fstab
         mount {SPOOL}"
    );
    as_root(&disk).expect("a disk for the spool");
}

/// What is made elsewhere and put beside the checkout.
fn make_secrets() {
    let made = "
        umask 077
        mkdir -p ~/.gnupg
        alias gpg='gpg --batch --quiet --passphrase \"\"'
        gpg --quick-generate-key 'Build Signing <signing@builds.example>' ed25519 cert 5y
        key=$(gpg --list-keys --with-colons | awk -F: '$1 == \"fpr\" { print $10; exit }')
        gpg --quick-add-key $key ed25519 sign 2y
        gpg --armor --export-secret-subkeys $key > signing-key.asc
        openssl genrsa -out sfdc.key 2048
        ssh-keygen -q -t ed25519 -N '' -f id_ed25519
    ";
    as_root(made).expect("keys");
}

/// Installs them.
///
/// # Panics
/// If one of the document's commands fails.
pub(crate) fn install() {
    let key =
        as_root("gpg --list-keys --with-colons 2>/dev/null | awk -F: '$1 == \"fpr\" { print $10; exit }'")
            .expect("gpg");
    let type_all = |heading: &str| {
        for block in INSTALLATION.blocks(heading) {
            // The company's key is kept on this host.
            let block = block.replace(" KEY ", &format!(" {} ", key.trim())).replace("ssh root@HOST ", "");
            as_root(&block).expect(&block);
        }
    };
    type_all("On each host");
    configure();
    // The site's people are given it.
    let given = "cat /etc/intraware/id_ed25519.pub id_ed25519.pub 2>/dev/null |
        install -o upload -m 0600 /dev/stdin /home/upload/.ssh/authorized_keys";
    as_root(given).expect(given);
    type_all("Once, on any of them");
    type_all("On each host: try it");
    let by_cron = INSTALLATION.blocks("On each host: put it into service");
    let by_cron = by_cron.iter().find(|block| block.contains("/etc/cron.d/intraware"));
    let by_cron = by_cron.expect("the document puts a crontab into /etc/cron.d");
    as_root(by_cron).expect(by_cron);
    let crontab = fs::read_to_string("/etc/cron.d/intraware").expect("a crontab");
    let each_minute = crontab.lines().filter(|line| line.starts_with("* * * * * ")).count();
    assert!(each_minute == 2 && crontab.contains(MAILTO), "the crontab has changed its form:\n{crontab}");
}

/// Edits the configuration as the document says: what differs.
fn configure() {
    let file = "/etc/intraware/intraware.toml";
    let mut text = fs::read_to_string(file).expect("a configuration");
    let values = [
        ("[spool]", "single_host", "true"),
        ("[records.salesforce]", "login_url", &format!("\"https://{INSTANCE}\"")),
        ("[records.salesforce]", "client_id", "\"3MVG9test.intraware\""),
        ("[records.salesforce]", "username", "\"intraware@example.com\""),
        ("[records.salesforce]", "ca_file", "\"/etc/intraware/proxy-ca.pem\""),
        ("[[site]]", "url", &format!("\"sftp://upload@{SITE}/incoming\"")),
        ("[[site]]", "private_key", "\"/etc/intraware/id_ed25519\""),
    ];
    for (table, key, value) in values {
        text = set(&text, table, key, value);
    }
    fs::write(file, text).expect("a configuration");
    as_intraware("manage config").expect("manage config");
}

/// Sets a value in a text of TOML: where the key stands, also behind a #, or else below its table's head.
fn set(text: &str, table: &str, key: &str, value: &str) -> String {
    let line = format!("{key} = {value}");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let Some(head) = lines.iter().position(|line| line.trim() == table) else {
        return format!("{text}\n{table}\n{line}\n");
    };
    let is_key = |line: &String| line.trim_start_matches('#').starts_with(&format!("{key} = "));
    let end = lines[head + 1..].iter().position(|line| line.starts_with('[')).map(|at| head + 1 + at);
    let end = end.unwrap_or(lines.len());
    match lines[head..end].iter().position(is_key) {
        Some(at) => lines[head + at] = line,
        None => lines.insert(head + 1, line),
    }
    lines.join("\n") + "\n"
}

fn program(path: &str, text: &str) {
    fs::write(path, text).expect("a program");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a program");
}

fn add_to(path: &str, text: &str) {
    let before = fs::read_to_string(path).unwrap_or_default();
    fs::write(path, before + text).expect("a file of the system's");
}
