//! Checksums over the octets of packets, by the widest vectors that the processor has.

use std::net::IpAddr;

use bytes::Bytes;
use sockeye_wire::checksum::Sum;
use sockeye_wire::tcp::sum_pseudo_header;

/// Octets from which wider vectors are worth a call.
#[cfg(any(target_arch = "x86_64", test))]
const WORTHWHILE: usize = 128;

/// Adds a piece of a packet, as [`Sum::add`] does: where there is AVX2, on which a program for every processor may not rely,
/// 32 octets at a time instead of 16.
///
/// ```
/// # use sockeye_device::sum;
/// # use sockeye_wire::checksum::{Sum, checksum};
/// let text = [7; 1448];
/// let mut sum = Sum::default();
/// sum::add(&mut sum, &text);
/// assert_eq!(sum.checksum(), checksum(&text));
/// ```
#[inline]
pub fn add(sum: &mut Sum, octets: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if octets.len() >= WORTHWHILE && std::arch::is_x86_feature_detected!("avx2") {
        #[expect(unsafe_code, reason = "calling what not every processor can run")]
        // SAFETY: this one has AVX2, as was just asked.
        return unsafe { add_by_avx2(sum, octets) };
    }
    sum.add(octets);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_by_avx2(sum: &mut Sum, octets: &[u8]) {
    sum.add(octets);
}

//= rfc9293#MUST-3
/// True if the checksum is right of a TCP segment that stands in `front` and the pieces behind it.
pub fn verifies(source: IpAddr, destination: IpAddr, front: &[u8], behind: &[Bytes]) -> bool {
    let octets = front.len() + behind.iter().map(Bytes::len).sum::<usize>();
    completes(sum_pseudo_header(source, destination, octets), front, behind)
}

/// The same, the pseudo-header being summed already.
#[inline]
pub fn completes(mut pseudo_header: Sum, front: &[u8], behind: &[Bytes]) -> bool {
    add(&mut pseudo_header, front);
    behind.iter().for_each(|piece| add(&mut pseudo_header, piece));
    pseudo_header.is_valid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_vectors_come_to_the_same_whatever_the_length_and_the_place() {
        let octets: Vec<u8> = (0..3000_u32).map(|at| (at * 91 + at / 7).to_le_bytes()[0]).collect();
        for length in (0..3 * WORTHWHILE).chain([1448, 2047]) {
            for start in [0, 1, 14, 66] {
                let piece = &octets[start..start + length];
                let (mut wide, mut plain) = (Sum::default(), Sum::default());
                // The second time it begins in the middle of a word if its length is odd.
                for _ in 0..2 {
                    add(&mut wide, piece);
                    plain.add(piece);
                    assert_eq!(wide.checksum(), plain.checksum(), "{length} from {start}");
                }
            }
        }
    }
}
