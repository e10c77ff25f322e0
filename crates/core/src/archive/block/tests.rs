use std::io::Read as _;

use super::super::buffers::Pool;
use super::*;

/// Bytes without a pattern that a compressor could find.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn text(len: usize) -> Vec<u8> {
    (0..)
        .flat_map(|i: u32| format!("{} of the lines\n", i.wrapping_mul(2_654_435_761)).into_bytes())
        .take(len)
        .collect()
}

fn compressed(chunk: &[u8]) -> Vec<u8> {
    let pool = Pool::default();
    let block = Compress::new(Level::new(6).unwrap()).block(chunk, pool.take()).unwrap();
    let mut expected = Crc::new();
    expected.update(chunk);
    assert_eq!((block.crc.sum(), block.crc.amount()), (expected.sum(), chunk.len() as u32));
    let stream = [block.deflate.as_slice(), &deflate::LAST_BLOCK].concat();
    let mut bytes = Vec::new();
    flate2::read::DeflateDecoder::new(stream.as_slice()).read_to_end(&mut bytes).unwrap();
    assert!(bytes == chunk);
    block.deflate.clone()
}

#[test]
fn noise_is_stored_and_costs_a_thousandth_at_most() {
    let chunk = noise(1 << 20, 3);
    let deflate = compressed(&chunk);
    assert!(deflate.len() <= chunk.len() + chunk.len() / 1_000);
    assert!(deflate[5..].starts_with(&chunk[..1_000]), "as it is");
}

#[test]
fn noise_amid_text_leaves_the_text_compressed() {
    let parts = [text(3 * SEGMENT), noise(5 * SEGMENT, 9), text(2 * SEGMENT), noise(SEGMENT / 2, 4)];
    let apart: usize = parts.iter().map(|part| compressed(part).len()).sum();
    let together = compressed(&parts.concat()).len();
    assert!(together <= apart + 200, "{together} bytes, {apart} apart");
    assert!(apart < 6 * SEGMENT + 3 * SEGMENT);
}

#[test]
fn what_only_looks_even_is_compressed() {
    // Every byte is as frequent as any other.
    let ramp: Vec<u8> = (0..SEGMENT).map(|i| i as u8).collect();
    assert!(compressed(&ramp).len() < SEGMENT / 50);
    let page = noise(2_000, 5);
    let repeated: Vec<u8> = page.iter().copied().cycle().take(8 * SEGMENT).collect();
    assert!(compressed(&repeated).len() < SEGMENT);
}

#[test]
fn what_shrinks_by_a_few_hundredths_is_compressed() {
    // Like what is compressed badly: a few byte values in a hundred are missing.
    let uneven: Vec<u8> = noise(SEGMENT, 11).into_iter().map(|byte| byte.min(243)).collect();
    let len = compressed(&uneven).len();
    assert!(len < SEGMENT - SEGMENT / 100, "{len}");
}

#[test]
fn every_length_comes_back() {
    let lengths = [0, 1, 2, TRIED - 1, TRIED, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT + 7];
    for len in lengths.into_iter().chain([STRETCH - 1, STRETCH, STRETCH + 1, 2 * STRETCH]) {
        compressed(&text(len));
        compressed(&noise(len, len as u64));
    }
}

#[test]
fn text_is_compressed_a_level_lower_and_what_else_is_there_is_not() {
    let alone = |bytes: &[u8], level| {
        let mut compressor = Compressor::new(CompressionLvl::new(level).unwrap());
        let mut stream = vec![0; compressor.deflate_compress_bound(bytes.len())];
        compressor.deflate_compress(bytes, &mut stream).unwrap()
    };
    let text = text(STRETCH);
    // As rich in values as a program, and with repetitions.
    let program: Vec<u8> =
        text.iter().enumerate().map(|(i, byte)| byte.wrapping_mul((i >> 12) as u8 | 1)).collect();
    for (bytes, level) in [(text, 5), (program, 6)] {
        assert_ne!(alone(&bytes, 5), alone(&bytes, 6));
        // What makes a piece of a stream adds five bytes at most.
        let added = compressed(&bytes).len() - alone(&bytes, level);
        assert!((4..=5).contains(&added), "{added}");
    }
    let levels = [1, 2, 9, 10, 12].map(|level| Level::new(level).unwrap().for_text().get());
    assert_eq!(levels, [1, 1, 8, 10, 12]);
}
