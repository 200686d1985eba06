//! What a flow carries on a path that loses at random, by the equations of RFCs.

use super::case::{PAYLOAD, Path};

/// The window of Mathis, Semke, Mahdavi and Ott for Reno, or of RFC 9438 equation 6 for CUBIC, whichever region it is in:
/// segments at a loss of `p`.
//= rfc9438#4.3-6
//= rfc9438#5-1
fn window(cubic: bool, path: Path, p: f64) -> f64 {
    let reno = (1.5 / p).sqrt();
    if cubic { reno.max(1.054 * path.rtt.as_secs_f64().powf(0.75) / p.powf(0.75)) } else { reno }
}

/// Bits of text a second at a loss of `p`: by the window's equation up to 1 % where it has ten segments, else by
/// RFC 5348 section 3.1 with our RTO. No more than the path takes.
pub fn rate(cubic: bool, path: Path, p: f64) -> f64 {
    let rtt = path.rtt.as_secs_f64();
    let window = window(cubic, path, p);
    let segments = if p <= 0.01 && window >= 10.0 {
        window / rtt
    } else {
        let rto = rtt + 0.2;
        1.0 / (rtt * (2.0 * p / 3.0).sqrt() + rto * 3.0 * (3.0 * p / 8.0).sqrt() * p * (1.0 + 32.0 * p * p))
    };
    (segments * 1500.0 * 8.0 * PAYLOAD).min(path.payload())
}

#[cfg(test)]
mod tests {
    use super::*;

    //= rfc9438#4.3-6
    //= rfc9438#5-1
    #[test]
    fn the_equations_give_what_their_papers_say() {
        let path = Path::new(1e12, 100, 1.0);
        // RFC 9438 table 1: RTT 0.1 s, p 10^-6: 5,926 segments for C = 0.4.
        assert!((window(true, path, 1e-6) - 5926.0).abs() < 15.0);
        assert!((window(false, path, 1e-2) - 12.25).abs() < 0.01);
        // RFC 5348 at 1 % and 100 ms, RTO 0.3 s: 1 / (0.1 * 0.0816 + 0.3 * 3 * 0.0612 * 0.01 * 1.0032) = 114.8.
        let segments = rate(false, path, 0.010_000_1) / (1500.0 * 8.0 * PAYLOAD);
        assert!((segments - 114.8).abs() < 0.5, "{segments}");
    }
}
