//! Contents, joined of parts.
//!
//! For each package `apt-ftparchive` looks through all others that have a file in one of the same
//! directories, so that it takes hundreds of times as long for 20,000 packages as for 1,000. It is given
//! [`super::conf`]'s batches, and what it says of each is joined here: a line is a path, white space, and the
//! packages that have it, with commas between them.

use std::collections::BTreeSet;

/// A line as it is printed: the path with the white space behind it, and the packages.
type Line<'a> = (&'a [u8], &'a [u8]);

/// Returns one text for several, in the order of paths.
pub(super) fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
    let lines = parts.iter().flat_map(|part| part.split(|byte| *byte == b'\n'));
    let mut lines: Vec<Line<'_>> = lines.filter(|line| !line.is_empty()).map(halves).collect();
    lines.sort_unstable_by_key(|line| (path(line), line.1));
    let mut text = Vec::new();
    for same in lines.chunk_by(|one, other| path(one) == path(other)) {
        let packages: BTreeSet<&[u8]> =
            same.iter().flat_map(|(_, packages)| packages.split(|byte| *byte == b',')).collect();
        text.extend_from_slice(same[0].0);
        text.extend_from_slice(&packages.into_iter().collect::<Vec<_>>().join(&b','));
        text.push(b'\n');
    }
    text
}

fn halves(line: &[u8]) -> Line<'_> {
    let space = line.iter().rposition(|byte| matches!(byte, b' ' | b'\t'));
    line.split_at(space.map_or(0, |space| space + 1))
}

fn path<'a>((padded, _): &Line<'a>) -> &'a [u8] {
    padded.trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_13_paths_are_in_order_and_each_is_there_once_with_all_that_have_it() {
        let parts = [
            "usr/a  b\t\tutils/one\nusr/b\t  utils/three,utils/one\n",
            "",
            "usr/a\t x/two\nusr/b  utils/two\n",
        ];
        let joined = joined(&parts.map(|part| part.as_bytes().to_vec()));
        let expected = "usr/a\t x/two\nusr/a  b\t\tutils/one\nusr/b\t  utils/one,utils/three,utils/two\n";
        assert_eq!(String::from_utf8(joined).unwrap(), expected);
    }
}
