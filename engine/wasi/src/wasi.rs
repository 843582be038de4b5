// WASI for a guest: its arguments, environment, directories and standard streams.
use crate::State;
use std::ffi::{CStr, CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;
use wasmtime::{Linker, Result};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{Deterministic, FsPerms, HostMonotonicClock, HostWallClock, WasiCtxBuilder, WasiView};

pub type Context = WasiP1Ctx;

/// engine.h has the same.
#[repr(C)]
pub struct Directory {
    host: *const c_char,
    guest: *const c_char,
    read_only: bool,
}

#[repr(C)]
pub struct Options {
    args: *const *const c_char,
    arg_count: usize,
    /// NAME=VALUE
    env: *const *const c_char,
    env_count: usize,
    directories: *const Directory,
    directory_count: usize,
    /// Of the table of descriptors and of what a poll waits for; 0: as many as there may be.
    max_open_files: u32,
    /// Random bytes are made from it, and repeat; 0: the system's are given.
    random_seed: u64,
    /// Nanoseconds since 1970 at which the clocks stand still; 0: they run.
    clock: u64,
    /// Names may be looked up.
    names: bool,
    /// May a socket be bound to the address, "1.2.3.4:80" or "[::1]:80", or else be used with it as a peer? null: there is no network.
    network: Option<unsafe extern "C" fn(address: *const c_char, bound: bool) -> bool>,
}

/// Stands still.
struct Still(Duration);
impl HostWallClock for Still {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }
    fn now(&self) -> Duration {
        self.0
    }
}
impl HostMonotonicClock for Still {
    fn resolution(&self) -> u64 {
        1
    }
    fn now(&self) -> u64 {
        0
    }
}

/// So many bytes that differ, from a seed (splitmix64).
fn bytes_of_seed(mut seed: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RANDOM_PERIOD);
    while bytes.len() < RANDOM_PERIOD {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    bytes
}
const RANDOM_PERIOD: usize = 64 << 10;

pub fn link(linker: &mut Linker<State>) -> Result<()> {
    p1::add_to_linker_sync(linker, |state| state.wasi.as_mut().expect("a guest that is linked with WASI has a context"))
}

unsafe fn words(list: *const *const c_char, count: usize) -> Vec<String> {
    (0..count).map(|i| unsafe { CStr::from_ptr(*list.add(i)) }.to_string_lossy().into_owned()).collect()
}

pub unsafe fn context(options: &Options) -> std::result::Result<Context, String> {
    let mut builder = WasiCtxBuilder::new();
    // A guest's thread is its own: what blocks may block it.
    builder.inherit_stdio().allow_blocking_current_thread(true);
    builder.args(&unsafe { words(options.args, options.arg_count) });
    for pair in unsafe { words(options.env, options.env_count) } {
        let (name, value) = pair.split_once('=').unwrap_or((&pair, ""));
        builder.env(name, value);
    }
    for i in 0..options.directory_count {
        let directory = unsafe { &*options.directories.add(i) };
        let (host, guest) = unsafe { (CStr::from_ptr(directory.host), CStr::from_ptr(directory.guest)) };
        let permissions = if directory.read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
        builder
            .preopened_dir(OsStr::from_bytes(host.to_bytes()), guest.to_string_lossy(), permissions)
            .map_err(|error| format!("cannot open the directory \"{}\": {}", host.to_string_lossy(), error.root_cause()))?;
    }
    if options.random_seed != 0 {
        builder.secure_random(Deterministic::new(bytes_of_seed(options.random_seed)));
    }
    if options.clock != 0 {
        builder.wall_clock(Still(Duration::from_nanos(options.clock))).monotonic_clock(Still(Duration::ZERO));
    }
    if let Some(network) = options.network {
        builder.allow_tcp(true).allow_udp(true).allow_ip_name_lookup(options.names);
        builder.socket_addr_check(move |address, purpose| {
            let bound = matches!(purpose, SocketAddrUse::TcpBind | SocketAddrUse::UdpBind);
            let text = CString::new(address.to_string()).unwrap_or_default();
            let granted = unsafe { network(text.as_ptr(), bound) };
            Box::pin(async move { granted })
        });
    }
    let mut context = builder.build_p1();
    if options.max_open_files != 0 {
        context.ctx().table.set_max_capacity(options.max_open_files as usize);
    }
    Ok(context)
}
