// What the compiler and the engine agree on. A change of it changes the machine code: NX__WASM_SETTINGS in src/wasm/engine.h grows
// with it.
use wasmtime::Config;

pub fn settings() -> Config {
    let mut config = Config::new();
    // Guests can be stopped: each loop and each function looks whether a tick has passed.
    config.epoch_interruption(true);
    config
}
