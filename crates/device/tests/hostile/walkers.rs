//! One function per parser of this crate: it reads whatever octets it is given and holds what the parser promises. The
//! property tests call them with random octets, the fuzz targets with octets that look for trouble.

use sockeye_device::Packet;
use sockeye_device::impair::{Link, LinkConfig};
use sockeye_device::segment::{Merge, cut_packet};
use sockeye_device::vnet_hdr::{Checksum, LEN, VnetHeader};
use sockeye_wire::Instant;

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

/// Two octets of segment size, one whose lowest bit says that the device vouches for the checksum, a packet: it is cut, and
/// what is merged of the pieces is cut into the same pieces again, without what a link may have padded them with.
pub fn segments(octets: &[u8]) -> bool {
    let Some((&[high, low, flags], packet)) = octets.split_first_chunk() else {
        return false;
    };
    let packet = Packet {
        segment_size: u16::from_be_bytes([high, low]),
        checksum_verified: flags & 1 != 0,
        ..Packet::new(packet.to_vec().into(), Instant::ZERO)
    };
    let pieces: Vec<Packet> = cut_packet(packet).collect();
    assert!(!pieces.is_empty());
    assert!(pieces.iter().all(|piece| piece.segment_size == 0));
    let (mut merge, mut merged) = (Merge::default(), Vec::new());
    for piece in pieces.clone() {
        merge.push(piece, &mut merged);
    }
    merge.flush(&mut merged);
    let cut = merged.len() < pieces.len();
    let again: Vec<Packet> = merged.into_iter().flat_map(cut_packet).collect();
    assert_eq!(again.len(), pieces.len());
    for (again, piece) in again.iter().zip(&pieces) {
        assert!(piece.bytes.starts_with(&again.bytes), "{:?} became {:?}", piece.bytes, again.bytes);
    }
    cut
}

/// Words that make a link are written as words that make the same link, and packets pass it or don't.
pub fn link_words(text: &str) -> bool {
    let Ok(config) = text.parse::<LinkConfig>() else {
        return false;
    };
    let shown = config.to_string();
    assert_eq!(shown.parse().as_ref(), Ok(&config), "{text:?} is shown as {shown:?}");
    let mut link = Link::new(config, 7);
    for (millis, octets) in (0..20).zip((60..).step_by(80)) {
        let now = Instant::from_millis(millis);
        link.send(now, Packet::new(vec![0x45; octets].into(), now));
        while link.receive(now).is_some() {}
    }
    true
}
