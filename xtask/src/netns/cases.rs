//! The cases, by name.

use super::bench::{Bench, Over};
use super::{flows, hostile, kernel_peers, link, programs, simulated, strain, trouble};
use crate::shell::Outcome;

/// One case.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    /// What it shows.
    pub about: &'static str,
    pub run: fn(&Bench) -> Outcome,
    /// The device, where the case doesn't say it.
    pub over: Over,
}

impl Case {
    /// As results and citations name it.
    pub fn name(&self) -> String {
        format!("{}{}", self.name, self.over.suffix())
    }
}

/// All of them, each over the devices of its row.
pub fn all() -> impl Iterator<Item = Case> {
    ROWS.iter().flat_map(|(case, devices)| devices.iter().map(|&over| Case { over, ..*case }))
}

/// A row: a case, and the devices that it runs over: an offloading TUN device where it doesn't say.
type Row = (Case, &'static [Over]);

macro_rules! rows {
    ($($module:ident :: $name:ident: $about:literal $(, over $devices:expr)?;)*) => {
        &[
            $((
                Case { name: stringify!($name), about: $about, run: $module::$name, over: Over::Tun },
                rows!(@devices $($devices)?),
            ),)*
        ]
    };
    (@devices) => { &[Over::Tun] };
    (@devices $devices:expr) => { $devices };
}

const EVERY: &[Over] = Over::EVERY;
/// Those that the kernel queues packets for.
const QUEUED: &[Over] = &[Over::Tun, Over::PlainTun, Over::Tap];
/// Those that merge segments.
const MERGING: &[Over] = &[Over::Tun, Over::Tap];
const TUN_AND_XDP: &[Over] = &[Over::Tun, Over::Xdp];

/// The quick ones first.
const ROWS: &[Row] = rows![
    kernel_peers::kernel_client_is_echoed: "the kernel's client, our echo server, both families", over EVERY;
    kernel_peers::our_client_reaches_a_kernel_server: "our client, the kernel's server, both families", over EVERY;
    kernel_peers::texts_of_every_length_fill_super_segments: "odd lengths there and back, both families, offload", over EVERY;
    kernel_peers::shards_share_the_connections_of_a_device: "a TUN device of two queues, a shard for each: all of it again";
    kernel_peers::either_end_may_close_first: "the client closes first, then the server, both ways", over EVERY;
    kernel_peers::a_closed_port_refuses: "connecting to a closed port fails at once, both ways", over EVERY;
    kernel_peers::resets_are_told_to_both_ends: "a reset arrives as one, both ways", over EVERY;
    kernel_peers::a_thousand_clients_at_once: "a thousand concurrent clients on one listener", over TUN_AND_XDP;
    kernel_peers::a_slow_reader_closes_the_window: "a reader that pauses, with a full window, both ways", over TUN_AND_XDP;
    link::a_link_between_two_kernels_is_as_asked: "the link emulator: 20 Mbit/s and 40 ms between two kernels";
    link::a_link_between_two_veth_ends_is_as_asked: "the same between two veth ends; damage, and an end that goes";
    link::a_path_is_measured_by_echoes: "the path to a kernel that only answers echoes, both families";
    simulated::scenarios_end_alike_with_the_kernel_at_one_end: "scenarios of the simulator, the kernel at either end";
    simulated::a_flow_from_right_to_left_takes_the_way_back: "a flow from right to left over a path whose ways differ, the kernel at either end";
    programs::openbsd_netcat_half_closes_both_ways: "nc.openbsd as client and as server, half-close", over TUN_AND_XDP;
    programs::ncat_half_closes_both_ways: "ncat as client and as server, half-close";
    programs::curl_fetches_a_hundred_files: "curl: a hundred files, in parallel, connections kept; one of 100 MiB";
    programs::python_moves_bulk_both_ways: "python's sockets, 64 MiB each way at once", over TUN_AND_XDP;
    strain::a_device_that_refuses_packets: "a device that refuses one packet in fifty, both families", over EVERY;
    strain::a_device_whose_queue_is_often_full: "a device that takes a packet at a time, and often none", over EVERY;
    strain::a_device_that_takes_nothing_for_long: "a device that takes nothing for a hundred calls on end", over EVERY;
    strain::queues_of_every_length_lose_nothing: "txqueuelen 1,000, 100 and 3 under a full window", over QUEUED;
    strain::octets_are_copied_once_or_not_at_all: "read and write copy once, chunks don't, by the host's count", over MERGING;
    strain::windows_of_every_size_are_filled: "windows up to 8 MiB, unread and read, at queues of 1,000 and of 100", over QUEUED;
    strain::a_hundred_thousand_tiny_segments_are_held: "100,000 segments of one octet, unread: memory follows what is held", over EVERY;
    strain::many_readers_that_never_read: "200 windows full of what nobody reads, and a transfer beside them", over EVERY;
    strain::damaged_segments_are_dropped_and_counted: "segments with wrong checksums in between, from a raw socket", over EVERY;
    hostile::offload_headers_that_lie: "offload headers that can't be, both ways under a transfer: dropped, refused, counted";
    hostile::a_neighbour_whose_offload_headers_lie: "a packet socket with wrong offload headers beside a transfer";
    flows::a_swarm_of_flows_in_real_time: "six seconds of random flows, many at once, both families", over EVERY;
    trouble::a_killed_peer_is_noticed: "a peer killed in mid-transfer", over TUN_AND_XDP;
    trouble::a_link_that_goes_down_and_up_again: "the interface goes down and up in mid-transfer", over EVERY;
    trouble::a_vanished_device_ends_every_call: "the device is deleted under open connections", over EVERY;
    trouble::a_stack_that_is_dropped_leaves_nothing: "live connections get a FIN or RST, threads and descriptors go", over TUN_AND_XDP;
    kernel_peers::a_quarter_gigabyte_each_way: "256 MiB each way in super-segments, both families, hashed", over EVERY;
    kernel_peers::a_gigabyte_each_way_arrives_whole: "1 GiB each way in super-segments, hashed";
    kernel_peers::a_gigabyte_each_way_over_ipv6: "the same over IPv6";
];
