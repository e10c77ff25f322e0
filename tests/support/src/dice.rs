//! Numbers that look random and follow from a seed, the same on every host.

/// The generator SplitMix64. Fast, and its output cannot be compressed; good for nothing that must be secret.
///
/// It holds its seed, and after each number the seed of the rest.
pub struct Dice(pub u64);

impl Dice {
    /// Returns the next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// Returns a number below `limit`, which is small against 2^64. Nothing is below 0; that is taken for 1.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).expect("a usize has 64 bits at most");
        usize::try_from(self.draw() % limit).expect("it is below a usize")
    }

    /// Fills a buffer with bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.draw().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Spreads what is in all bits over all bits.
pub fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Returns bytes that do not compress.
pub fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Dice(seed).fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_on_every_host() {
        let expected = [0xe220_a839_7b1d_cdaf_u64, 0x6e78_9e6a_a1b9_65f4].map(u64::to_le_bytes).concat();
        assert_eq!(noise(0, 16), expected);
        assert_eq!(noise(0, 11), expected[..11]);
    }
}
