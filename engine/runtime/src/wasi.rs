// WASI 0.1 for a guest: its arguments, environment, directories and standard streams.
use crate::State;
use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use wasmtime::{Linker, Result};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

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
}

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
    Ok(builder.build_p1())
}
