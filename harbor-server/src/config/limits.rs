//! `[limits]`: how often something may be done.

use std::time::Duration;

use clap::Args;
use harbor_auth::LoginLimits;
use serde::Deserialize;

use super::{ConfigError, seconds};
use crate::limits::{Limit, Limits};

/// The longest that somebody may be locked out: 30 days.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// `[limits]`: rates as `600/minute` or `10/second, burst 50`, times in seconds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FileLimits {
    #[serde(flatten)]
    rates: Rates,
    login_failures_of_name: Option<u32>,
    login_failures_of_address: Option<u32>,
    login_window: Option<u64>,
    login_lock: Option<u64>,
}

/// The flags of `[limits]`.
#[derive(Debug, Default, Args)]
pub(crate) struct FlagLimits {
    #[command(flatten)]
    rates: Rates,
    /// After how many failed logins in a row a name is locked for a while [default: 10]
    #[arg(long, env = "HARBOR_LOGIN_FAILURES_OF_NAME", value_name = "NUMBER")]
    login_failures_of_name: Option<u32>,
    /// After how many failed logins an address is locked for a while [default: 100]
    #[arg(long, env = "HARBOR_LOGIN_FAILURES_OF_ADDRESS", value_name = "NUMBER")]
    login_failures_of_address: Option<u32>,
}

/// What flags and files have alike.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(default)]
struct Rates {
    /// How often a user or a robot may pull: 600/minute, or 10/second, burst 50 [default: no limit]
    #[arg(long, env = "HARBOR_PULLS_PER_PRINCIPAL", value_name = "RATE")]
    pulls_per_principal: Option<String>,
    /// How often may be pulled from an address [default: no limit]
    #[arg(long, env = "HARBOR_PULLS_PER_ADDRESS", value_name = "RATE")]
    pulls_per_address: Option<String>,
    /// How often a user or a robot may push [default: no limit]
    #[arg(long, env = "HARBOR_PUSHES_PER_PRINCIPAL", value_name = "RATE")]
    pushes_per_principal: Option<String>,
    /// How often may be pushed from an address [default: no limit]
    #[arg(long, env = "HARBOR_PUSHES_PER_ADDRESS", value_name = "RATE")]
    pushes_per_address: Option<String>,
}

/// The limits that flags, environment and file make together.
pub(super) fn read(flags: FlagLimits, file: FileLimits) -> Result<(Limits, LoginLimits), ConfigError> {
    let FlagLimits { rates, login_failures_of_name, login_failures_of_address } = flags;
    let limit = |name: &str, flag: Option<String>, file: Option<String>| {
        let text = flag.filter(|text| !text.is_empty()).or(file);
        let wrong = |error| ConfigError::Invalid(format!("{name}: {error}"));
        text.map(|text| text.parse::<Limit>().map_err(wrong)).transpose()
    };
    let other = file.rates;
    let limits = Limits {
        pulls_per_principal: limit(
            "pulls_per_principal",
            rates.pulls_per_principal,
            other.pulls_per_principal,
        )?,
        pulls_per_address: limit("pulls_per_address", rates.pulls_per_address, other.pulls_per_address)?,
        pushes_per_principal: limit(
            "pushes_per_principal",
            rates.pushes_per_principal,
            other.pushes_per_principal,
        )?,
        pushes_per_address: limit("pushes_per_address", rates.pushes_per_address, other.pushes_per_address)?,
    };
    let initial = LoginLimits::default();
    let logins = LoginLimits {
        of_name: login_failures_of_name.or(file.login_failures_of_name).unwrap_or(initial.of_name),
        of_address: login_failures_of_address
            .or(file.login_failures_of_address)
            .unwrap_or(initial.of_address),
        window: file.login_window.map_or(initial.window, seconds),
        locked_for: file.login_lock.map_or(initial.locked_for, seconds),
        ..initial
    };
    if logins.of_name == 0 || logins.of_address == 0 {
        let what =
            "login_failures_of_name and login_failures_of_address are 1 at least: 0 would let nobody in";
        return Err(ConfigError::Invalid(what.to_owned()));
    }
    let times = [logins.window, logins.locked_for];
    if times.iter().any(|time| time.is_zero() || *time > LONGEST) {
        let what = "login_window and login_lock are from 1 to 2592000 seconds: 0 would lock nobody, however many guess";
        return Err(ConfigError::Invalid(what.to_owned()));
    }
    Ok((limits, logins))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> FileLimits {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_rest_is_off() {
        let rates = Rates { pulls_per_address: Some("5/second".to_owned()), ..Rates::default() };
        let flags = FlagLimits { rates, login_failures_of_name: Some(7), ..FlagLimits::default() };
        let text = "pulls_per_address = '1/minute'\npushes_per_principal = '2/minute, burst 9'\n\
            login_failures_of_name = 3\nlogin_failures_of_address = 4\nlogin_window = 5\nlogin_lock = 6";
        let (limits, logins) = read(flags, file(text)).unwrap();
        assert_eq!(limits.pulls_per_address, Some("5/second".parse().unwrap()));
        assert_eq!(limits.pushes_per_principal, Some("2/minute, burst 9".parse().unwrap()));
        assert_eq!((limits.pulls_per_principal, limits.pushes_per_address), (None, None));
        assert_eq!((logins.of_name, logins.of_address), (7, 4));
        assert_eq!((logins.window, logins.locked_for), (seconds(5), seconds(6)));
        let (limits, logins) = read(FlagLimits::default(), FileLimits::default()).unwrap();
        assert_eq!((limits, logins.of_name), (Limits::default(), LoginLimits::default().of_name));
    }

    #[test]
    fn what_is_no_limit_is_told_so() {
        for (text, needed) in [
            ("pulls_per_principal = 'often'", ["pulls_per_principal", "600/minute"]),
            ("pushes_per_address = '5/hour'", ["pushes_per_address", "5/hour"]),
            ("login_failures_of_name = 0", ["login_failures_of_name", "1 at least"]),
        ] {
            let told = read(FlagLimits::default(), file(text)).unwrap_err().to_string();
            assert!(needed.iter().all(|needed| told.contains(needed)), "{told}");
        }
    }
}
