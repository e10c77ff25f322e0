//! Numbers as headers have them.

/// Returns a number: octal digits with spaces before and spaces or NULs behind, or GNU's binary, not below
/// zero.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let (head, tail) = field.split_at(field.len().saturating_sub(8));
        let head_is_empty = head.iter().enumerate().all(|(i, byte)| *byte == if i == 0 { 0x80 } else { 0 });
        let mut bytes = [0; 8];
        bytes[8 - tail.len()..].copy_from_slice(tail);
        if head.is_empty() {
            // A field of eight bytes: the mark is in the number's own first byte.
            bytes[0] &= 0x7f;
        } else if !head_is_empty {
            return None;
        }
        return Some(u64::from_be_bytes(bytes)).filter(|number| *number < 1 << 62);
    }
    let start = field.iter().position(|byte| *byte != b' ')?;
    let rest = &field[start..];
    let end = rest.iter().position(|byte| matches!(byte, b' ' | 0)).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    if after.iter().any(|byte| !matches!(byte, b' ' | 0))
        || digits.iter().any(|byte| !(b'0'..=b'7').contains(byte))
    {
        return None;
    }
    // A field of NULs alone is nought, as old archives have it.
    Some(digits.iter().fold(0, |sum, digit| sum * 8 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_octal_or_binary_and_nothing_else() {
        for (field, value) in [
            (&b"0000644\0"[..], 0o644),
            (b"   644 \0", 0o644),
            (b"\0\0\0\0\0\0\0\0", 0),
            (b"77777777777\0", 0o77777777777),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", 1 << 33),
            (b"\x80\0\0\0\0\0\0\x05", 5),
        ] {
            assert_eq!(number(field), Some(value), "{field:?}");
        }
        let negative = [0xff; 12];
        for field in
            [&b"-000644\0"[..], b"0000648\0", b"+644    ", b"64 4\0\0\0\0", b"0x1\0\0\0\0\0", &negative]
        {
            assert_eq!(number(field), None, "{field:?}");
        }
        assert_eq!(number(b"\x80\x01\0\0\0\0\0\0\0\0\0\0"), None);
        assert_eq!(number(b"        "), None);
    }
}
