// What src/wasm/engine.h declares, over Wasmtime. Nothing here is called but through the table that nx__engine_api returns; each call's
// contract is at its name in that header.
//
// A guest is a store with one instance in it. Its pointer is C's; so that a host function can call its guest again, no Rust reference to
// a guest lives while guest code runs: the store is then reached through the innermost call's `Caller`.
#![allow(clippy::missing_safety_doc)]
use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::os::fd::FromRawFd;
use std::ptr::null_mut;
use wasmtime::*;

mod describe;
mod waiting;

use nexus_wasi::failure::{self, Failure, Kind, fail, fail_text};
use nexus_wasi::{Code, Limits, State, asking, component, limited, service, settings, wasi, wit};

/// Grows with every change of what is below: the library that is loaded has to be the one that Nexus was built with.
const VERSION: u32 = 6;

pub struct Guest {
    store: Store<State>,
    /// The `StoreContextMut` of the host function that runs, null: none does.
    inside: *mut c_void,
    instance: Option<Instance>,
    /// What a guest that waits has asked for, and has been told.
    waiting: waiting::Waiting,
}

/// The way to the store from where the call comes from.
fn context<'a>(guest: *mut Guest) -> StoreContextMut<'a, State> {
    unsafe {
        let inside = (*guest).inside as *mut StoreContextMut<'a, State>;
        if inside.is_null() { (*guest).store.as_context_mut() } else { (*inside).as_context_mut() }
    }
}

macro_rules! check {
    ($result:expr, $failure:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return fail($failure, &error),
        }
    };
}

unsafe fn text<'a>(bytes: *const c_char, len: usize) -> &'a str {
    if len == 0 {
        return "";
    }
    std::str::from_utf8(unsafe { std::slice::from_raw_parts(bytes as *const u8, len) }).unwrap_or("\u{fffd}")
}

unsafe fn c_text<'a>(bytes: *const c_char) -> std::borrow::Cow<'a, str> {
    unsafe { CStr::from_ptr(bytes) }.to_string_lossy()
}

unsafe extern "C" fn engine_new(metered: bool, stack: usize, out: *mut *mut Engine, failure: *mut Failure) -> u32 {
    let mut config = settings::settings(metered);
    config.max_wasm_stack(stack);
    let engine = check!(Engine::new(&config), failure);
    unsafe { *out = Box::into_raw(Box::new(engine)) };
    0
}

unsafe extern "C" fn engine_free(engine: *mut Engine) {
    drop(unsafe { Box::from_raw(engine) });
}

unsafe extern "C" fn engine_tick(engine: *const Engine) {
    unsafe { (*engine).increment_epoch() }
}

unsafe extern "C" fn code_open(engine: *const Engine, fd: i32, out: *mut *mut Code, failure: *mut Failure) -> u32 {
    let engine = unsafe { &*engine };
    let file = unsafe { std::fs::File::from_raw_fd(fd) };
    let opened = file.try_clone().map_err(Error::from).and_then(|again| unsafe { Module::deserialize_open_file(engine, again) });
    let code = match opened {
        Ok(module) => Ok(Code::Module(module)),
        Err(error) => unsafe { component::open(engine, file) }.map(Code::Component).map_err(|_| error),
    };
    match code {
        Ok(code) => {
            unsafe { *out = Box::into_raw(Box::new(code)) };
            0
        }
        Err(error) => fail_text(failure, Kind::Artifact, &format!("{error:#}")),
    }
}

unsafe extern "C" fn code_free(code: *mut Code) {
    drop(unsafe { Box::from_raw(code) });
}

unsafe extern "C" fn code_is_component(code: *const Code) -> bool {
    matches!(unsafe { &*code }, Code::Component(_))
}

type HostFn = unsafe extern "C" fn(arg: *mut c_void, host: *mut c_void, values: *mut ValRaw) -> u32;

struct Shared(*mut c_void);
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

unsafe extern "C" fn linker_new(engine: *const Engine) -> *mut Linker<State> {
    let mut linker = Linker::new(unsafe { &*engine });
    linker.allow_shadowing(true);
    Box::into_raw(Box::new(linker))
}

unsafe extern "C" fn linker_free(linker: *mut Linker<State>) {
    drop(unsafe { Box::from_raw(linker) });
}

#[repr(C)]
pub struct Signature {
    params: *const u8,
    param_count: usize,
    results: *const u8,
    result_count: usize,
}

unsafe fn types(codes: *const u8, count: usize) -> Vec<ValType> {
    (0..count).map(|i| describe::type_of_code(unsafe { *codes.add(i) })).collect()
}

unsafe extern "C" fn linker_func(
    linker: *mut Linker<State>,
    module: *const c_char,
    name: *const c_char,
    signature: *const Signature,
    call: HostFn,
    arg: *mut c_void,
    waits: bool,
    failure: *mut Failure,
) -> u32 {
    let linker = unsafe { &mut *linker };
    let s = unsafe { &*signature };
    let ty = FuncType::new(linker.engine(), unsafe { types(s.params, s.param_count) }, unsafe { types(s.results, s.result_count) });
    let arg = Shared(arg);
    if waits {
        let (module, name) = unsafe { (c_text(module), c_text(name)) };
        check!(waiting::link(linker, (&module, &name), ty, call, arg), failure);
        return 0;
    }
    let body = move |mut caller: Caller<'_, State>, values: &mut [MaybeUninit<ValRaw>]| -> Result<()> {
        let arg = &arg;
        let (guest, host) = (caller.data().guest as *mut Guest, caller.data().host);
        let mut context = caller.as_context_mut();
        let status = unsafe {
            let outer = (*guest).inside;
            (*guest).inside = &raw mut context as *mut c_void;
            let status = call(arg.0, host, values.as_mut_ptr() as *mut ValRaw);
            (*guest).inside = outer;
            status
        };
        if status == 0 { Ok(()) } else { Err(failure::HostError(status).into()) }
    };
    check!(unsafe { linker.func_new_unchecked(&c_text(module), &c_text(name), ty, body) }, failure);
    0
}

unsafe extern "C" fn linker_wasi(linker: *mut Linker<State>, failure: *mut Failure) -> u32 {
    check!(wasi::link(unsafe { &mut *linker }), failure);
    0
}

unsafe extern "C" fn linked_new(
    linker: *mut Linker<State>,
    code: *const Code,
    out: *mut *mut InstancePre<State>,
    failure: *mut Failure,
) -> u32 {
    let Code::Module(module) = (unsafe { &*code }) else {
        return fail_text(failure, Kind::Import, "it is a component");
    };
    match unsafe { (*linker).instantiate_pre(module) } {
        Ok(linked) => {
            unsafe { *out = Box::into_raw(Box::new(linked)) };
            0
        }
        Err(error) => fail_text(failure, Kind::Import, &format!("{error:#}")),
    }
}

unsafe extern "C" fn linked_free(linked: *mut InstancePre<State>) {
    drop(unsafe { Box::from_raw(linked) });
}

unsafe extern "C" fn guest_new(
    linked: *const InstancePre<State>,
    limits: *const Limits,
    wasi: *const wasi::Options,
    host: *mut c_void,
    out: *mut *mut Guest,
    failure: *mut Failure,
) -> u32 {
    let linked = unsafe { &*linked };
    let wasi = match unsafe { wasi.as_ref() } {
        Some(options) => match unsafe { wasi::context(options) } {
            Ok(context) => Some(context),
            Err(error) => return fail_text(failure, Kind::Failed, &error),
        },
        None => None,
    };
    let limits = unsafe { *limits };
    let store = check!(limited(linked.module().engine(), State::new(host, limits, wasi, 1), false), failure);
    let guest = Box::into_raw(Box::new(Guest { store, inside: null_mut(), instance: None, waiting: waiting::Waiting::new(limits.waits) }));
    // Its start function may call the host, which then has the guest already.
    unsafe {
        (*guest).store.data_mut().guest = guest as *mut c_void;
        *out = guest;
    }
    let store = unsafe { &mut (*guest).store };
    let made = if limits.waits { unsafe { waiting::run(guest, linked.instantiate_async(store)) } } else { linked.instantiate(store) };
    match made {
        Ok(instance) => {
            unsafe { (*guest).instance = Some(instance) };
            0
        }
        Err(error) => {
            let kind = fail(failure, &error);
            unsafe {
                *out = null_mut();
                drop(Box::from_raw(guest));
            }
            kind
        }
    }
}

unsafe extern "C" fn guest_free(guest: *mut Guest) {
    drop(unsafe { Box::from_raw(guest) });
}

/// The ticks until the guest is asked next count from here.
unsafe extern "C" fn guest_rearm(guest: *mut Guest) {
    context(guest).set_epoch_deadline(1);
}

unsafe extern "C" fn fuel_set(guest: *mut Guest, fuel: u64) {
    // It fails where nobody meters, and C knows.
    let _ = context(guest).set_fuel(fuel);
}

unsafe extern "C" fn fuel_get(guest: *mut Guest) -> u64 {
    context(guest).get_fuel().unwrap_or(0)
}

fn export(guest: *mut Guest, name: &str) -> Option<Extern> {
    let instance = unsafe { (*guest).instance }?;
    instance.get_export(context(guest), name)
}

unsafe extern "C" fn func_find(guest: *mut Guest, name: *const c_char, len: usize, out: *mut Func) -> u32 {
    match export(guest, unsafe { text(name, len) }) {
        Some(Extern::Func(func)) => {
            unsafe { *out = func };
            0
        }
        _ => Kind::Failed as u32,
    }
}

/// The one that calls it settings::BATCH times. A guest may have something else under that name, and nobody looks at types any more when
/// it is called.
unsafe extern "C" fn batch_find(guest: *mut Guest, name: *const c_char, len: usize, one: *const Func, out: *mut Func) -> u32 {
    let name = format!("{}{}", settings::BATCH_PREFIX, unsafe { text(name, len) });
    let Some(Extern::Func(many)) = export(guest, &name) else { return Kind::Failed as u32 };
    let (own, all) = (unsafe { (*one).ty(context(guest)) }, many.ty(context(guest)));
    let repeats = |mut few: Vec<u8>, many: Vec<u8>| {
        few = few.repeat(settings::BATCH);
        few == many && few.iter().all(|code| (1..=4).contains(code))
    };
    let codes = |types: &mut dyn Iterator<Item = ValType>| types.map(|ty| describe::code_of_type(&ty)).collect::<Vec<u8>>();
    if !repeats(codes(&mut own.params()), codes(&mut all.params())) || !repeats(codes(&mut own.results()), codes(&mut all.results())) {
        return Kind::Failed as u32;
    }
    unsafe { *out = many };
    0
}

/// Element of a table.
unsafe extern "C" fn table_func(guest: *mut Guest, name: *const c_char, len: usize, index: u64, out: *mut Func) -> u32 {
    let Some(Extern::Table(table)) = export(guest, unsafe { text(name, len) }) else { return Kind::Failed as u32 };
    match table.get(context(guest), index) {
        Some(Ref::Func(Some(func))) => {
            unsafe { *out = func };
            0
        }
        _ => Kind::Failed as u32,
    }
}

unsafe extern "C" fn table_size(guest: *mut Guest, name: *const c_char, len: usize, out: *mut u64) -> u32 {
    let Some(Extern::Table(table)) = export(guest, unsafe { text(name, len) }) else { return Kind::Failed as u32 };
    unsafe { *out = table.size(context(guest)) };
    0
}

/// Writes the codes of parameters and then of results, as far as there is room; `counts` gets how many there are of each.
unsafe extern "C" fn func_type(guest: *mut Guest, func: *const Func, counts: *mut usize, codes: *mut u8, room: usize) {
    let ty = unsafe { (*func).ty(context(guest)) };
    unsafe {
        *counts = ty.params().len();
        *counts.add(1) = ty.results().len();
    }
    for (i, ty) in ty.params().chain(ty.results()).take(room).enumerate() {
        unsafe { *codes.add(i) = describe::code_of_type(&ty) };
    }
}

unsafe extern "C" fn call(guest: *mut Guest, func: *const Func, values: *mut ValRaw, count: usize, failure: *mut Failure) -> u32 {
    if unsafe { (*guest).waiting.is_on() } {
        return match unsafe { waiting::call(guest, *func, values) } {
            Ok(()) => 0,
            Err(error) => fail(failure, &error),
        };
    }
    let values = std::ptr::slice_from_raw_parts_mut(values, count);
    let result = unsafe {
        let inside = (*guest).inside as *mut StoreContextMut<'static, State>;
        if inside.is_null() { (*func).call_unchecked(&mut (*guest).store, values) } else { (*func).call_unchecked(&mut *inside, values) }
    };
    match result {
        Ok(()) => 0,
        Err(error) => fail(failure, &error),
    }
}

/// What a batch calls. `many` calls `one` settings::BATCH times; null: there is none such.
#[repr(C)]
pub struct Batch {
    one: *const Func,
    many: *const Func,
    params: usize,
    results: usize,
    values: *mut ValRaw,
    count: usize,
}

/// Arguments lie one behind the other, and so do the results, which take the same places from the first on. `done` gets how many calls
/// have returned.
unsafe extern "C" fn call_batch(guest: *mut Guest, batch: *const Batch, done: *mut usize, failure: *mut Failure) -> u32 {
    let b = unsafe { &*batch };
    let many = unsafe { b.many.as_ref() };
    let mut at = 0;
    let mut kind = 0;
    while at < b.count && kind == 0 {
        let (func, calls) = match many {
            Some(many) if b.count - at >= settings::BATCH => (many as *const Func, settings::BATCH),
            _ => (b.one, 1),
        };
        // A call has its arguments where its results go; those of the calls before it are further down.
        let from = unsafe { b.values.add(at * b.params.max(b.results)) };
        kind = unsafe { call(guest, func, from, calls * b.params.max(b.results), failure) };
        if kind == 0 && b.params > b.results {
            unsafe { std::ptr::copy(from, b.values.add(at * b.results), calls * b.results) };
        }
        if kind == 0 {
            at += calls;
        }
    }
    unsafe { *done = at };
    kind
}

unsafe extern "C" fn memory_find(guest: *mut Guest, name: *const c_char, len: usize, out: *mut Memory) -> u32 {
    match export(guest, unsafe { text(name, len) }) {
        Some(Extern::Memory(memory)) => {
            unsafe { *out = memory };
            0
        }
        _ => Kind::Failed as u32,
    }
}

unsafe extern "C" fn memory_data(guest: *mut Guest, memory: *const Memory, data: *mut *mut u8, len: *mut usize) {
    let memory = unsafe { *memory };
    let context = context(guest);
    unsafe {
        *data = memory.data_ptr(&context);
        *len = memory.data_size(&context);
    }
}

unsafe extern "C" fn memory_grow(guest: *mut Guest, memory: *const Memory, pages: u64, failure: *mut Failure) -> u32 {
    check!(unsafe { (*memory).grow(context(guest), pages) }, failure);
    0
}

unsafe extern "C" fn global_get(guest: *mut Guest, name: *const c_char, len: usize, code: *mut u8, value: *mut ValRaw) -> u32 {
    let Some(Extern::Global(global)) = export(guest, unsafe { text(name, len) }) else { return Kind::Failed as u32 };
    let (code_out, raw) = match global.get(context(guest)) {
        Val::I32(v) => (1, ValRaw::i32(v)),
        Val::I64(v) => (2, ValRaw::i64(v)),
        Val::F32(v) => (3, ValRaw::f32(v)),
        Val::F64(v) => (4, ValRaw::f64(v)),
        Val::V128(v) => (5, ValRaw::v128(v.as_u128())),
        _ => (8, ValRaw::i64(0)),
    };
    unsafe {
        *code = code_out;
        *value = raw;
    }
    0
}

unsafe extern "C" fn global_set(guest: *mut Guest, name: *const c_char, len: usize, value: *const ValRaw, failure: *mut Failure) -> u32 {
    let Some(Extern::Global(global)) = export(guest, unsafe { text(name, len) }) else { return Kind::Failed as u32 };
    let raw = unsafe { *value };
    let value = match describe::code_of_type(global.ty(context(guest)).content()) {
        1 => Val::I32(raw.get_i32()),
        2 => Val::I64(raw.get_i64()),
        3 => Val::F32(raw.get_f32()),
        4 => Val::F64(raw.get_f64()),
        5 => Val::V128(raw.get_v128().into()),
        _ => return fail_text(failure, Kind::Failed, "a reference can't be set from outside"),
    };
    check!(global.set(context(guest), value), failure);
    0
}

/// The functions on the guest's stack, innermost first, for a host function that runs.
unsafe extern "C" fn guest_backtrace(guest: *mut Guest, out: *mut c_char, size: usize) {
    let trace = WasmBacktrace::force_capture(context(guest));
    unsafe { failure::copy(&failure::frames(&trace), out as *mut u8, size) };
}

#[repr(C)]
pub struct Api {
    version: u32,
    value_size: u32,
    engine_new: unsafe extern "C" fn(bool, usize, *mut *mut Engine, *mut Failure) -> u32,
    engine_free: unsafe extern "C" fn(*mut Engine),
    engine_tick: unsafe extern "C" fn(*const Engine),
    code_open: unsafe extern "C" fn(*const Engine, i32, *mut *mut Code, *mut Failure) -> u32,
    code_free: unsafe extern "C" fn(*mut Code),
    code_is_component: unsafe extern "C" fn(*const Code) -> bool,
    code_describe: unsafe extern "C" fn(*const Code) -> *mut describe::Description,
    component_describe: unsafe extern "C" fn(*const Code, *mut usize) -> *mut c_char,
    text_free: unsafe extern "C" fn(*mut c_char, usize),
    description_free: unsafe extern "C" fn(*mut describe::Description),
    linker_new: unsafe extern "C" fn(*const Engine) -> *mut Linker<State>,
    linker_free: unsafe extern "C" fn(*mut Linker<State>),
    linker_func: unsafe extern "C" fn(
        *mut Linker<State>,
        *const c_char,
        *const c_char,
        *const Signature,
        HostFn,
        *mut c_void,
        bool,
        *mut Failure,
    ) -> u32,
    linker_wasi: unsafe extern "C" fn(*mut Linker<State>, *mut Failure) -> u32,
    linked_new: unsafe extern "C" fn(*mut Linker<State>, *const Code, *mut *mut InstancePre<State>, *mut Failure) -> u32,
    linked_free: unsafe extern "C" fn(*mut InstancePre<State>),
    command_run: unsafe extern "C" fn(*const Engine, *const Code, *const Limits, *const wasi::Options, *mut c_void, *mut Failure) -> u32,
    service_new: unsafe extern "C" fn(*const Code, *const service::Options, *mut *const service::Service, *mut Failure) -> u32,
    service_free: unsafe extern "C" fn(*const service::Service),
    service_tick: unsafe extern "C" fn(*const service::Service),
    exchange_new: unsafe extern "C" fn(
        *const service::Service,
        *const service::Question,
        *const Limits,
        *const wasi::Options,
        *const service::Owner,
        *mut *mut service::Exchange,
        *mut Failure,
    ) -> u32,
    exchange_free: unsafe extern "C" fn(*mut service::Exchange),
    exchange_poll: unsafe extern "C" fn(*mut service::Exchange, *mut u32, *mut Failure) -> u32,
    exchange_head: unsafe extern "C" fn(*mut service::Exchange, *mut *const service::Field, *mut usize) -> u32,
    exchange_trailers: unsafe extern "C" fn(*mut service::Exchange, *mut *const service::Field) -> usize,
    exchange_take: unsafe extern "C" fn(*mut service::Exchange, *mut usize) -> *const c_char,
    exchange_give: unsafe extern "C" fn(*mut service::Exchange, *const c_char, usize),
    asking_begin: unsafe extern "C" fn(*mut asking::Asking, *const service::Owner, *mut asking::Asked),
    asking_free: unsafe extern "C" fn(*mut asking::Asking),
    asking_body: unsafe extern "C" fn(*mut asking::Asking, *mut *const c_char, *mut usize) -> u32,
    asking_answer: unsafe extern "C" fn(*mut asking::Asking, u32, *const service::Field, usize),
    asking_state: unsafe extern "C" fn(*mut asking::Asking) -> u32,
    asking_give: unsafe extern "C" fn(*mut asking::Asking, *const c_char, usize),
    asking_end: unsafe extern "C" fn(*mut asking::Asking, *const service::Field, usize),
    asking_fail: unsafe extern "C" fn(*mut asking::Asking, u32, *const c_char, usize),
    guest_new: unsafe extern "C" fn(
        *const InstancePre<State>,
        *const Limits,
        *const wasi::Options,
        *mut c_void,
        *mut *mut Guest,
        *mut Failure,
    ) -> u32,
    guest_free: unsafe extern "C" fn(*mut Guest),
    guest_rearm: unsafe extern "C" fn(*mut Guest),
    fuel_set: unsafe extern "C" fn(*mut Guest, u64),
    fuel_get: unsafe extern "C" fn(*mut Guest) -> u64,
    guest_backtrace: unsafe extern "C" fn(*mut Guest, *mut c_char, usize),
    func_find: unsafe extern "C" fn(*mut Guest, *const c_char, usize, *mut Func) -> u32,
    func_type: unsafe extern "C" fn(*mut Guest, *const Func, *mut usize, *mut u8, usize),
    call: unsafe extern "C" fn(*mut Guest, *const Func, *mut ValRaw, usize, *mut Failure) -> u32,
    batch_find: unsafe extern "C" fn(*mut Guest, *const c_char, usize, *const Func, *mut Func) -> u32,
    call_batch: unsafe extern "C" fn(*mut Guest, *const Batch, *mut usize, *mut Failure) -> u32,
    table_func: unsafe extern "C" fn(*mut Guest, *const c_char, usize, u64, *mut Func) -> u32,
    table_size: unsafe extern "C" fn(*mut Guest, *const c_char, usize, *mut u64) -> u32,
    memory_find: unsafe extern "C" fn(*mut Guest, *const c_char, usize, *mut Memory) -> u32,
    memory_data: unsafe extern "C" fn(*mut Guest, *const Memory, *mut *mut u8, *mut usize),
    memory_grow: unsafe extern "C" fn(*mut Guest, *const Memory, u64, *mut Failure) -> u32,
    global_get: unsafe extern "C" fn(*mut Guest, *const c_char, usize, *mut u8, *mut ValRaw) -> u32,
    global_set: unsafe extern "C" fn(*mut Guest, *const c_char, usize, *const ValRaw, *mut Failure) -> u32,
}

// C keeps them in so much.
const _: () = assert!(size_of::<Func>() <= 16 && size_of::<Memory>() <= 24 && size_of::<ValRaw>() == 16);

static API: Api = Api {
    version: VERSION,
    value_size: size_of::<ValRaw>() as u32,
    engine_new,
    engine_free,
    engine_tick,
    code_open,
    code_free,
    code_is_component,
    code_describe: describe::code_describe,
    component_describe: wit::component_describe,
    text_free: wit::text_free,
    description_free: describe::description_free,
    linker_new,
    linker_free,
    linker_func,
    linker_wasi,
    linked_new,
    linked_free,
    command_run: component::command_run,
    service_new: service::service_new,
    service_free: service::service_free,
    service_tick: service::service_tick,
    exchange_new: service::exchange_new,
    exchange_free: service::exchange_free,
    exchange_poll: service::exchange_poll,
    exchange_head: service::exchange_head,
    exchange_trailers: service::exchange_trailers,
    exchange_take: service::exchange_take,
    exchange_give: service::exchange_give,
    asking_begin: asking::asking_begin,
    asking_free: asking::asking_free,
    asking_body: asking::asking_body,
    asking_answer: asking::asking_answer,
    asking_state: asking::asking_state,
    asking_give: asking::asking_give,
    asking_end: asking::asking_end,
    asking_fail: asking::asking_fail,
    guest_new,
    guest_free,
    guest_rearm,
    fuel_set,
    fuel_get,
    guest_backtrace,
    func_find,
    func_type,
    call,
    batch_find,
    call_batch,
    table_func,
    table_size,
    memory_find,
    memory_data,
    memory_grow,
    global_get,
    global_set,
};

#[unsafe(no_mangle)]
pub extern "C" fn nx__engine_api() -> *const Api {
    &API
}
