//! The construction itself, as OpenSSH's `PROTOCOL.chacha20poly1305` describes it.
//!
//! Each direction has two ChaCha20 keys, used with the packet's number as the nonce. The second encrypts the
//! packet's length, so that a reader learns it before it has the packet. Of the first's key stream, block 0
//! begins with the key for Poly1305, and the blocks from 1 on encrypt the rest. The tag is over the packet as
//! encrypted, length included.

use chacha20::ChaCha20Legacy;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a ChaCha20 key, and of Poly1305's.
const KEY_SIZE: usize = 32;
/// Bytes of a block of ChaCha20's key stream.
const BLOCK_SIZE: u64 = 64;
/// Bytes of a packet's length.
pub(crate) const LENGTH_SIZE: usize = 4;
/// Bytes of a tag.
pub(crate) const TAG_SIZE: usize = 16;

/// What proves that a packet is the one that was sealed.
pub(crate) type Tag = [u8; TAG_SIZE];

/// The keys of one direction.
pub(crate) struct Keys {
    payload: [u8; KEY_SIZE],
    length: [u8; KEY_SIZE],
}

/// A packet is not what its tag says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrongTag;

impl Keys {
    /// The keys from what a key exchange derived, or nothing where that is not two keys long.
    pub(crate) fn new(derived: &[u8]) -> Option<Self> {
        let (payload, length) = derived.split_first_chunk()?;
        Some(Keys { payload: *payload, length: length.try_into().ok()? })
    }

    /// Encrypts a packet, whose first `length_size` bytes are its length, and returns its tag.
    pub(crate) fn seal(&self, number: u64, packet: &mut [u8], length_size: usize) -> Tag {
        let (mut stream, authenticator) = self.begin(number);
        let (length, payload) = packet.split_at_mut(length_size);
        keystream(&self.length, number).apply_keystream(length);
        stream.apply_keystream(payload);
        authenticator.compute_unpadded(packet).into()
    }

    /// Decrypts a packet, whose first `length_size` bytes are its length; leaves it alone where the tag is
    /// wrong.
    pub(crate) fn open(
        &self,
        number: u64,
        packet: &mut [u8],
        length_size: usize,
        tag: &Tag,
    ) -> Result<(), WrongTag> {
        let (mut stream, authenticator) = self.begin(number);
        let expected: Tag = authenticator.compute_unpadded(packet).into();
        if !bool::from(expected.ct_eq(tag)) {
            return Err(WrongTag);
        }
        let (length, payload) = packet.split_at_mut(length_size);
        keystream(&self.length, number).apply_keystream(length);
        stream.apply_keystream(payload);
        Ok(())
    }

    /// The length of a packet that begins with `encrypted`. Nobody has vouched for it yet.
    pub(crate) fn length(&self, number: u64, encrypted: [u8; LENGTH_SIZE]) -> u32 {
        let mut length = encrypted;
        keystream(&self.length, number).apply_keystream(&mut length);
        u32::from_be_bytes(length)
    }

    /// What encrypts a packet's payload, and what computes its tag.
    fn begin(&self, number: u64) -> (ChaCha20Legacy, Poly1305) {
        let mut stream = keystream(&self.payload, number);
        let mut key = Zeroizing::new([0; KEY_SIZE]);
        stream.apply_keystream(&mut *key);
        stream.seek(BLOCK_SIZE);
        (stream, Poly1305::new((&*key).into()))
    }
}

fn keystream(key: &[u8; KEY_SIZE], number: u64) -> ChaCha20Legacy {
    ChaCha20Legacy::new(key.into(), (&number.to_be_bytes()).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::aead::chacha20_poly1305_openssh::{OpeningKey, SealingKey};

    use super::*;

    proptest! {
        /// ring has the same construction, for packets with a length.
        #[test]
        fn a_packet_is_what_ring_makes_of_it(
            derived in prop::array::uniform32(any::<u8>()),
            other in prop::array::uniform32(any::<u8>()),
            number: u32,
            packet in prop::collection::vec(any::<u8>(), LENGTH_SIZE..40_000),
        ) {
            let derived: [u8; 64] = [derived, other].concat().try_into().expect("two keys");
            let keys = Keys::new(&derived).expect("two keys");
            let (mut ours, mut rings, mut rings_tag) = (packet.clone(), packet.clone(), [0; TAG_SIZE]);
            let tag = keys.seal(number.into(), &mut ours, LENGTH_SIZE);
            SealingKey::new(&derived).seal_in_place(number, &mut rings, &mut rings_tag);
            prop_assert_eq!(&ours, &rings);
            prop_assert_eq!(tag, rings_tag);

            let opening = OpeningKey::new(&derived);
            let encrypted = *ours.first_chunk().expect("a length");
            let length = u32::from_be_bytes(opening.decrypt_packet_length(number, encrypted));
            prop_assert_eq!(keys.length(number.into(), encrypted), length);
            keys.open(number.into(), &mut ours, LENGTH_SIZE, &tag).expect("sealed with the same keys");
            prop_assert_eq!(&ours, &packet);
        }

        /// Of a private key's file there is no length, and its whole is a payload.
        #[test]
        fn without_a_length_all_is_payload(packet in prop::collection::vec(any::<u8>(), 0..1000)) {
            let keys = Keys::new(&[7; 64]).expect("two keys");
            let mut with_length = [vec![0; LENGTH_SIZE], packet.clone()].concat();
            keys.seal(3, &mut with_length, LENGTH_SIZE);
            let mut sealed = packet.clone();
            let tag = keys.seal(3, &mut sealed, 0);
            prop_assert_eq!(&sealed, &with_length[LENGTH_SIZE..]);
            keys.open(3, &mut sealed, 0, &tag).expect("sealed with the same keys");
            prop_assert_eq!(sealed, packet);
        }

        #[test]
        fn one_changed_bit_is_noticed_and_nothing_decrypted(
            mut packet in prop::collection::vec(any::<u8>(), LENGTH_SIZE..200),
            place: prop::sample::Index,
            bit in 0..8,
        ) {
            let keys = Keys::new(&[7; 64]).expect("two keys");
            let tag = keys.seal(3, &mut packet, LENGTH_SIZE);
            packet.extend(tag);
            *place.get_mut(&mut packet) ^= 1u8 << bit;
            let changed = packet.clone();
            let (packet, tag) = packet.split_last_chunk_mut().expect("the tag");
            prop_assert_eq!(keys.open(3, packet, LENGTH_SIZE, tag), Err(WrongTag));
            prop_assert_eq!(&*packet, &changed[..packet.len()]);
        }
    }

    #[test]
    fn keys_of_another_size_are_refused() {
        for size in [0, 31, 32, 63, 65] {
            assert!(Keys::new(&vec![0; size]).is_none(), "{size} bytes");
        }
    }
}
