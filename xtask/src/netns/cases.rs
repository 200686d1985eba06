//! The cases, by name.

use super::bench::{Bench, Over};
use super::{flows, hostile, kernel_peers, link, programs, simulated, strain, trouble};
use crate::shell::Outcome;

/// One case.
pub struct Case {
    /// As results and citations name it.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    pub run: fn(&Bench) -> Outcome,
    /// The device, where the case doesn't say it.
    pub over: Over,
}

macro_rules! cases {
    ($($module:ident :: $name:ident: $about:literal,)*; over xdp: $($other:ident :: $again:ident,)*) => {
        &[
            $(Case { name: stringify!($name), about: $about, run: $module::$name, over: Over::Tun },)*
            $(Case {
                name: concat!(stringify!($again), "_over_xdp"),
                about: "the same over AF_XDP on a veth pair",
                run: $other::$again,
                over: Over::Xdp,
            },)*
        ]
    };
}

/// All of them, the quick ones first.
pub const CASES: &[Case] = cases![
    kernel_peers::kernel_client_is_echoed: "the kernel's client, our echo server, both families",
    kernel_peers::our_client_reaches_a_kernel_server: "our client, the kernel's server, both families",
    kernel_peers::ethernet_carries_it_as_well: "both again over TAP: ARP and neighbour discovery on the way",
    kernel_peers::packets_go_one_by_one_without_offload: "both again over a plain TUN",
    kernel_peers::texts_of_every_length_fill_super_segments: "odd lengths there and back, both families, offload",
    kernel_peers::shards_share_the_connections_of_a_device: "a TUN device of two queues, a shard for each: all of it again",
    kernel_peers::either_end_may_close_first: "the client closes first, then the server, both ways",
    kernel_peers::a_closed_port_refuses: "connecting to a closed port fails at once, both ways",
    kernel_peers::resets_are_told_to_both_ends: "a reset arrives as one, both ways",
    kernel_peers::a_thousand_clients_at_once: "a thousand concurrent clients on one listener",
    kernel_peers::a_slow_reader_closes_the_window: "a reader that pauses, with a full window, both ways",
    link::a_link_between_two_kernels_is_as_asked: "the link emulator: 20 Mbit/s and 40 ms between two kernels",
    link::a_link_between_two_veth_ends_is_as_asked: "the same between two veth ends; damage, and an end that goes",
    link::a_path_is_measured_by_echoes: "the path to a kernel that only answers echoes, both families",
    simulated::scenarios_end_alike_with_the_kernel_at_one_end: "scenarios of the simulator, the kernel at either end",
    simulated::a_flow_from_right_to_left_takes_the_way_back: "a flow from right to left over a path whose ways differ, the kernel at either end",
    programs::openbsd_netcat_half_closes_both_ways: "nc.openbsd as client and as server, half-close",
    programs::ncat_half_closes_both_ways: "ncat as client and as server, half-close",
    programs::curl_fetches_a_hundred_files: "curl: a hundred files, in parallel, connections kept; one of 100 MiB",
    programs::python_moves_bulk_both_ways: "python's sockets, 64 MiB each way at once",
    strain::a_device_that_refuses_packets: "a device that refuses one packet in fifty, both families",
    strain::a_device_whose_queue_is_often_full: "a device that takes a packet at a time, and often none",
    strain::queues_of_every_length_lose_nothing: "txqueuelen 1,000, 100 and 3 under a full window",
    strain::a_hundred_thousand_tiny_segments_are_held: "100,000 segments of one octet, unread: memory follows what is held",
    strain::many_readers_that_never_read: "200 windows full of what nobody reads, and a transfer beside them",
    strain::damaged_segments_are_dropped_and_counted: "segments with wrong checksums in between, from a raw socket",
    hostile::offload_headers_that_lie: "offload headers that can't be, both ways under a transfer: dropped, refused, counted",
    hostile::a_neighbour_whose_offload_headers_lie: "a packet socket with wrong offload headers beside a transfer",
    flows::a_swarm_of_flows_in_real_time: "six seconds of random flows, many at once, both families",
    trouble::a_killed_peer_is_noticed: "a peer killed in mid-transfer",
    trouble::a_link_that_goes_down_and_up_again: "the interface goes down and up in mid-transfer",
    trouble::a_vanished_device_ends_every_call: "the device is deleted under open connections",
    trouble::a_stack_that_is_dropped_leaves_nothing: "live connections get a FIN or RST, threads and descriptors go",
    kernel_peers::a_quarter_gigabyte_each_way: "256 MiB each way in super-segments, both families, hashed",
    kernel_peers::a_quarter_gigabyte_each_way_without_offload: "256 MiB each way over a plain TUN, both families, hashed",
    kernel_peers::a_gigabyte_each_way_arrives_whole: "1 GiB each way in super-segments, hashed",
    kernel_peers::a_gigabyte_each_way_over_ipv6: "the same over IPv6",
    kernel_peers::a_gigabyte_each_way_over_ethernet: "the same over TAP",
    ; over xdp:
    kernel_peers::kernel_client_is_echoed,
    kernel_peers::our_client_reaches_a_kernel_server,
    kernel_peers::texts_of_every_length_fill_super_segments,
    kernel_peers::either_end_may_close_first,
    kernel_peers::a_closed_port_refuses,
    kernel_peers::resets_are_told_to_both_ends,
    kernel_peers::a_thousand_clients_at_once,
    kernel_peers::a_slow_reader_closes_the_window,
    kernel_peers::a_quarter_gigabyte_each_way,
    programs::openbsd_netcat_half_closes_both_ways,
    programs::python_moves_bulk_both_ways,
    strain::a_hundred_thousand_tiny_segments_are_held,
    strain::many_readers_that_never_read,
    strain::damaged_segments_are_dropped_and_counted,
    flows::a_swarm_of_flows_in_real_time,
    trouble::a_killed_peer_is_noticed,
    trouble::a_link_that_goes_down_and_up_again,
    trouble::a_vanished_device_ends_every_call,
    trouble::a_stack_that_is_dropped_leaves_nothing,
];
