#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    sockeye_fuzz::device_walkers::link_words(text);
});
