//! Times in which nothing begins at the machines of a section: `Fri 16:00-Mon 08:00` each week, `22:00-06:00`
//! each day, `2026-12-24..2027-01-01` with both days, `2026-12-24 12:00..2027-01-02 06:00`.
//!
//! They are times on the wall of a time zone, so that a window begins at the same hour in summer and in
//! winter. The first minute belongs to a window, and the one that it ends with does not. What has begun
//! before is finished.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

/// Minutes of a day.
const DAY: i32 = 24 * 60;

/// So many windows may follow one another without a gap; after them it is looked at anew.
const ADJOINING: usize = 100;

/// All windows of a section.
#[derive(Debug, Clone, Default)]
pub struct Freeze {
    /// Each one.
    pub windows: Vec<Window>,
    /// Whose clock on the wall; none for this host's.
    pub zone: Option<TimeZone>,
}

/// One window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// As it is written.
    text: String,
    span: Span,
}

/// From when until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    /// Each day or each week: minutes since its beginning, and how many minutes it has.
    Again { from: i32, to: i32, period: i32 },
    /// Once.
    Once { from: DateTime, to: DateTime },
}

impl Window {
    /// Takes a window, or says what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const ALLOWED: &str = "must be windows such as \"Fri 16:00-Mon 08:00\", \"22:00-06:00\" or \"2026-12-24..2027-01-01\", with a \
                               comma between two";
        let span = match text.split_once("..") {
            Some((from, to)) => once(from.trim(), to.trim()),
            None => text.split_once('-').and_then(|(from, to)| again(from.trim(), to.trim())),
        };
        Ok(Self { text: text.to_owned(), span: span.ok_or(ALLOWED)? })
    }

    /// Returns when it ends, if it is on at a time on the wall.
    fn end(&self, now: DateTime) -> Option<DateTime> {
        match self.span {
            Span::Once { from, to } => (from <= now && now < to).then_some(to),
            Span::Again { from, to, period } => {
                let days = if period == DAY { 0 } else { i32::from(now.weekday().to_monday_zero_offset()) };
                let minute = days * DAY + i32::from(now.hour()) * 60 + i32::from(now.minute());
                // As if it began at the window's first minute.
                let (since, length) = ((minute - from).rem_euclid(period), (to - from).rem_euclid(period));
                let midnight = now.date().at(0, 0, 0, 0);
                let today = i64::from(minute % DAY);
                let end = midnight.checked_add((today + i64::from(length - since)).minutes());
                (since < length).then_some(end.ok()?)
            }
        }
    }
}

/// Reads two times of a day, or of a week.
fn again(from: &str, to: &str) -> Option<Span> {
    let (from, to) = (minute(from)?, minute(to)?);
    let period = match (from.0, to.0) {
        (Some(_), Some(_)) => 7 * DAY,
        (None, None) => DAY,
        (Some(_), None) | (None, Some(_)) => return None,
    };
    let since = |(day, minute): (Option<i32>, i32)| day.unwrap_or(0) * DAY + minute;
    let (from, to) = (since(from), since(to));
    // One that never ends is no window.
    (from != to).then_some(Span::Again { from, to, period })
}

/// Reads `Fri 16:00` or `16:00`: the day since Monday, and the minute of it.
fn minute(text: &str) -> Option<(Option<i32>, i32)> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let (day, time) = match text.split_once(' ') {
        Some((day, time)) => (Some(day.to_ascii_lowercase()), time.trim()),
        None => (None, text),
    };
    let day = match day {
        Some(day) => Some(i32::try_from(DAYS.iter().position(|known| *known == day)?).ok()?),
        None => None,
    };
    let time = time_of_day(time)?;
    Some((day, i32::from(time.hour()) * 60 + i32::from(time.minute())))
}

fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| is_number)
    };
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

/// Reads two days, both of which belong to it, or two times.
fn once(from: &str, to: &str) -> Option<Span> {
    let read = |text: &str| match text.split_once(' ') {
        Some((date, time)) => Some((text_date(date)?.to_datetime(time_of_day(time.trim())?), true)),
        None => Some((text_date(text)?.at(0, 0, 0, 0), false)),
    };
    let ((from, _), (to, is_time)) = (read(from)?, read(to)?);
    let to = if is_time { to } else { to.checked_add(1.day()).ok()? };
    (from < to).then_some(Span::Once { from, to })
}

fn text_date(text: &str) -> Option<jiff::civil::Date> {
    text.parse().ok().filter(|_| text.len() == 10)
}

impl Freeze {
    /// Returns until when nothing begins, and the window that says so; none if it is no time of freezing.
    pub fn until(&self, now: &Zoned) -> Option<(Timestamp, &str)> {
        let zone = self.zone.clone().unwrap_or_else(|| now.time_zone().clone());
        let here = now.with_time_zone(zone.clone()).datetime();
        let (first, mut end) = self.windows.iter().find_map(|window| Some((window, window.end(here)?)))?;
        // Others may begin before it is over.
        for _ in 0..ADJOINING {
            match self.windows.iter().find_map(|window| window.end(end)) {
                Some(later) => end = later,
                None => break,
            }
        }
        let until = zone.to_zoned(end).map_or(Timestamp::MAX, |zoned| zoned.timestamp());
        Some((until, &first.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freeze(windows: &[&str]) -> Freeze {
        let windows = windows.iter().map(|text| Window::parse(text).unwrap()).collect();
        Freeze { windows, zone: Some(TimeZone::get("Europe/Berlin").unwrap()) }
    }

    /// Returns until when it is frozen at a time in Berlin, as a time there.
    #[track_caller]
    fn until(freeze: &Freeze, now: &str) -> Option<String> {
        let zone = freeze.zone.clone().unwrap();
        let now = zone.to_zoned(now.parse::<DateTime>().unwrap()).unwrap();
        // Told by a host that is elsewhere.
        let elsewhere = now.with_time_zone(TimeZone::UTC);
        let (until, _) = freeze.until(&elsewhere)?;
        Some(until.to_zoned(zone).strftime("%a %F %R").to_string())
    }

    #[test]
    fn s2_01_nothing_begins_from_friday_afternoon_to_monday_morning() {
        let weekend = freeze(&["Fri 16:00-Mon 08:00"]);
        assert_eq!(until(&weekend, "2026-12-04 15:59:59"), None);
        for inside in ["2026-12-04 16:00", "2026-12-05 00:00", "2026-12-06 23:59:59", "2026-12-07 07:59:59"] {
            assert_eq!(until(&weekend, inside).as_deref(), Some("Mon 2026-12-07 08:00"), "{inside}");
        }
        assert_eq!(until(&weekend, "2026-12-07 08:00"), None);
        // The clock on the wall counts, though the weekend has an hour less.
        assert_eq!(until(&weekend, "2026-03-28 12:00").as_deref(), Some("Mon 2026-03-30 08:00"));
        let working_days = freeze(&["mon 9:00-fri 17:00"]);
        assert_eq!(until(&working_days, "2026-12-02 03:00").as_deref(), Some("Fri 2026-12-04 17:00"));
        assert_eq!(until(&working_days, "2026-12-05 03:00"), None);
    }

    #[test]
    fn s2_01_nothing_begins_on_days_that_are_named_and_at_hours_of_each_day() {
        let both = freeze(&["2026-12-24..2027-01-01", "22:00-06:00"]);
        assert_eq!(until(&both, "2026-12-01 12:00"), None);
        assert_eq!(until(&both, "2026-12-01 22:00").as_deref(), Some("Wed 2026-12-02 06:00"));
        assert_eq!(until(&both, "2026-12-02 05:59").as_deref(), Some("Wed 2026-12-02 06:00"));
        // The night adjoins the days.
        assert_eq!(until(&both, "2026-12-23 23:00").as_deref(), Some("Sat 2027-01-02 06:00"));
        assert_eq!(until(&both, "2027-01-01 12:00").as_deref(), Some("Sat 2027-01-02 06:00"));
        let times = freeze(&["2026-12-24 12:00..2027-01-02 06:30"]);
        assert_eq!(until(&times, "2026-12-24 11:59"), None);
        assert_eq!(until(&times, "2026-12-24 12:00").as_deref(), Some("Sat 2027-01-02 06:30"));
        // Windows without a gap: it is told that it is frozen, and no run hangs in it.
        assert!(until(&freeze(&["00:00-12:00", "12:00-00:00"]), "2026-12-24 12:00").is_some());
    }

    #[test]
    fn s2_01_a_window_that_cannot_be_is_refused() {
        for wrong in [
            "",
            "Fri",
            "Fri 16:00",
            "Fri 16:00-08:00",
            "16:00-16:00",
            "24:01-03:00",
            "+1:00-02:00",
            "2027-01-01..2026-12-24",
            "2026-12-24..",
            "2026-02-30..2026-03-01",
            "Fre 16:00-Mon 08:00",
        ] {
            assert!(Window::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
