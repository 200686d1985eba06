//! The Internet checksum beside smoltcp's, over a full segment's text in cache.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn checksums(criterion: &mut Criterion) {
    for octets in [20, 1460, 65_535] {
        let data: Vec<u8> = (0..octets).map(|at: usize| at.to_le_bytes()[0]).collect();
        let mut group = criterion.benchmark_group(format!("{octets} octets"));
        group.throughput(Throughput::Bytes(octets as u64));
        group.bench_function("sockeye", |b| b.iter(|| sockeye_wire::checksum::checksum(black_box(&data))));
        group.bench_function("smoltcp", |b| b.iter(|| smoltcp::wire::checksum::data(black_box(&data))));
        group.finish();
    }
}

criterion_group!(benches, checksums);
criterion_main!(benches);
