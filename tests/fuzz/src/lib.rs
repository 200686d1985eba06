//! What the fuzz targets call: the same walkers as the property tests of `sockeye-wire`.

#[path = "../../../crates/wire/tests/hostile/walkers.rs"]
pub mod walkers;
