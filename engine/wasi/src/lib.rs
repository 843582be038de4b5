// What guests get from the system, and what runs them without C looking on: WASI of all versions, programs, services. There is much of it,
// and little that has to be fast, so this crate is built for size; calls are in the other one.
#![allow(clippy::missing_safety_doc)]
use std::ffi::c_void;
use wasmtime::component::Component;
use wasmtime::{Engine, Module, ResourceLimiter, Result, Store, UpdateDeadline};
use wasmtime_wasi_http::WasiHttpCtx;

pub mod asking;
pub mod component;
pub mod failure;
pub mod service;
#[path = "../../settings.rs"]
pub mod settings;
pub mod wasi;
pub mod wit;

use failure::Kind;

/// What a guest may have, as the C structure says it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Limits {
    pub max_memory: u64,
    pub max_table_elements: u64,
    /// For its start function, of an engine that meters.
    pub fuel: u64,
    pub metered: bool,
    /// Its host functions may suspend, as its linker was told too.
    pub waits: bool,
    /// Asked at each tick while the guest runs: 0 lets it go on.
    pub tick: unsafe extern "C" fn(*mut c_void) -> u32,
}

/// Machine code, which all its guests share.
pub enum Code {
    Module(Module),
    Component(Component),
}

pub struct State {
    pub host: *mut c_void,
    /// Of a module's.
    pub guest: *mut c_void,
    limits: Limits,
    memory: u64,
    elements: u64,
    instances: usize,
    wasi: Option<wasi::Context>,
    http: WasiHttpCtx,
    requests: asking::Requests,
}

impl State {
    pub fn new(host: *mut c_void, limits: Limits, wasi: Option<wasi::Context>, instances: usize) -> State {
        let (http, requests) = (WasiHttpCtx::new(), asking::Requests { host, ask: None });
        State { host, guest: std::ptr::null_mut(), limits, memory: 0, elements: 0, instances, wasi, http, requests }
    }
}

impl State {
    /// Has its guest ask other servers by C.
    pub fn asks(mut self, ask: Option<asking::Ask>) -> State {
        self.requests.ask = ask;
        self
    }
}

// A guest is used by one thread at a time, which is C's to see to.
unsafe impl Send for State {}
unsafe impl Sync for State {}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let memory = self.memory.saturating_add((desired - current) as u64);
        if memory > self.limits.max_memory {
            return Err(failure::Stop(Kind::Memory).into());
        }
        self.memory = memory;
        Ok(true)
    }
    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let elements = self.elements.saturating_add((desired - current) as u64);
        if elements > self.limits.max_table_elements {
            return Err(failure::Stop(Kind::Table).into());
        }
        self.elements = elements;
        Ok(true)
    }
    fn instances(&self) -> usize {
        self.instances
    }
}

/// A store that is asked at each tick whether its guest may go on; where it `shares` its thread, others come first.
pub fn limited(engine: &Engine, state: State, shares: bool) -> Result<Store<State>> {
    let Limits { tick, metered, fuel, .. } = state.limits;
    let mut store = Store::new(engine, state);
    store.limiter(|state| state);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |context| match unsafe { tick(context.data().host) } {
        0 if shares => Ok(UpdateDeadline::Yield(1)),
        0 => Ok(UpdateDeadline::Continue(1)),
        1 => Err(failure::Stop(Kind::CpuTime).into()),
        _ => Err(failure::Stop(Kind::Deadline).into()),
    });
    if metered {
        store.set_fuel(fuel)?;
    }
    Ok(store)
}
