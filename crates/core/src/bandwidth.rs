//! How fast a site may be sent to, at which time of which day of the week.
//!
//! `"20 MiB/s"` holds always, `["08:00 2 MiB/s", "18:00 off"]` each from its time on until the next one's,
//! around the week. What decides is the day and the time that a clock on the host's wall shows. So an hour
//! that is skipped in spring takes nothing away, since what begins in it holds when it is over, and one that
//! comes twice in autumn is treated alike both times. Nothing here asks for the time.

use std::fmt;
use std::num::NonZeroU64;

use jiff::civil::{DateTime, Time};

/// Minutes in a day and in a week.
const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;

/// What is allowed, for whoever wrote something else.
pub const RATE_FORM: &str =
    "must be a rate from \"1 KiB/s\" to \"1000 GiB/s\", such as \"20 MiB/s\" or \"1.5 MiB/s\", or \"off\"";
/// The same, where times may be said as well.
pub const TIMETABLE_FORM: &str = "must be a rate such as \"20 MiB/s\", \"off\", or a list of times and rates such as \
                                  [\"08:00 2 MiB/s\", \"Mon-Fri 18:00 off\", \"Sat,Sun 00:00 off\"]";

/// At most so many bytes a second, or as many as there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(Option<NonZeroU64>);

impl Rate {
    /// No limit.
    pub const OFF: Self = Self(None);

    /// Returns the most bytes a second, if there is a limit.
    pub fn bytes_a_second(self) -> Option<NonZeroU64> {
        self.0
    }

    /// Reads `20 MiB/s` or `off`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "off" {
            return Some(Self::OFF);
        }
        let (number, unit) = text.split_once(' ')?;
        let unit = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |digits: &str| {
            (1..=6).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
        };
        if !is_number(whole) || !is_number(part) {
            return None;
        }
        let part = part.parse::<u64>().ok()? * unit / 10_u64.pow(u32::try_from(part.len()).ok()?);
        let bytes = whole.parse::<u64>().ok()? * unit + part;
        let is_allowed = (UNITS[0].1..=1000 * UNITS[2].1).contains(&bytes);
        NonZeroU64::new(bytes).filter(|_| is_allowed).map(|bytes| Self(Some(bytes)))
    }
}

const UNITS: [(&str, u64); 3] = [("KiB/s", 1 << 10), ("MiB/s", 1 << 20), ("GiB/s", 1 << 30)];

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = self.0 else { return f.write_str("off") };
        let fits = |(_, unit): &&(&str, u64)| bytes.get() % (unit / 64).max(1) == 0 && bytes.get() >= *unit;
        let (name, unit) = UNITS.iter().rev().find(fits).unwrap_or(&UNITS[0]);
        write!(f, "{} {name}", bytes.get() as f64 / *unit as f64)
    }
}

/// Rates with the times at which they begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    /// In the order of the week, by minutes since Monday began; never empty, and none at one minute with
    /// another.
    begins: Vec<(u32, Rate)>,
}

/// Why a list is no timetable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unclear {
    /// An entry has another form.
    Entry,
    /// Two entries begin at this minute of this day.
    Twice(String),
}

impl Timetable {
    /// Makes one that is the same all the time.
    pub fn always(rate: Rate) -> Self {
        Self { begins: vec![(0, rate)] }
    }

    /// Reads `[DAYS ]HH:MM RATE` of each entry, where the days are all if they are missing.
    pub fn parse<'t>(entries: impl IntoIterator<Item = &'t str>) -> Result<Self, Unclear> {
        let mut begins = Vec::new();
        for entry in entries {
            let (days, minute, rate) = parse_entry(entry).ok_or(Unclear::Entry)?;
            begins.extend(days.iter().map(|day| (day * DAY + minute, rate)));
        }
        begins.sort_by_key(|(begin, _)| *begin);
        if let Some(pair) = begins.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Unclear::Twice(shown(pair[0].0)));
        }
        if begins.is_empty() { Err(Unclear::Entry) } else { Ok(Self { begins }) }
    }

    /// Returns whether there is no limit at any time.
    pub fn is_off(&self) -> bool {
        self.begins.iter().all(|(_, rate)| *rate == Rate::OFF)
    }

    /// Returns what is in force when a clock on the wall shows this.
    pub fn at(&self, wall: DateTime) -> InForce {
        let day = u32::from(wall.weekday().to_monday_zero_offset().unsigned_abs());
        let minute = day * DAY + minute_of(wall.time());
        let next = self.begins.iter().find(|(begin, rate)| *begin > minute && *rate != self.rate(minute));
        let next = next.or_else(|| self.begins.iter().find(|(_, rate)| *rate != self.rate(minute)));
        InForce { rate: self.rate(minute), until: next.map(|(begin, _)| shown(*begin)) }
    }

    /// Returns the rate at a minute of the week: that of the last entry before it, be it of the week before.
    fn rate(&self, minute: u32) -> Rate {
        let before = self.begins.iter().rev().find(|(begin, _)| *begin <= minute);
        before.or(self.begins.last()).map_or(Rate::OFF, |(_, rate)| *rate)
    }
}

/// A rate, and until when it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The rate.
    pub rate: Rate,
    /// The day and the time at which there is another one.
    pub until: Option<String>,
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.until {
            Some(until) => write!(f, "{} until {until}", self.rate),
            None => self.rate.fmt(f),
        }
    }
}

/// Reads the days, counted from Monday, the minute and the rate of an entry.
fn parse_entry(text: &str) -> Option<(Vec<u32>, u32, Rate)> {
    let (first, rest) = text.split_once(' ')?;
    let (days, time, rate) = match parse_time(first) {
        Some(time) => ((0..7).collect(), time, rest),
        None => {
            let (time, rate) = rest.split_once(' ')?;
            (parse_days(first)?, parse_time(time)?, rate)
        }
    };
    Some((days, time, Rate::parse(rate)?))
}

/// Reads `Mon`, `Mon-Fri`, `Sat,Sun`, `Fri-Mon`.
fn parse_days(text: &str) -> Option<Vec<u32>> {
    let number = |name: &str| DAYS.iter().position(|day| *day == name).and_then(|at| u32::try_from(at).ok());
    let mut days = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(first)?, number(last)?);
        days.extend((0..=(last + 7 - first) % 7).map(|ahead| (first + ahead) % 7));
    }
    Some(days)
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

fn parse_time(text: &str) -> Option<u32> {
    let digits = |text: &str| {
        let two = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        two.then(|| text.parse::<i8>().ok()).flatten()
    };
    let (hour, minute) = text.split_once(':')?;
    Time::new(digits(hour)?, digits(minute)?, 0, 0).ok().map(minute_of)
}

fn minute_of(time: Time) -> u32 {
    u32::from(time.hour().unsigned_abs()) * 60 + u32::from(time.minute().unsigned_abs())
}

fn shown(minute: u32) -> String {
    let minute = minute % WEEK;
    let (day, minute) = (minute / DAY, minute % DAY);
    format!("{} {:02}:{:02}", DAYS[day as usize], minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(timetable: &Timetable, wall: &str) -> String {
        timetable.at(wall.parse().unwrap()).to_string()
    }

    #[test]
    fn rates_are_read_and_shown() {
        for (text, bytes) in
            [("1 KiB/s", 1 << 10), ("20 MiB/s", 20 << 20), ("1.5 MiB/s", 3 << 19), ("1000 GiB/s", 1000 << 30)]
        {
            let rate = Rate::parse(text).unwrap();
            assert_eq!(rate.bytes_a_second().unwrap().get(), bytes);
            assert_eq!(rate.to_string(), text);
        }
        assert_eq!(Rate::parse("off"), Some(Rate::OFF));
        for wrong in [
            "",
            "0 MiB/s",
            "20",
            "20MiB/s",
            "20 MB/s",
            "-1 MiB/s",
            "1.MiB/s",
            ". MiB/s",
            "1. MiB/s",
            "1001 GiB/s",
            "0.5 KiB/s",
            "9999999 KiB/s",
            "Off",
            "1 MiB/s ",
        ] {
            assert_eq!(Rate::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_entry_holds_until_the_next_around_the_week() {
        let timetable =
            Timetable::parse(["Mon-Fri 08:00 2 MiB/s", "18:00 off", "Sat,Sun 09:30 10 MiB/s"]).unwrap();
        // 2026-11-23 is a Monday.
        for (wall, expected) in [
            ("2026-11-23T07:59:59", "off until Mon 08:00"),
            ("2026-11-23T08:00:00", "2 MiB/s until Mon 18:00"),
            ("2026-11-27T17:59:59", "2 MiB/s until Fri 18:00"),
            ("2026-11-27T18:00:00", "off until Sat 09:30"),
            ("2026-11-29T09:30:00", "10 MiB/s until Sun 18:00"),
            ("2026-11-29T23:59:59", "off until Mon 08:00"),
        ] {
            assert_eq!(at(&timetable, wall), expected, "{wall}");
        }
        let nightly = Timetable::parse(["Fri-Mon 22:00 off", "Tue 06:00 1 MiB/s"]).unwrap();
        assert_eq!(at(&nightly, "2026-11-24T06:00:00"), "1 MiB/s until Fri 22:00");
        assert_eq!(at(&nightly, "2026-11-24T05:59:00"), "off until Tue 06:00");
        assert_eq!(at(&Timetable::always(Rate::OFF), "2026-11-24T05:59:00"), "off");
    }

    #[test]
    fn what_is_no_timetable_is_refused() {
        for wrong in [
            "20 MiB/s",
            "8:00 off",
            "24:00 off",
            "08:60 off",
            "08:00",
            "08:00 fast",
            "Mon off",
            "Mo 08:00 off",
            "Mon- 08:00 off",
            "Mon, 08:00 off",
            "08:00  off",
            "08:00:00 off",
        ] {
            assert_eq!(Timetable::parse([wrong]), Err(Unclear::Entry), "{wrong:?}");
        }
        assert_eq!(Timetable::parse([]), Err(Unclear::Entry));
        let twice = Timetable::parse(["08:00 off", "Tue 08:00 1 MiB/s"]);
        assert_eq!(twice, Err(Unclear::Twice("Tue 08:00".into())));
    }

    #[test]
    fn clocks_that_are_put_forward_or_back_leave_no_hour_without_a_rate() {
        let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
        let timetable = Timetable::parse(["02:30 1 MiB/s", "04:00 off"]).unwrap();
        let rate = |utc: &str| {
            let wall = zone.to_datetime(utc.parse::<jiff::Timestamp>().unwrap());
            timetable.at(wall).rate.to_string()
        };
        // On 2026-03-29 it is never 02:30 there: 01:59 is followed by 03:00.
        assert_eq!(rate("2026-03-29T00:59:00Z"), "off");
        assert_eq!(rate("2026-03-29T01:00:00Z"), "1 MiB/s");
        // On 2026-10-25 it is 02:30 twice, and between them 02:00 again.
        let night = ["00:29", "00:30", "00:59", "01:00", "01:29", "01:30", "02:59", "03:00"];
        let rates = night.map(|time| rate(&format!("2026-10-25T{time}:00Z")));
        assert_eq!(rates, ["off", "1 MiB/s", "1 MiB/s", "off", "off", "1 MiB/s", "1 MiB/s", "off"]);
    }
}
