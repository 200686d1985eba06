//! How fast virtual time passes: one CUBIC flow over 10 Mbit/s and a round trip of 50 ms, with every rule checked after every
//! event, and without. Elements are seconds of virtual time.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sockeye::Algorithm;
use sockeye_lab::sim::{self, Record, Scenario, Simulation};

const VIRTUAL: Duration = Duration::from_secs(60);

fn one_flow(criterion: &mut Criterion) {
    let link = |words: &str| words.parse().expect("words of a link");
    let (forward, back) = (link("rate 10mbit delay 25ms limit 62500b"), link("rate 10mbit delay 25ms"));
    let scenario = Scenario::bulk(forward, back, &[Algorithm::CUBIC], VIRTUAL);
    let mut group = criterion.benchmark_group("simulate");
    group.throughput(Throughput::Elements(VIRTUAL.as_secs())).sample_size(20);
    group.bench_function("one flow, 10 Mbit/s, 50 ms", |bencher| {
        bencher.iter(|| Simulation::new(&scenario, Record::nothing()).map(|run| run.unjudged().finish()));
    });
    group.bench_function("the same, judged", |bencher| bencher.iter(|| sim::run(&scenario)));
    group.finish();
}

criterion_group!(benches, one_flow);
criterion_main!(benches);
