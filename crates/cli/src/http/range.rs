//! Byte ranges (RFC 9110 section 14): one, which is what resumed downloads ask for.

/// What a Range header asks of `length` octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// All: there is no such header, or one to be ignored, several ranges among them.
    Whole,
    /// From `start`, this many octets, at least one.
    Part {
        /// The first.
        start: u64,
        /// How many.
        length: u64,
    },
    /// Nothing that is there.
    Unsatisfiable,
}

impl Range {
    /// What `header` asks of a content of `length` octets.
    pub fn parse(header: Option<&str>, length: u64) -> Self {
        let Some((from, to)) = header.and_then(|value| value.strip_prefix("bytes=")?.split_once('-')) else {
            return Self::Whole;
        };
        let (from, to) = (from.trim(), to.trim());
        let (start, end) = if from.is_empty() {
            let Some(last) = number(to) else { return Self::Whole };
            (length.saturating_sub(last), length)
        } else {
            match (number(from), number(to)) {
                (Some(start), None) if to.is_empty() => (start, length),
                (Some(start), Some(end)) if start <= end => (start, end.saturating_add(1).min(length)),
                _ => return Self::Whole,
            }
        };
        if start < end { Self::Part { start, length: end - start } } else { Self::Unsatisfiable }
    }
}

fn number(text: &str) -> Option<u64> {
    // `parse` would take a sign.
    text.parse().ok().filter(|_| text.bytes().all(|octet| octet.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_what_is_there() {
        let of_ten = |header| Range::parse(Some(header), 10);
        assert_eq!(of_ten("bytes=0-3"), Range::Part { start: 0, length: 4 });
        assert_eq!(of_ten("bytes=8-"), Range::Part { start: 8, length: 2 });
        assert_eq!(of_ten("bytes=5-99"), Range::Part { start: 5, length: 5 });
        assert_eq!(of_ten("bytes=-3"), Range::Part { start: 7, length: 3 });
        assert_eq!(of_ten("bytes=-99"), Range::Part { start: 0, length: 10 });
        assert_eq!(of_ten("bytes=10-"), Range::Unsatisfiable);
        assert_eq!(of_ten("bytes=-0"), Range::Unsatisfiable);
        assert_eq!(Range::parse(Some("bytes=0-"), 0), Range::Unsatisfiable);
    }

    #[test]
    fn what_is_no_range_means_the_whole() {
        for header in ["", "bytes", "bytes=", "bytes=-", "bytes=3-1", "bytes=+1-2", "bytes=0-1,3-4", "lines=0-1"] {
            assert_eq!(Range::parse(Some(header), 10), Range::Whole, "{header}");
        }
        assert_eq!(Range::parse(None, 10), Range::Whole);
    }
}
