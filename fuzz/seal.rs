//! Archives with right checksums, for the target here and for the tests of crates/assemble.

/// Makes the checksum of each header right, and adds the end.
///
/// Without it, nearly all that is changed at random would end at the first header's checksum.
pub(crate) fn seal(bytes: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(block) = bytes.get_mut(at..at + 512) {
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = block[124..135].iter().filter(|byte| (b'0'..=b'7').contains(byte));
        let size = digits.fold(0_usize, |size, digit| size.wrapping_mul(8) + usize::from(digit - b'0'));
        at = at.saturating_add(512).saturating_add(size.div_ceil(512).saturating_mul(512));
    }
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes.extend_from_slice(&[0; 1024]);
}
