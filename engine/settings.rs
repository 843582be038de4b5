// What the compiler and the engine agree on. A change of it changes the machine code: NX__WASM_SETTINGS in src/wasm/engine.h grows
// with it.
use wasmtime::Config;

/// `metered`: each block of code counts what it takes off the fuel, so that a limit on that is exact. It costs, so it is asked for.
pub fn settings(metered: bool) -> Config {
    let mut config = Config::new();
    config.consume_fuel(metered);
    // Guests can be stopped: each loop and each function looks whether a tick has passed.
    config.epoch_interruption(true);
    config
}

/// Of each exported function of plain numbers the compiler makes another that calls it so many times, exported under the name with this
/// before it: entering guest code is what a call costs.
pub const BATCH: usize = 16;
pub const BATCH_PREFIX: &str = "nexus:16:";
