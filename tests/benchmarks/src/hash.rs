//! Places to sort by that are the same on every host.

use intraware_test_support::dice::mixed;

/// Returns a number that depends on all the bytes and says nothing of their order.
pub(crate) fn of(bytes: &[u8]) -> u64 {
    // FNV-1a, whose last bytes hardly reach the high bits; hence the mixing.
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mixed(bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}
