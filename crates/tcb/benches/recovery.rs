//! What one ACK costs, by the number of segments in flight: it must hardly grow (FIELD D21).
//!
//! - `cumulative`: each ACK takes two segments, and two new ones leave.
//! - `hole`: the first segment is missing; each ACK reports one segment more, and a new one leaves.
//! - `reported`: every other segment is missing; each ACK has four blocks that say nothing new, here and there.
//! - `splitting`: the receiver reports single segments in random order, so that everything falls to pieces.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sockeye_tcb::congestion::{AckSample, Algorithm, CongestionControl};
use sockeye_tcb::{Buffer, Config, Segment, Tcb};
use sockeye_wire::ip::Ecn;
use sockeye_wire::tcp::{Flags, Options, SackBlock, SackBlocks};
use sockeye_wire::{Instant, SeqNumber};

const MSS: u16 = 100;
const ISS: SeqNumber = SeqNumber::new(1000);
const IRS: SeqNumber = SeqNumber::new(0);

/// A window that is never full and never paced: what is measured is the recovery.
#[derive(Debug)]
struct Boundless;

impl CongestionControl for Boundless {
    fn name(&self) -> &'static str {
        "boundless"
    }
    fn cwnd(&self) -> u32 {
        1 << 30
    }
    fn ssthresh(&self) -> u32 {
        1 << 30
    }
    fn pacing_rate(&self) -> Option<u64> {
        Some(u64::MAX >> 1)
    }
    fn on_ack(&mut self, _: &AckSample) {}
    fn on_loss(&mut self, _: Instant, _: u32) {}
    fn on_recovered(&mut self, _: Instant, _: u32) {}
    fn on_timeout(&mut self, _: Instant, _: u32, _: bool) {}
    fn undo(&mut self, _: Instant) {}
    fn on_idle(&mut self, _: Instant) {}
    fn set_mss(&mut self, _: u16) {}
    fn on_lost_handshake(&mut self) {}
}

/// A sender with `segments` in flight, each sent at another time.
struct Sender {
    tcb: Tcb,
    now: Instant,
    una: SeqNumber,
}

impl Sender {
    fn new(segments: u32) -> Self {
        let config = Config {
            mss: MSS,
            timestamps: false,
            send_buffer: Buffer::Fixed(1 << 30),
            congestion: Algorithm::new("boundless", |_| Box::new(Boundless)),
            ..Config::default()
        };
        let now = Instant::from_millis(1000);
        let mut tcb = Tcb::connect(Arc::new(config), ISS, 0, now);
        while tcb.poll_transmit(now, 0).is_some() {}
        let options = Options { mss: Some(MSS), window_scale: Some(14), sack_permitted: true, ..Options::NONE };
        let syn = Segment { seq: IRS, flags: Flags::SYN_ACK, options, ..ack(ISS + 1, SackBlocks::NONE, now) };
        tcb.on_segment(now, syn).expect("the handshake");
        let mut sender = Self { tcb, now, una: ISS + 1 };
        sender.receive(SackBlocks::NONE); // the SYN's window wasn't scaled yet
        sender.send(segments);
        assert_eq!(sender.tcb.info(now).in_flight, segments * u32::from(MSS));
        sender
    }

    fn send(&mut self, segments: u32) {
        for _ in 0..segments {
            self.now += Duration::from_micros(1);
            self.tcb.send(self.now, &mut Bytes::from_static(&[7; MSS as usize])).expect("room");
            while self.tcb.poll_transmit(self.now, 0).is_some() {}
        }
    }

    /// The segment that is the `index`th in flight.
    fn block(&self, index: u32, segments: u32) -> SackBlock {
        let left = self.una + index * u32::from(MSS);
        SackBlock { left, right: left + segments * u32::from(MSS) }
    }

    /// An ACK with `blocks` arrives; nothing is sent again.
    fn receive(&mut self, blocks: SackBlocks) {
        self.now += Duration::from_nanos(10);
        black_box(self.tcb.on_segment(self.now, ack(self.una, blocks, self.now)).is_ok());
    }
}

fn ack(ack: SeqNumber, sack: SackBlocks, now: Instant) -> Segment {
    Segment {
        seq: IRS + 1,
        ack,
        flags: Flags::ACK,
        window: u16::MAX,
        urgent: 0,
        options: Options { sack, ..Options::NONE },
        payload: Bytes::new(),
        more: Vec::new(),
        arrived_at: now,
        segment_size: 0,
        ecn: Ecn::NotEct,
    }
}

fn blocks(of: &[SackBlock]) -> SackBlocks {
    let mut blocks = SackBlocks::NONE;
    of.iter().for_each(|block| _ = blocks.push(*block));
    blocks
}

/// The time of `iterations` of `step`, from whole rounds of a quarter of what is in flight, each on a new sender: so that
/// what one ACK does for many is shared out.
fn time(iterations: u64, segments: u32, Pattern { prepare, step, .. }: &Pattern) -> Duration {
    let round = segments / 4;
    let rounds = iterations.div_ceil(u64::from(round));
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let mut sender = Sender::new(segments);
        prepare(&mut sender, segments);
        let start = Clock::now();
        (0..round).for_each(|i| step(&mut sender, segments, i));
        total += start.elapsed();
    }
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let share = iterations as f64 / (rounds * u64::from(round)) as f64;
    total.mul_f64(share)
}

fn cumulative(sender: &mut Sender, _: u32, _: u32) {
    sender.una += 2 * u32::from(MSS);
    sender.receive(SackBlocks::NONE);
    sender.send(2);
}

fn hole(sender: &mut Sender, _: u32, i: u32) {
    let block = sender.block(1, i + 1);
    sender.receive(blocks(&[block]));
    sender.send(1);
}

fn every_other(sender: &mut Sender, segments: u32) {
    for i in (1..segments).step_by(2) {
        let block = sender.block(i, 1);
        sender.receive(blocks(&[block]));
    }
}

fn reported(sender: &mut Sender, segments: u32, i: u32) {
    let place = |k: u32| (i.wrapping_mul(7919).wrapping_add(k * 104_729) % (segments / 2)) * 2 + 1;
    let four = [0, 1, 2, 3].map(|k| sender.block(place(k), 1));
    sender.receive(blocks(&four));
}

fn splitting(sender: &mut Sender, segments: u32, i: u32) {
    let four = [0, 1, 2, 3].map(|k| sender.block((4 * i + k).wrapping_mul(7919) % (segments - 1) + 1, 1));
    sender.receive(blocks(&four));
}

/// How the sender is prepared, given the segments in flight, and what one ACK is, given that and its number.
struct Pattern {
    name: &'static str,
    prepare: fn(&mut Sender, u32),
    step: fn(&mut Sender, u32, u32),
}

const PATTERNS: [Pattern; 4] = [
    Pattern { name: "cumulative", prepare: |_, _| {}, step: cumulative },
    Pattern { name: "hole", prepare: |_, _| {}, step: hole },
    Pattern { name: "reported", prepare: every_other, step: reported },
    Pattern { name: "splitting", prepare: |_, _| {}, step: splitting },
];

fn acks(criterion: &mut Criterion) {
    for pattern in &PATTERNS {
        let mut group = criterion.benchmark_group(pattern.name);
        group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        for segments in [100, 1000, 10_000, 100_000] {
            group.bench_function(BenchmarkId::from_parameter(segments), |b| {
                b.iter_custom(|iterations| time(iterations, segments, pattern));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, acks);
criterion_main!(benches);
