//! What is delivered, and how far.

use std::time::Duration;

use clap::ValueEnum;
use intraware_test_support::delay_line::Distance;

/// 1 Gbit/s.
const RATE: u64 = 125_000_000;

/// A distance and what is sent over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// One large payload, to a server on this host
    Loopback,
    /// One large payload, over 20 ms and 1 Gbit/s
    #[value(name = "20ms")]
    Ms20,
    /// One large payload, over 50 ms and 1 Gbit/s
    #[value(name = "50ms")]
    Ms50,
    /// One large payload, over 100 ms and 1 Gbit/s
    #[value(name = "100ms")]
    Ms100,
    /// 200 payloads of 100 KiB, over 50 ms and 1 Gbit/s
    Small,
}

/// How many payloads, and how large each is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) files: usize,
    pub(crate) file_bytes: u64,
}

impl Case {
    pub(crate) const ALL: [Self; 5] = [Self::Loopback, Self::Ms20, Self::Ms50, Self::Ms100, Self::Small];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Ms20 => "20ms",
            Self::Ms50 => "50ms",
            Self::Ms100 => "100ms",
            Self::Small => "small",
        }
    }

    /// Returns the distance of the delay line; `None` for no such line between.
    pub(crate) fn distance(self) -> Option<Distance> {
        let ms = match self {
            Self::Loopback => return None,
            Self::Ms20 => 20,
            Self::Ms50 | Self::Small => 50,
            Self::Ms100 => 100,
        };
        Some(Distance { round_trip: Duration::from_millis(ms), rate: RATE })
    }

    /// Returns what is sent, if a large payload has so many MiB.
    pub(crate) fn load(self, large_mib: u32) -> Load {
        match self {
            Self::Loopback | Self::Ms20 | Self::Ms50 | Self::Ms100 => {
                Load { files: 1, file_bytes: u64::from(large_mib) << 20 }
            }
            Self::Small => Load { files: 200, file_bytes: 100 << 10 },
        }
    }
}

impl Load {
    pub(crate) fn bytes(self) -> u64 {
        self.file_bytes * self.files as u64
    }

    /// Returns how long a run may take before it counts as hanging: several times what the slowest takes.
    pub(crate) fn limit(self) -> Duration {
        Duration::from_secs(60 + self.bytes() / 3_000_000 + self.files as u64)
    }
}
