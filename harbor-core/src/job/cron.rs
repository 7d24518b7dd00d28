//! When a schedule sets something going: Harbor's six fields, in a time zone.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};

use crate::Timestamp;

/// A cron expression of six fields in a time zone: second, minute, hour, day of the month, month, day of the week (0 is Sunday).
///
/// As Harbor has them: the second is `0`; `?` is `*`; months and days of the week have names too; where both days are
/// limited, either will do. What the fields say of an hour that a clock leaves out when summer time begins happens when the
/// clock goes on, and what they say of an hour that comes twice happens the first time, unless it happens every hour or
/// more often anyway.
///
/// ```
/// use harbor_core::job::Cron;
///
/// let nightly: Cron = Cron::parse("0 30 2 * * *", "Europe/Berlin")?;
/// let at = |text: &str| serde_json::from_value(text.into()).expect("a time");
/// assert_eq!(nightly.next(at("2026-07-01T00:00:00Z")), Some(at("2026-07-01T00:30:00Z")));
/// # Ok::<(), harbor_core::job::CronError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cron {
    cron: croner::Cron,
    zone: Tz,
}

/// Why a cron expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// It does not have six fields.
    #[error(
        "a cron expression has six fields (second minute hour day month weekday), and {0:?} has {1}: \"0 0 3 * * *\" is every day at 3"
    )]
    Fields(String, usize),
    /// Its first field is not `0`.
    #[error("the first field of a cron expression is the second and must be 0, not {0:?}")]
    Second(String),
    /// A field does not read.
    #[error("the cron expression {0:?} does not read: {1}")]
    Syntax(String, String),
    /// There is no such time.
    #[error("the time that the cron expression {0:?} means never comes")]
    Never(String),
    /// There is no such time zone.
    #[error(
        "there is no time zone {0:?}; names are those of the IANA database, such as Europe/Berlin or UTC"
    )]
    Zone(String),
}

/// The longest expression, in bytes.
const LONGEST: usize = 128;

impl Cron {
    /// Reads an expression and the name of a time zone of the IANA database; no name is UTC.
    ///
    /// # Errors
    /// [`CronError`] says what is wrong.
    pub fn parse(text: &str, zone: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let wrong = |why: &str| CronError::Syntax(text.chars().take(LONGEST).collect(), why.to_owned());
        if text.len() > LONGEST {
            return Err(wrong("it is longer than 128 bytes"));
        }
        let [second, ..] = fields[..] else { return Err(CronError::Fields(text.to_owned(), 0)) };
        if fields.len() != 6 {
            return Err(CronError::Fields(text.to_owned(), fields.len()));
        }
        if second != "0" {
            return Err(CronError::Second(second.to_owned()));
        }
        // What the library understands beyond Harbor's.
        if text.contains(['#', '+', '@']) || has_word(&fields, &["L", "W"]) {
            return Err(wrong("#, +, @, L and W are not understood"));
        }
        let zone = match zone {
            "" => Tz::UTC,
            name => name.parse().map_err(|_| CronError::Zone(name.chars().take(64).collect()))?,
        };
        let parser = CronParser::builder()
            .seconds(Seconds::Required)
            .year(Year::Disallowed)
            .sloppy_ranges(true)
            .build();
        let cron = parser.parse(&fields.join(" ").replace('?', "*"));
        let cron = Self { cron: cron.map_err(|error| wrong(&error.to_string()))?, zone };
        // Days that no month has: nobody would ever notice.
        cron.next(Timestamp::from_micros(0)).map(|_| cron).ok_or_else(|| CronError::Never(text.to_owned()))
    }

    /// The first time after `after`; `None` when there is none that can be told.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after: DateTime<Utc> = DateTime::from_timestamp_micros(after.micros())?;
        let next = self.cron.find_next_occurrence(&after.with_timezone(&self.zone), false).ok()?;
        Some(Timestamp::from_micros(next.timestamp_micros()))
    }

    /// The name of its time zone.
    #[must_use]
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }
}

/// Whether a field has one of these letters other than in a name.
fn has_word(fields: &[&str], letters: &[&str]) -> bool {
    let words = fields.iter().flat_map(|field| field.split(|c: char| !c.is_ascii_alphabetic()));
    words.map(str::to_ascii_uppercase).any(|word| letters.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        serde_json::from_value(text.into()).unwrap()
    }

    /// The next times after one, as RFC 3339 without the seconds' fraction.
    fn times(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(text, zone).unwrap();
        let following = std::iter::successors(Some(at(after)), |last| cron.next(*last));
        following.skip(1).take(count).map(|time| time.to_string().replace(":00.000000Z", "")).collect()
    }

    #[test]
    fn what_harbor_takes() {
        let monday = "2026-11-23T10:07:30Z";
        for (text, next) in [
            ("0 0 * * * *", "2026-11-23T11:00"),
            ("0 0 0 * * *", "2026-11-24T00:00"),
            ("0 0 0 * * 0", "2026-11-29T00:00"),
            ("0 0 0 ? * SUN", "2026-11-29T00:00"),
            ("0 0 0 ? * sun", "2026-11-29T00:00"),
            ("0 */15 * * * *", "2026-11-23T10:15"),
            ("0 5/20 * * * *", "2026-11-23T10:25"),
            ("0 10-12 10 * * *", "2026-11-23T10:10"),
            ("0 0 1,13 * * *", "2026-11-23T13:00"),
            ("0 0 0 1 JAN *", "2027-01-01T00:00"),
            ("0 0 0 29 2 *", "2028-02-29T00:00"),
            ("0 ? ? ? ? ?", "2026-11-23T10:08"),
            // Either of the days.
            ("0 0 0 28 * 4", "2026-11-26T00:00"),
            ("0 0 0 24 * 4", "2026-11-24T00:00"),
            ("  0  0 0 * *   1-5 ", "2026-11-24T00:00"),
        ] {
            assert_eq!(times(text, "", monday, 1), [next], "{text}");
        }
    }

    #[test]
    fn what_harbor_refuses() {
        use CronError::{Fields, Never, Second, Syntax};
        type Is = fn(&CronError) -> bool;
        let cases: [(&str, Is); 18] = [
            ("", |error| matches!(error, Fields(..))),
            ("0 0 * * *", |error| matches!(error, Fields(_, 5))),
            ("0 0 0 * * * 2026", |error| matches!(error, Fields(_, 7))),
            ("* * * * * *", |error| matches!(error, Second(_))),
            ("30 0 0 * * *", |error| matches!(error, Second(_))),
            ("*/5 0 0 * * *", |error| matches!(error, Second(_))),
            ("0 60 * * * *", |error| matches!(error, Syntax(..))),
            ("0 0 24 * * *", |error| matches!(error, Syntax(..))),
            ("0 0 0 0 * *", |error| matches!(error, Syntax(..))),
            ("0 0 0 32 * *", |error| matches!(error, Syntax(..))),
            ("0 0 0 * 13 *", |error| matches!(error, Syntax(..))),
            ("0 0 0 * * 8", |error| matches!(error, Syntax(..))),
            ("0 0 0 L * *", |error| matches!(error, Syntax(..))),
            ("0 0 0 * * 1#2", |error| matches!(error, Syntax(..))),
            ("0 0 0 * * +1", |error| matches!(error, Syntax(..))),
            ("0 a b c d e", |error| matches!(error, Syntax(..))),
            ("@daily", |error| matches!(error, Fields(..))),
            ("0 0 0 30 2 *", |error| matches!(error, Never(_))),
        ];
        for (text, is) in cases {
            let error = Cron::parse(text, "").unwrap_err();
            assert!(is(&error), "{text}: {error}");
        }
        let long = format!("0 {} * * * *", vec!["1"; 200].join(","));
        assert!(matches!(Cron::parse(&long, ""), Err(Syntax(..))));
        assert!(matches!(Cron::parse("0 0 0 * * *", "Mars/Olympus"), Err(CronError::Zone(_))));
    }

    #[test]
    fn summer_time() {
        // 2:30 is left out on 29 March 2026, and comes twice on 25 October.
        let berlin = "Europe/Berlin";
        assert_eq!(
            times("0 30 2 * * *", berlin, "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]
        );
        assert_eq!(
            times("0 30 2 * * *", berlin, "2026-10-24T22:00:00Z", 2),
            ["2026-10-25T00:30", "2026-10-26T01:30"]
        );
        assert_eq!(
            times("0 0 * * * *", berlin, "2026-10-24T23:30:00Z", 4),
            ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00", "2026-10-25T03:00"]
        );
        assert_eq!(
            times("0 0 12 * * *", "America/New_York", "2026-03-07T18:00:00Z", 1),
            ["2026-03-08T16:00"]
        );
        assert_eq!(Cron::parse("0 0 12 * * *", berlin).unwrap().zone(), berlin);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_written(text in "\\PC{0,40}", fields in "0( [0-9*?/,-]{1,4}){5}", after in 0i64..4_000_000_000_000_000) {
            for text in [text, fields] {
                if let Ok(cron) = Cron::parse(&text, "") {
                    let after = Timestamp::from_micros(after);
                    proptest::prop_assert!(cron.next(after).is_none_or(|next| next > after));
                }
            }
        }
    }
}
