//! Bytes that a socket has not taken yet.

use std::io::{self, Write};

/// The most that waits. One packet of libssh2's has 35,000 bytes, and what it says by itself is short.
const MOST: usize = 1 << 20;

/// What goes to a socket, and the part of it that the socket has not taken.
#[derive(Debug)]
pub(crate) struct Held<W> {
    to: W,
    /// What waits, from `sent` on.
    bytes: Vec<u8>,
    sent: usize,
    sent_on: u64,
}

impl<W: Write> Held<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, bytes: Vec::new(), sent: 0, sent_on: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns how many bytes were sent on so far after they had waited.
    pub(crate) fn sent_on(&self) -> u64 {
        self.sent_on
    }

    /// Sends bytes behind those that wait, and keeps what the socket does not take.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let taken = if self.flush()? { write(&mut self.to, bytes)? } else { 0 };
        let rest = &bytes[taken..];
        if self.bytes.len() - self.sent + rest.len() > MOST {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::NOBUFS.raw_os_error()));
        }
        self.bytes.extend_from_slice(rest);
        Ok(())
    }

    /// Sends on what waits, as far as the socket takes it. Returns whether nothing is left.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        let taken = write(&mut self.to, &self.bytes[self.sent..])?;
        self.sent += taken;
        self.sent_on += taken as u64;
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        }
        Ok(self.bytes.is_empty())
    }
}

/// Writes as much as is taken without waiting, and returns how much that is.
fn write(to: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() {
        match to.write(&bytes[taken..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => taken += n,
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => break,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// A socket that takes these many bytes, one after the other; between them, and at the end, it is full.
    struct Narrow {
        takes: VecDeque<usize>,
        taken: Vec<u8>,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.takes.pop_front() {
                None | Some(0) => Err(io::ErrorKind::WouldBlock.into()),
                Some(most) => {
                    let n = most.min(bytes.len());
                    self.taken.extend_from_slice(&bytes[..n]);
                    Ok(n)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn all_bytes_arrive_once_and_in_order(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..20),
            takes in prop::collection::vec(0_usize..60, 0..60),
        ) {
            let mut held = Held::new(Narrow { takes: takes.into(), taken: Vec::new() });
            for packet in &packets {
                held.send(packet).unwrap();
            }
            while !held.flush().unwrap() {
                if held.to.takes.is_empty() {
                    held.to.takes.push_back(7);
                }
            }
            prop_assert!(held.is_empty());
            prop_assert_eq!(&held.to.taken, &packets.concat());
        }
    }

    #[test]
    fn a_peer_that_takes_nothing_is_not_held_for_without_end() {
        let mut held = Held::new(Narrow { takes: VecDeque::new(), taken: Vec::new() });
        let sent = (0..MOST).take_while(|_| held.send(&[0; 1024]).is_ok()).count();
        assert_eq!(sent, MOST / 1024);
    }
}
