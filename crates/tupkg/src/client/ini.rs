//! `[section]` and `key = value` lines, as the client's file of 2004 had them.

use std::collections::BTreeMap;

/// The keys of the section `[tupkg]`, with their lines.
pub(super) type Section = BTreeMap<String, (usize, String)>;

/// Reads the section `[tupkg]`; other sections are passed over. `#` and `;` begin comments at the start of a
/// line only, for a password may hold them. Both `=` and `:` stand between key and value.
pub(super) fn section(text: &str) -> Result<Section, (usize, &'static str)> {
    let mut found = Section::new();
    let (mut is_ours, mut is_there) = (false, false);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name.strip_suffix(']').ok_or((number, "a section is [NAME]"))?;
            is_ours = name.trim() == "tupkg";
            is_there |= is_ours;
            continue;
        }
        if !is_ours {
            continue;
        }
        let (key, value) = line.split_once(['=', ':']).ok_or((number, "a line is KEY = VALUE"))?;
        let key = key.trim().to_ascii_lowercase();
        if found.insert(key, (number, value.trim().to_owned())).is_some() {
            return Err((number, "a key is there twice"));
        }
    }
    if is_there { Ok(found) } else { Err((1, "there is no section [tupkg]")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_02_the_file_of_2004_is_read() {
        let text =
            "# mine\n[other]\nx\n[tupkg]\nusername: bfinch\nPassword = a=b;c#d\n\n;port=1\nport=1034\n";
        let found = section(text).unwrap();
        let value = |key: &str| found.get(key).map(|(_, value)| value.as_str());
        assert_eq!(
            [value("username"), value("password"), value("port")],
            [Some("bfinch"), Some("a=b;c#d"), Some("1034")]
        );
        assert_eq!(section("[tupkg]\na=1\na=2"), Err((3, "a key is there twice")));
        assert_eq!(section("a=1"), Err((1, "there is no section [tupkg]")));
        assert_eq!(section("[tupkg]\nnothing"), Err((2, "a line is KEY = VALUE")));
    }
}
