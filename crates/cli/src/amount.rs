//! Amounts as people read them.

/// Returns a number of bytes in the largest unit of which there is one.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut rest = bytes as f64;
    let mut unit = "bytes";
    for next in UNITS {
        if rest < 1024.0 {
            break;
        }
        rest /= 1024.0;
        unit = next;
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{rest:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomer_m18_amounts_are_told_in_the_largest_unit() {
        let told = [0, 1023, 1024, 1_414_496_256, 3 << 40].map(bytes);
        assert_eq!(told, ["0 bytes", "1023 bytes", "1.0 KiB", "1.3 GiB", "3.0 TiB"]);
    }
}
