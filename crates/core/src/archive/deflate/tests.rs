use std::io::Read as _;

use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use libdeflater::{CompressionLvl, Compressor};
use proptest::prelude::*;

use super::*;

fn open_end(stream: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut streams = [std::mem::take(stream)];
    let opened = open_ends(&mut streams);
    let [opened_stream] = streams;
    *stream = opened_stream;
    opened
}

/// Compresses as the archiver's blocks are.
fn complete(bytes: &[u8], level: i32) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::new(level).unwrap());
    let mut stream = vec![0; compressor.deflate_compress_bound(bytes.len())];
    let len = compressor.deflate_compress(bytes, &mut stream).unwrap();
    stream.truncate(len);
    stream
}

fn inflate(stream: &[u8]) -> Vec<u8> {
    let (mut bytes, mut decoder) = (Vec::new(), DeflateDecoder::new(stream));
    decoder.read_to_end(&mut bytes).expect("a DEFLATE stream");
    assert_eq!(decoder.total_in(), stream.len() as u64, "bytes behind the stream's end");
    bytes
}

/// Bytes with words, runs and noise, so that blocks of all kinds and codes of all lengths come up.
fn mixture(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(len + 64);
    while bytes.len() < len {
        match random() % 16 {
            0 => bytes.extend(std::iter::repeat_n(random() as u8, random() as usize % 900)),
            1 => bytes.extend((0..random() % 4_000).map(|_| random() as u8)),
            2..=7 => bytes.extend_from_slice(format!("line {} of many\n", random() % 50).as_bytes()),
            8 if bytes.len() > 40_000 => {
                let from = bytes.len() - 1 - random() as usize % 32_000;
                bytes.extend_from_within(from..(from + 300).min(bytes.len()));
            }
            // Skewed, so that rare bytes get long codes.
            _ => bytes.extend((0..400).map(|_| (random() as u8) & (random() as u8) & (random() as u8))),
        }
    }
    bytes.truncate(len);
    bytes
}

#[test]
fn pieces_of_any_kind_become_one_stream() {
    let (mut stream, mut expected) = (Vec::new(), Vec::new());
    for (i, len) in [1, 0, 3, 100, 5_000, 70_000, 400_000, 1 << 20, (3 << 20) + 17].into_iter().enumerate() {
        for level in 1..=12 {
            let bytes = mixture(len, (i * 13 + level as usize) as u64);
            let mut piece = complete(&bytes, level);
            assert_eq!(inflate(&piece), bytes);
            open_end(&mut piece).unwrap();
            stream.extend_from_slice(&piece);
            expected.extend_from_slice(&bytes);
            if level % 3 == 0 {
                let stored = mixture(len.min(150_000), level as u64);
                store(&stored, &mut stream);
                expected.extend_from_slice(&stored);
            }
        }
    }
    stream.extend_from_slice(&LAST_BLOCK);
    assert!(inflate(&stream) == expected);
}

#[test]
fn streams_of_another_compressor_are_read_as_well() {
    for level in 0..=9 {
        let bytes = mixture(900_000, u64::from(level) + 99);
        let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::new(level));
        std::io::Write::write_all(&mut encoder, &bytes).unwrap();
        let mut stream = encoder.finish().unwrap();
        open_end(&mut stream).unwrap();
        stream.extend_from_slice(&LAST_BLOCK);
        assert!(inflate(&stream) == bytes, "level {level}");
    }
}

#[test]
fn a_stream_that_is_cut_or_goes_on_is_refused() {
    let whole = complete(&mixture(30_000, 5), 6);
    let is_near_an_end = |len: usize| len < 500 || whole.len() - len < 500;
    for len in (0..whole.len()).filter(|len| is_near_an_end(*len) || len % 3 == 0) {
        assert_eq!(open_end(&mut whole[..len].to_vec()), Err(Malformed), "cut to {len} bytes");
    }
    let longer = [whole.as_slice(), &[0]].concat();
    assert_eq!(open_end(&mut longer.clone()), Err(Malformed));
    assert_eq!(open_end(&mut vec![0b111]), Err(Malformed), "the reserved kind of block");
    assert_eq!(open_end(&mut vec![1, 5, 0, 0, 0]), Err(Malformed), "a length without its complement");
}

#[test]
fn streams_read_together_end_as_those_read_alone() {
    let lengths = [0, 1, 300, 9_000, 70_000, 1 << 20];
    for (one, other) in lengths.into_iter().flat_map(|one| lengths.map(|other| (one, other))) {
        let streams =
            [complete(&mixture(one, 7), 6), complete(&mixture(other, 8), 9), complete(&[b'x'; 50], 1)];
        let (mut together, mut alone) = (streams.clone(), streams);
        open_ends(&mut together).unwrap();
        alone.iter_mut().for_each(|stream| open_end(stream).unwrap());
        assert!(together == alone, "{one} and {other} bytes");
    }
    let good = complete(&mixture(90_000, 3), 6);
    let cut = good[..good.len() / 2].to_vec();
    assert_eq!(open_ends(&mut [good.clone(), cut.clone()]), Err(Malformed));
    assert_eq!(open_ends(&mut [cut, good]), Err(Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_at_all_end_the_reading(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        // Whether or not they are a stream; what matters is that nothing panics and nothing runs for ever.
        let _ = open_end(&mut bytes.clone());
    }

    #[test]
    fn a_piece_gives_its_bytes_back(len in 0..200_000_usize, seed in any::<u64>(), level in 1..=12) {
        let bytes = mixture(len, seed);
        let mut piece = complete(&bytes, level);
        open_end(&mut piece).unwrap();
        piece.extend_from_slice(&LAST_BLOCK);
        prop_assert!(inflate(&piece) == bytes);
    }
}
