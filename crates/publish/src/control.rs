//! Files of Debian's that hold fields: `.changes`, `.dsc`, and what `dpkg-deb --field` prints.

use std::collections::BTreeMap;

use crate::sum::is_digest;

/// The fields of the first paragraph, by their names in lower case.
#[derive(Debug, Default)]
pub(crate) struct Fields(BTreeMap<String, String>);

/// A file that a list of digests names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summed {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

impl Fields {
    /// Reads the first paragraph. A field that stands there twice has no meaning, so there is none then.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = BTreeMap::new();
        let mut last: Option<String> = None;
        for line in text.lines().skip_while(|line| line.trim().is_empty()) {
            if line.trim().is_empty() {
                break;
            }
            if line.starts_with([' ', '\t']) {
                let value: &mut String = fields.get_mut(last.as_ref()?)?;
                value.push('\n');
                value.push_str(line.trim());
                continue;
            }
            let (name, value) = line.split_once(':')?;
            let name = name.to_ascii_lowercase();
            if fields.insert(name.clone(), value.trim().to_owned()).is_some() {
                return None;
            }
            last = Some(name);
        }
        (!fields.is_empty()).then_some(Self(fields))
    }

    /// Returns the value of a field; "" if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Returns the name of the source, which may have its version behind it, or else that of the package.
    pub(crate) fn source(&self) -> &str {
        let source = match self.get("source") {
            "" => self.get("package"),
            source => source,
        };
        source.split_whitespace().next().unwrap_or_default()
    }

    /// Returns the files of `Checksums-Sha256`; `None` if there are none, or one cannot be understood.
    pub(crate) fn sums(&self) -> Option<Vec<Summed>> {
        let sums: Vec<Summed> = lines(self.get("checksums-sha256")).map(summed).collect::<Option<_>>()?;
        (!sums.is_empty()).then_some(sums)
    }

    /// Returns name, size and section of each file in `Files`.
    pub(crate) fn files(&self) -> Option<Vec<(&str, u64, &str)>> {
        let file = |line| {
            let mut words = str::split_whitespace(line);
            let (_md5, size, section) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
            let (_priority, name) = (words.next()?, words.next()?);
            words.next().is_none().then_some((name, size, section))
        };
        lines(self.get("files")).map(file).collect()
    }
}

fn lines(value: &str) -> impl Iterator<Item = &str> {
    value.lines().filter(|line| !line.is_empty())
}

fn summed(line: &str) -> Option<Summed> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [sha256, size, name] = words[..] else { return None };
    let size = size.parse().ok()?;
    is_digest(sha256, 64).then(|| Summed { name: name.to_owned(), size, sha256: sha256.to_ascii_lowercase() })
}

/// Returns whether a text may be the name of a package or a source, and so of a directory.
pub(crate) fn is_package(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+.-".contains(&byte);
    name.len() >= 2
        && name.len() <= 200
        && name.bytes().all(is_plain)
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
}

/// Returns whether a text may be the name of an uploaded file: no path, nothing hidden, no control
/// characters.
pub(crate) fn is_file_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+.-_~".contains(&byte);
    name.len() <= 250
        && name.bytes().all(is_plain)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}
