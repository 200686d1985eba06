#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    sockeye_fuzz::lab_walkers::capture(bytes);
});
