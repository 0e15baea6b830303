#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| allora_fuzz::run("request", bytes));
