//! Two pairs of stacks, alike but for this: in one what is plain is taken by itself, in the other each packet goes through all
//! steps. What they send, tell and count is compared after every packet.

use std::time::Duration;

use proptest::prelude::*;
use sockeye_wire::checksum::checksum;

use super::super::{ConnectOptions, ConnectionId, ListenOptions, StackConfig, StackEvent};
use super::*;

const PORTS: [u16; 2] = [80, 81];

/// What befalls a packet on its way.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Octet {
        at: usize,
        by: u8,
    },
    /// An octet of the IPv4 header is another, and its checksum is right.
    Header {
        at: usize,
        by: u8,
    },
    Cut {
        octets: usize,
    },
    Padding,
    Lost,
    Twice,
}

#[derive(Clone, Debug)]
struct Step {
    octets: usize,
    connection: usize,
    to_server: bool,
    damage: Damage,
    verified: bool,
    in_pieces: bool,
    micros: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let damage = prop_oneof![
        20 => Just(Damage::None),
        4 => (0_usize..90, 1_u8..).prop_map(|(at, by)| Damage::Octet { at, by }),
        3 => (0_usize..10, 1_u8..).prop_map(|(at, by)| Damage::Header { at, by }),
        1 => (1_usize..60).prop_map(|octets| Damage::Cut { octets }),
        1 => Just(Damage::Padding),
        1 => Just(Damage::Lost),
        1 => Just(Damage::Twice),
    ];
    let one = (0_usize..3000, 0_usize..2, any::<bool>(), damage, any::<bool>(), any::<bool>(), 1_u64..3000).prop_map(
        |(octets, connection, to_server, damage, verified, in_pieces, micros)| Step {
            octets,
            connection,
            to_server,
            damage,
            verified,
            in_pieces,
            micros,
        },
    );
    prop::collection::vec(one, 1..80)
}

struct World {
    by_itself: bool,
    now: Instant,
    /// Client and server.
    ends: [Stack; 2],
    connections: [ConnectionId; 2],
    /// On the way to each.
    wire: [Vec<Vec<u8>>; 2],
    events: Vec<StackEvent>,
    taken: usize,
}

impl World {
    fn new(by_itself: bool, addresses: [&str; 2]) -> Self {
        let now = Instant::from_millis(1000);
        let mut ends = [1, 2].map(|seed| Stack::new(StackConfig::new([seed; 32]), now));
        for (stack, address) in ends.iter_mut().zip(addresses) {
            stack.add_address(format!("{address}/24").parse().unwrap());
        }
        let sockets = PORTS.map(|port| std::net::SocketAddr::new(addresses[1].parse().unwrap(), port));
        let connections = sockets.map(|socket| {
            ends[1].listen(socket, &ListenOptions::default()).unwrap();
            ends[0].connect(now, socket, &ConnectOptions::default()).unwrap()
        });
        let mut world = Self { by_itself, now, ends, connections, wire: [vec![], vec![]], events: vec![], taken: 0 };
        for to in [1, 0, 1] {
            world.collect();
            while !world.wire[to].is_empty() {
                world.arrive(to, &Damage::None, false, false);
            }
        }
        world
    }

    fn collect(&mut self) {
        for from in [0, 1] {
            while let Some(packet) = self.ends[from].poll_transmit(self.now, 0) {
                self.wire[1 - from].push(packet.to_bytes().to_vec());
            }
            while let Some(event) = self.ends[from].poll_event() {
                self.events.push(event);
            }
        }
    }

    fn act(&mut self, step: &Step) {
        self.now += Duration::from_micros(step.micros);
        let mut text = Bytes::from(vec![7; step.octets]);
        let _ = self.ends[0].send(self.now, self.connections[step.connection], &mut text);
        self.collect();
        self.arrive(usize::from(step.to_server), &step.damage, step.verified, step.in_pieces);
        self.ends.iter_mut().for_each(|stack| stack.on_timeout(self.now));
        self.collect();
    }

    /// The next packet to an end, if there is one.
    fn arrive(&mut self, to: usize, damage: &Damage, verified: bool, in_pieces: bool) {
        if self.wire[to].is_empty() {
            return;
        }
        let mut bytes = self.wire[to].remove(0);
        match *damage {
            Damage::None => {}
            Damage::Octet { at, by } => bytes.iter_mut().skip(at).take(1).for_each(|octet| *octet ^= by),
            Damage::Header { at, by } => {
                bytes[at] ^= by;
                bytes[10..12].fill(0);
                let checksum = checksum(&bytes[..20]).to_be_bytes();
                bytes[10..12].copy_from_slice(&checksum);
            }
            Damage::Cut { octets } => bytes.truncate(bytes.len() - octets.min(bytes.len())),
            Damage::Padding => bytes.push(0),
            Damage::Lost => return,
            Damage::Twice => self.wire[to].insert(0, bytes.clone()),
        }
        let mut packet = Packet::new(bytes.into(), self.now);
        packet.checksum_verified = verified;
        if in_pieces && packet.bytes.len() > 120 {
            let text = packet.bytes.split_off(100);
            packet.text = vec![text.slice(..7), text.slice(7..)];
        }
        let stack = &mut self.ends[to];
        stack.counters.packets_in += 1;
        let taken = if self.by_itself { stack.take_plain(self.now, &mut packet) } else { None };
        self.taken += usize::from(taken.is_some());
        if let Err(reason) = taken.unwrap_or_else(|| stack.take_packet(self.now, packet)) {
            stack.counters.count(reason);
        }
    }

    /// All that can be seen from outside.
    fn shows(&mut self) -> impl PartialEq + std::fmt::Debug + use<> {
        let now = self.now;
        let ends = self.ends.each_mut().map(|stack| {
            let known: Vec<_> = stack.connections(now).map(|connection| format!("{connection:?}")).collect();
            (known, stack.counters().clone(), stack.usage(), stack.next_timeout())
        });
        (ends, self.wire.clone(), std::mem::take(&mut self.events))
    }
}

/// How many packets were plain, of so many.
fn compare(steps: &[Step], addresses: [&str; 2]) -> (usize, u64) {
    let [mut by_itself, mut by_steps] = [true, false].map(|by_itself| World::new(by_itself, addresses));
    for (at, step) in steps.iter().enumerate() {
        by_itself.act(step);
        by_steps.act(step);
        assert_eq!(by_itself.shows(), by_steps.shows(), "after step {at}, {step:?}");
    }
    (by_itself.taken, by_itself.ends.iter().map(|stack| stack.counters.packets_in).sum())
}

const V4: [&str; 2] = ["10.0.0.1", "10.0.0.2"];
const V6: [&str; 2] = ["fd00::1", "fd00::2"];

proptest! {
    //= rfc9293#MUST-3
    #[test]
    fn a_plain_packet_comes_to_what_any_would(steps in steps(), v6 in any::<bool>()) {
        compare(&steps, if v6 { V6 } else { V4 });
    }
}

#[test]
fn all_but_the_handshake_is_plain_where_nothing_is_damaged() {
    let step = |at: usize| Step {
        octets: 2000,
        connection: at % 3 / 2,
        to_server: at.is_multiple_of(2),
        damage: Damage::None,
        verified: at.is_multiple_of(5),
        in_pieces: at.is_multiple_of(7),
        micros: 300,
    };
    let steps: Vec<Step> = (0..100).map(step).collect();
    for addresses in [V4, V6] {
        let (plain, all) = compare(&steps, addresses);
        assert!(plain > 80 && all - plain as u64 <= 6, "{plain} of {all}");
    }
}

#[test]
fn an_address_of_ours_that_is_new_is_thought_of() {
    let mut world = World::new(true, V4);
    let step = Step {
        octets: 2000, // a whole segment doesn't wait for an ACK
        connection: 0,
        to_server: true,
        damage: Damage::None,
        verified: false,
        in_pieces: false,
        micros: 100,
    };
    world.act(&step);
    let before = world.taken;
    // The peer's address is the server's own from now on: nobody else may use it.
    world.ends[1].add_address("10.0.0.1/24".parse().unwrap());
    world.act(&step);
    assert_eq!((world.taken, world.ends[1].counters().all_ended().next().is_some()), (before, true));
}
