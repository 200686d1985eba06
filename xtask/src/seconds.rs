//! Seconds in an argument.

/// The longest that makes sense: a day.
const MOST: f64 = 86_400.0;

/// So many seconds: more than none.
pub fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "it takes a number of seconds, such as 0.5".to_owned())?;
    if seconds > 0.0 && seconds <= MOST { Ok(seconds) } else { Err(format!("it must be more than 0, {MOST} at most")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_at_all_is_refused() {
        assert_eq!(seconds("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "nan", "inf", "1e9", "6s", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
