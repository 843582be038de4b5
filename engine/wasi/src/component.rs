// Components that are programs: a `wasi:cli/run` of WASI 0.2 or 0.3, run to its end on the thread that asks for it.
use crate::failure::{Failure, Kind, fail, fail_text};
use crate::{Code, Limits, State, wasi};
use std::ffi::c_void;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use tokio::runtime::Runtime;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{I32Exit, WasiCtxView, WasiView, p2, p3};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.as_mut().expect("a component has a context").ctx()
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.requests.host = self.host;
        let WasiCtxView { table, .. } = self.wasi.as_mut().expect("a component has a context").ctx();
        WasiHttpCtxView { hooks: &mut self.requests, table, ctx: &mut self.http }
    }
}

/// One thread watches what all guests wait for. It is started by the first component.
pub fn driver() -> Result<&'static Runtime, String> {
    static DRIVER: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let built = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("wasi").enable_all().build();
    DRIVER.get_or_init(built).as_ref().map_err(|error| format!("cannot start the thread that waits for WebAssembly: {error}"))
}

enum Command {
    P2(p2::bindings::CommandPre<State>),
    P3(p3::bindings::CommandPre<State>),
}

/// The same file by a name, for what wants one; where names lead nowhere, its bytes.
///
/// # Safety
/// It is what the compiler has made.
pub unsafe fn open(engine: &Engine, mut file: std::fs::File) -> wasmtime::Result<Component> {
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    if std::fs::File::open(&name).is_ok() {
        return unsafe { Component::deserialize_file(engine, &name) };
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    unsafe { Component::deserialize(engine, &bytes) }
}

/// All of WASI, of both versions.
pub fn link_all(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    p2::add_to_linker_async(&mut linker)?;
    p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    Ok(linker)
}

fn link(engine: &Engine, component: &Component) -> wasmtime::Result<Command> {
    let linked = link_all(engine)?.instantiate_pre(component)?;
    match p3::bindings::CommandPre::new(linked.clone()) {
        Ok(command) => Ok(Command::P3(command)),
        Err(_) => Ok(Command::P2(p2::bindings::CommandPre::new(linked)?)),
    }
}

async fn run(command: Command, store: &mut Store<State>) -> wasmtime::Result<()> {
    let ended = match command {
        Command::P2(command) => {
            let command = command.instantiate_async(&mut *store).await?;
            command.wasi_cli_run().call_run(&mut *store).await?
        }
        Command::P3(command) => {
            let command = command.instantiate_async(&mut *store).await?;
            store.run_concurrent(async move |store| command.wasi_cli_run().call_run(store).await).await??
        }
    };
    ended.map_err(|()| I32Exit(1).into())
}

pub unsafe extern "C" fn command_run(
    engine: *const Engine,
    code: *const Code,
    limits: *const Limits,
    options: *const wasi::Options,
    host: *mut c_void,
    failure: *mut Failure,
) -> u32 {
    let Code::Component(component) = (unsafe { &*code }) else {
        return fail_text(failure, Kind::Failed, "it is a module");
    };
    let command = match link(unsafe { &*engine }, component) {
        Ok(command) => command,
        Err(error) => return fail_text(failure, Kind::Import, &format!("{error:#}")),
    };
    let driver = match driver() {
        Ok(driver) => driver,
        Err(error) => return fail_text(failure, Kind::Failed, &error),
    };
    // What WASI opens by itself, it opens for the driver.
    let _entered = driver.enter();
    let wasi = match unsafe { wasi::context(&*options) } {
        Ok(context) => context,
        Err(error) => return fail_text(failure, Kind::Failed, &error),
    };
    let limits = unsafe { *limits };
    let mut store = match crate::limited(unsafe { &*engine }, State::new(host, limits, Some(wasi), INSTANCES_MOST), false) {
        Ok(store) => store,
        Err(error) => return fail(failure, &error),
    };
    let result = driver.block_on(run(command, &mut store));
    match result {
        Ok(()) => 0,
        Err(error) => fail(failure, &error),
    }
}

/// Core instances of a component: it is made of some, and asks for no more when it runs.
pub const INSTANCES_MOST: usize = 10_000;
