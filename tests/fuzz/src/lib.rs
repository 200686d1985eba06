//! What the fuzz targets call: the same walkers as the property tests of `sockeye-wire`, `sockeye-device` and `sockeye-lab`.

#[path = "../../../crates/device/tests/hostile/walkers.rs"]
pub mod device_walkers;
#[path = "../../../crates/lab/tests/hostile/walkers.rs"]
pub mod lab_walkers;
#[path = "../../../crates/wire/tests/hostile/walkers.rs"]
pub mod walkers;
