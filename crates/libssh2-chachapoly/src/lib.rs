//! libssh2's cipher `chacha20-poly1305@openssh.com`, three times as fast.
//!
//! libssh2 brings ChaCha20 and Poly1305 along in portable C and does not ask its cryptographic library for
//! them. They take 1.65 s for 512 MiB, more than half of all the processor time that sending over SFTP takes.
//! RustCrypto's, which use the vector instructions of the processor at hand, take 0.47 s.
//!
//! This crate defines the three functions of libssh2's `cipher-chachapoly.c` under their C names. libssh2 is
//! linked statically, from an archive, of which a linker only takes objects that define what nothing before
//! did: where this crate's functions are linked first, `cipher-chachapoly.c`, `chacha.c` and `poly1305.c`
//! stay out of the program. [`link`] makes sure that they are. There is no third outcome: were both linked,
//! the linker would refuse the names defined twice.
//!
//! What the functions have to do is told by OpenSSH's `PROTOCOL.chacha20poly1305`; [`cipher`] does it, and
//! what is unsafe about being called by C is all in this file.

mod cipher;

use std::ffi::{c_int, c_uchar, c_uint};
use std::slice;

use cipher::{Keys, Tag, WrongTag};

/// libssh2's `LIBSSH2_ERROR_NONE`.
const NONE: c_int = 0;
/// libssh2's `LIBSSH2_ERROR_DECRYPT`.
const DECRYPT: c_int = -12;
/// libssh2's `LIBSSH2_ERROR_INVAL`.
const INVALID: c_int = -34;

/// The bytes libssh2 has for a `struct chachapoly_ctx`: two states of ChaCha20 of 16 words each.
const CONTEXT_SIZE: usize = 2 * 16 * size_of::<c_uint>();

const _: () = assert!(size_of::<Keys>() <= CONTEXT_SIZE && align_of::<Keys>() <= align_of::<c_uint>());

/// Has this crate's functions linked before libssh2's own; called by whoever uses libssh2.
pub fn link() {
    let functions =
        [chachapoly_init as *const (), chachapoly_crypt as *const (), chachapoly_get_length as *const ()];
    std::hint::black_box(functions);
}

/// Puts the keys of one direction, `key_size` bytes from `key` on, into `context`.
///
/// # Safety
///
/// `context` points to [`CONTEXT_SIZE`] bytes, aligned for a [`c_uint`], that may be written; `key` to
/// `key_size` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn chachapoly_init(context: *mut Keys, key: *const c_uchar, key_size: usize) -> c_int {
    // SAFETY: `key` points to so many bytes.
    let key = unsafe { slice::from_raw_parts(key, key_size) };
    let Some(keys) = Keys::new(key) else { return INVALID };
    // SAFETY: `Keys` fits there, as is asserted above. What the memory held before has nothing to drop.
    unsafe { context.write(keys) };
    NONE
}

/// Encrypts or decrypts a packet of `aad_size + size` bytes from `source` to `target`, which may be the same.
///
/// The tag is behind the packet: written to `target` when encrypting, read from `source` and checked when
/// decrypting. The first `aad_size` bytes are encrypted with a key of their own: 4, the packet's length, or
/// none in a private key's file. Nothing is decrypted where the tag is wrong.
///
/// # Safety
///
/// `context` was filled by [`chachapoly_init`]; `source` points to as many bytes as there are in the packet
/// and, for decrypting, its tag; `target` to as many as there are in the packet and, for encrypting, its tag.
/// They are the same place or do not overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn chachapoly_crypt(
    context: *const Keys,
    sequence: u64,
    target: *mut c_uchar,
    source: *const c_uchar,
    size: usize,
    aad_size: usize,
    encrypt: c_int,
) -> c_int {
    let packet_size = aad_size + size;
    if !std::ptr::eq(target, source) {
        // SAFETY: both have room for the packet, and they do not overlap where they are not the same.
        unsafe { source.copy_to_nonoverlapping(target, packet_size) };
    }
    // SAFETY: `context` was filled by `chachapoly_init`, the packet is at `target`, and nobody else looks at
    // either.
    let (keys, packet) = unsafe { (&*context, slice::from_raw_parts_mut(target, packet_size)) };
    if encrypt != 0 {
        let tag = keys.seal(sequence, packet, aad_size);
        // SAFETY: behind the packet `target` has room for a tag.
        unsafe { target.add(packet_size).cast::<Tag>().write(tag) };
        return NONE;
    }
    // SAFETY: behind the packet `source` has its tag.
    let tag = unsafe { source.add(packet_size).cast::<Tag>().read() };
    match keys.open(sequence, packet, aad_size, &tag) {
        Ok(()) => NONE,
        Err(WrongTag) => DECRYPT,
    }
}

/// Decrypts the length that `packet` begins with, and puts it into `length`; fails where there are not 4
/// bytes of it.
///
/// # Safety
///
/// `context` was filled by [`chachapoly_init`]; `packet` points to `size` bytes, and `length` may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn chachapoly_get_length(
    context: *const Keys,
    length: *mut c_uint,
    sequence: u64,
    packet: *const c_uchar,
    size: usize,
) -> c_int {
    // SAFETY: `context` was filled by `chachapoly_init`, and `packet` points to so many bytes.
    let (keys, packet) = unsafe { (&*context, slice::from_raw_parts(packet, size)) };
    let Some(encrypted) = packet.first_chunk() else { return INVALID };
    // SAFETY: `length` may be written.
    unsafe { length.write(keys.length(sequence, *encrypted)) };
    NONE
}
