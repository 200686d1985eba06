//! One function per parser of this crate: it reads whatever octets it is given and holds what the parser promises. The
//! property tests call them with random octets, the fuzz targets with octets that look for trouble.

use sockeye_device::vnet_hdr::{Checksum, LEN, VnetHeader};

/// Whatever the header says, what is believed of it lies within the frame, and is written as it was read.
pub fn vnet_hdr(octets: &[u8]) -> bool {
    // What we write is made of whatever headers there are.
    let _ = VnetHeader::for_packet(14, octets, 1448);
    let Ok((header, frame)) = VnetHeader::parse(octets) else {
        return false;
    };
    assert_eq!(frame.len() + LEN, octets.len());
    if let Checksum::Partial { start, offset } = header.checksum {
        assert!(usize::from(start) + usize::from(offset) + 2 <= frame.len());
    }
    if let Some(cut) = header.cut {
        assert!((1..=frame.len()).contains(&usize::from(cut.size)));
    }
    let again = [&header.to_bytes()[..], frame].concat();
    assert_eq!(VnetHeader::parse(&again), Ok((header, frame)));
    true
}
