//! The mail that cron sends: a sendmail of our own keeps each message in a file.

use std::fs;
use std::path::Path;

/// Where the messages are kept, in the order in which they came.
const SINK: &str = "/var/mail-sink";

/// Takes a message as sendmail does. It runs as the user whose cron job has printed something.
const SENDMAIL: &str = "#!/bin/sh
new=/var/mail-sink/.$$ && cat > \"$new\" && mv \"$new\" \"/var/mail-sink/$(date +%s.%N).$$\"
";

/// A message.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    /// What it is about, by its head.
    pub(crate) subject: String,
    /// What the job has printed.
    pub(crate) body: String,
}

/// Puts the sendmail into its place.
pub(crate) fn set_up() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode =
        |path: &str, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    fs::create_dir(SINK).expect("a directory");
    mode(SINK, 0o1777);
    fs::write("/usr/sbin/sendmail", SENDMAIL).expect("a program");
    mode("/usr/sbin/sendmail", 0o755);
}

/// Returns all that have come, the oldest first.
pub(crate) fn all() -> Vec<Mail> {
    let entries = fs::read_dir(Path::new(SINK)).expect("the mail").flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    // One that begins with a dot is still being written.
    files.retain(|file| file.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".")));
    files.sort();
    files.iter().filter_map(|file| Mail::read(&fs::read_to_string(file).ok()?)).collect()
}

impl Mail {
    fn read(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\n\n")?;
        let subject = head.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default();
        Some(Self { subject: subject.to_owned(), body: body.to_owned() })
    }

    /// Returns the first line with these words.
    pub(crate) fn line(&self, words: &str) -> Option<&str> {
        self.body.lines().find(|line| line.contains(words))
    }
}
