#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    sockeye_fuzz::walkers::icmp_message(bytes);
});
