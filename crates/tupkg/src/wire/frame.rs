//! A message's length and its bytes.

use std::io::{self, ErrorKind, Read, Write};

/// The longest message that the two bytes of its length can announce.
pub const MAX: usize = 0xffff;

/// A message cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other end has closed the connection between two messages.
    #[error("the other end has closed the connection")]
    Ended,
    /// The other end has closed the connection within a message.
    #[error("the other end has closed the connection in the middle of a message")]
    Short,
    /// The message is longer than allowed.
    #[error("a message of {length} bytes, where {limit} are allowed")]
    TooLong {
        /// Its length.
        length: usize,
        /// The bytes allowed.
        limit: usize,
    },
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a message of at most `limit` bytes.
pub fn read(from: &mut impl Read, limit: usize) -> Result<Vec<u8>, FrameError> {
    let mut length = [0; 2];
    let first = loop {
        match from.read(&mut length) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    match first {
        0 => return Err(FrameError::Ended),
        1 => fill(from, &mut length[1..])?,
        _ => {}
    }
    let length = usize::from(u16::from_be_bytes(length));
    if length > limit {
        return Err(FrameError::TooLong { length, limit });
    }
    let mut message = vec![0; length];
    fill(from, &mut message)?;
    Ok(message)
}

/// Writes a message, in one piece.
pub fn write(to: &mut impl Write, message: &[u8]) -> Result<(), FrameError> {
    let too_long = |_| FrameError::TooLong { length: message.len(), limit: MAX };
    let length = u16::try_from(message.len()).map_err(too_long)?;
    // Whole in memory for a moment; what wipes the message cannot wipe this, so it wipes itself.
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(2 + message.len()));
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(message);
    to.write_all(&bytes)?;
    Ok(to.flush()?)
}

fn fill(from: &mut impl Read, bytes: &mut [u8]) -> Result<(), FrameError> {
    from.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => FrameError::Short,
        _ => FrameError::Io(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_08_s4_09_a_message_is_its_length_in_two_bytes_and_itself() {
        let mut bytes = Vec::new();
        write(&mut bytes, b"username=bfinch@example.net&password=B0b").unwrap();
        assert_eq!(&bytes[..4], b"\x00\x28us");
        assert_eq!(read(&mut &bytes[..], 40).unwrap(), &bytes[2..]);
        assert!(matches!(read(&mut &bytes[..], 39), Err(FrameError::TooLong { length: 40, limit: 39 })));
    }

    #[test]
    fn s4_08_lengths_go_from_nothing_to_65535() {
        for length in [0, 1, 255, 256, MAX] {
            let mut bytes = Vec::new();
            write(&mut bytes, &vec![7; length]).unwrap();
            assert_eq!(read(&mut &bytes[..], MAX).unwrap().len(), length);
        }
        assert!(matches!(write(&mut Vec::new(), &vec![7; MAX + 1]), Err(FrameError::TooLong { .. })));
    }

    #[test]
    fn s4_08_an_end_within_a_message_is_told_from_one_between_two() {
        assert!(matches!(read(&mut &b""[..], MAX), Err(FrameError::Ended)));
        for short in [&b"\0"[..], b"\0\x03", b"\0\x03ac"] {
            assert!(matches!(read(&mut &short[..], MAX), Err(FrameError::Short)), "{short:?}");
        }
    }
}
