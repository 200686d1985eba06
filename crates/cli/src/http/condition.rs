//! Conditions of a request (RFC 9110 section 13): by date, as files have no entity tags here.

use std::time::SystemTime;

use super::request::Conditions;
use super::response::Status;

impl Conditions {
    /// The answer if one of them isn't met, in the order of RFC 9110 section 13.2.2, for a file that was modified at `written` and
    /// says so by `told`: nothing while it may still change within that second.
    pub fn judge(&self, written: Option<SystemTime>, told: Option<SystemTime>) -> Option<Status> {
        let date = |value: &Option<String>| httpdate::parse_http_date(value.as_deref()?).ok();
        if written.zip(date(&self.unmodified_since)).is_some_and(|(written, since)| written > since) {
            return Some(Status::PRECONDITION_FAILED);
        }
        let is_had = match self.none_match.as_deref() {
            // If-Modified-Since is for those who don't know this one.
            Some(tags) => tags == "*",
            None => told.zip(date(&self.modified_since)).is_some_and(|(told, since)| told <= since),
        };
        is_had.then_some(Status::NOT_MODIFIED)
    }
}

/// True if this value of If-Range is the date that the file has now, to the second (RFC 9110 section 13.1.5). An earlier or later
/// one, or an entity tag, is that of another version, whose rest this file doesn't have.
pub fn is_our_version(value: &str, told: Option<SystemTime>) -> bool {
    httpdate::parse_http_date(value).is_ok_and(|date| told == Some(date))
}
