//! Small Debian packages, written without `dpkg-deb`, which takes a minute for a thousand.

use std::io::{self, Write as _};

use intraware_test_support::dice::Dice;
use libdeflater::{CompressionLvl, Compressor};

const BLOCK: usize = 512;

/// One version of a package.
pub(super) struct Deb<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    /// Of which its texts and files depend.
    pub(super) seed: u64,
}

impl Deb<'_> {
    /// Returns the file.
    pub(super) fn bytes(&self) -> io::Result<Vec<u8>> {
        let control = tar(&[("./control".to_owned(), self.control().into_bytes())])?;
        let data = tar(&self.files())?;
        let mut archive = b"!<arch>\n".to_vec();
        for (name, content) in [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar.gz", gzip(&control)?),
            ("data.tar.gz", gzip(&data)?),
        ] {
            writeln!(archive, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, "100644", content.len())?;
            archive.extend_from_slice(&content);
            archive.resize(archive.len().next_multiple_of(2), b'\n');
        }
        Ok(archive)
    }

    fn control(&self) -> String {
        let Self { name, version, seed } = self;
        let mut dice = Dice(*seed);
        let word = |dice: &mut Dice| WORDS[dice.below(WORDS.len())];
        let depends: Vec<String> =
            (0..3).map(|_| format!("lib{}{}", word(&mut dice), dice.below(9))).collect();
        let text: Vec<&str> = (0..30).map(|_| word(&mut dice)).collect();
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: Release Engineering <releng@example.com>\n\
             Installed-Size: {size}\nDepends: libc6 (>= 2.36), {depends}\nSection: utils\nPriority: optional\n\
             Homepage: https://{name}.example.com/\nDescription: {first}\n {second}\n {third}\n",
            size = dice.below(4000),
            depends = depends.join(", "),
            first = text[..6].join(" "),
            second = text[6..18].join(" "),
            third = text[18..].join(" "),
        )
    }

    /// Returns its files, a dozen in several directories.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let (name, mut dice) = (self.name, Dice(self.seed));
        let mut files = vec![
            (format!("./usr/bin/{name}"), Vec::new()),
            (format!("./usr/share/doc/{name}/changelog.gz"), Vec::new()),
            (format!("./usr/share/doc/{name}/copyright"), Vec::new()),
        ];
        for _ in 0..9 {
            let word = WORDS[dice.below(WORDS.len())];
            files.push((format!("./usr/lib/{name}/{word}-{:03}.so", dice.below(1000)), Vec::new()));
        }
        files.iter_mut().for_each(|(_, content)| {
            content.resize(48, 0);
            dice.fill(content);
        });
        files
    }
}

/// What names and texts are made of.
pub(super) const WORDS: [&str; 24] = [
    "anvil", "blast", "cinder", "drill", "ember", "forge", "glow", "hammer", "ingot", "jig", "kiln", "lathe",
    "mould", "nail", "ore", "pour", "quench", "rivet", "slag", "temper", "utensil", "vice", "weld", "zinc",
];

/// Returns an archive of regular files, which belong to root.
fn tar(files: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    for (name, content) in files {
        let mut header = Vec::with_capacity(BLOCK);
        let (mode, id, size) = ("0000644\0", "0000000\0", content.len());
        write!(header, "{name:\0<100}{mode}{id}{id}{size:011o}\0{:011o}\0        0", 0)?;
        header.resize(257, 0);
        header.extend_from_slice(b"ustar\x0000");
        header.resize(BLOCK, 0);
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    Ok(archive)
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = Compressor::new(CompressionLvl::fastest());
    let mut compressed = vec![0; compressor.gzip_compress_bound(bytes.len())];
    let length = compressor.gzip_compress(bytes, &mut compressed).map_err(io::Error::other)?;
    compressed.truncate(length);
    Ok(compressed)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn dpkg_reads_a_package() {
        let path = std::env::temp_dir().join(format!("bench-deb.{}", std::process::id()));
        std::fs::write(&path, Deb { name: "blast-7", version: "1.0", seed: 7 }.bytes().unwrap()).unwrap();
        let says = |option: &str| {
            let output = Command::new("dpkg-deb").arg(option).arg(&path).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        assert!(says("--field").contains("Package: blast-7\nVersion: 1.0\n"));
        assert_eq!(says("--contents").lines().count(), 12);
        std::fs::remove_file(path).unwrap();
    }
}
