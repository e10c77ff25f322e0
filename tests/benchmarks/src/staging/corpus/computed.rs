//! Corpora that are computed, and the same on every host.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use intraware_test_support::dice::Dice;

use crate::failure::{Doing as _, Failure};

const SMALL_FILE: usize = 1024;
const FILES_A_DIRECTORY: usize = 100;

/// A fixed time for what has none of its own, since archives hold it: 2026-01-01.
const TIME_S: u64 = 1_767_225_600;

/// Writes random bytes.
pub(super) fn random(at: &Path, len: u64) -> Result<(), Failure> {
    let doing = || format!("cannot write {}", at.display());
    let mut file = File::create(at).doing(doing)?;
    let mut dice = Dice(1);
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..len / (1 << 20) {
        dice.fill(&mut buffer);
        file.write_all(&buffer).doing(doing)?;
    }
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(TIME_S)).doing(doing)
}

/// Writes small files of text, no two alike, a hundred in each directory.
pub(super) fn small_files(at: &Path, directories: usize) -> Result<(), Failure> {
    let mut dice = Dice(2);
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    for directory in 0..directories {
        let dir = at.join(format!("part-{directory:04}"));
        fs::create_dir(&dir).doing(|| format!("cannot make {}", dir.display()))?;
        for number in 0..FILES_A_DIRECTORY {
            let path = dir.join(format!("{}-{number:02}.conf", words[dice.below(words.len())]));
            let mut write = || -> std::io::Result<()> {
                let mut file = File::create(&path)?;
                file.write_all(&text(&words, &mut dice))?;
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(TIME_S))
            };
            write().doing(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// Returns what a file of settings and remarks looks like.
fn text(words: &[&str], dice: &mut Dice) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < SMALL_FILE {
        let mut word = || words[dice.below(words.len())];
        let line = match text.len() % 3 {
            0 => format!("# {} {} {} {} {} {} {}\n", word(), word(), word(), word(), word(), word(), word()),
            1 => format!("{}.{} = \"{}\"\n", word(), word(), word()),
            _ => format!("{}_{} = {}\n", word(), word(), dice.draw() >> 40),
        };
        text += &line;
    }
    text.truncate(SMALL_FILE);
    text.into_bytes()
}

const WORDS: &str = "\
    the of and a to in is that for it as was with be by on not which at from this or have an when one \
    each before after until value limit timeout server client path file name size level thread cache \
    buffer retry queue policy region build library layout cell timing corner voltage clock signal matrix \
    vector report module design routing placement netlist constraint delay window screen colour font \
    margin width height enabled disabled default optional required internal external maximum minimum \
    address port protocol version format encoding language message warning error number index offset \
    length";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_are_text_of_one_kibibyte_and_no_two_alike() {
        let mut dice = Dice(2);
        let words: Vec<&str> = WORDS.split_whitespace().collect();
        let [one, other] = [text(&words, &mut dice), text(&words, &mut dice)];
        assert_eq!([one.len(), other.len()], [1024, 1024]);
        assert!(one.iter().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\n')));
        assert_ne!(one, other);
    }
}
