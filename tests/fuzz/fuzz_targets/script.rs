#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    sockeye_fuzz::lab_walkers::script(text);
});
