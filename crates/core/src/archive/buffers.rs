//! Buffers that are used again and again.
//!
//! A build of gigabytes goes through buffers of a megabyte. Were each allocated anew, by one thread, and
//! freed by another, the allocator would hold many times the memory in use, or give it back to the system and
//! fetch it again for every buffer. Here there are never more than were in use at the same time.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Empty buffers, ready for use.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Vec<u8>>>);

/// A buffer that goes back to its pool when it is dropped.
pub(super) struct Buffer<'p> {
    bytes: Vec<u8>,
    pool: &'p Pool,
}

impl Pool {
    /// Returns an empty buffer.
    pub(super) fn take(&self) -> Buffer<'_> {
        Buffer { bytes: self.buffers().pop().unwrap_or_default(), pool: self }
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Buffer<'_> {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer<'_> {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.pool.buffers().push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again_and_empty() {
        let pool = Pool::default();
        let mut first = pool.take();
        first.extend_from_slice(&[7; 5_000]);
        let second = pool.take();
        assert_eq!(second.capacity(), 0);
        let place = first.as_ptr();
        drop(first);
        let again = pool.take();
        assert!(again.is_empty() && again.capacity() >= 5_000 && again.as_ptr() == place);
    }
}
