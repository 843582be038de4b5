// Components that answer requests: `wasi:http`, of 0.2 (`incoming-handler`) or 0.3 (`handler`). An exchange is one request with its
// answer, and has an instance of its own while it lasts. It is a future: C polls it, on the loop that the request belongs to, when it has
// been woken, which any thread may do.
use crate::asking::Ask;
use crate::component::{INSTANCES_MOST, driver, link_all, open};
use crate::failure::{Failure, Kind, fail, fail_text};
use crate::{Code, Limits, State, limited, settings, wasi};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::ffi::{c_char, c_void};
use std::future::{Future, poll_fn};
use std::os::fd::FromRawFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use tokio::sync::oneshot;
use wasmtime::component::Component;
use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Store, bail, format_err};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre, http::types::Scheme};
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings as p3;
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpView};

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Linked {
    P2(ProxyPre<State>),
    P3(p3::ServicePre<State>),
}

enum Guest {
    P2(Proxy),
    P3(p3::Service),
}

/// Has answered a request, and may answer more.
struct Ready {
    store: Store<State>,
    guest: Guest,
    uses: u32,
}

pub struct Service {
    engine: Engine,
    linked: Linked,
    /// Requests that an instance may answer.
    uses: u32,
    ask: Option<Ask>,
    idle: Mutex<Vec<Ready>>,
}

/// engine.h has the same.
#[repr(C)]
pub struct Options {
    /// Of the code; it is taken.
    fd: i32,
    metered: bool,
    stack: usize,
    /// At once.
    instances: u32,
    uses: u32,
    /// What its guests ask of other servers; null: they may not.
    ask: Option<Ask>,
}

/// Bytes of memory that stay an instance's place when it has gone, for the next one.
const MEMORY_KEPT: usize = 1 << 20;
const TABLE_KEPT: usize = 64 << 10;
const STACK_KEPT: usize = 64 << 10;
/// On a guest's stack, beside its own code.
const STACK_OF_HOST: usize = 1 << 20;
const TABLE_LEAST: usize = 20_000;
/// Memories and tables of a component that does not say how many it has.
const PARTS_UNKNOWN: u32 = 8;

/// An engine whose instances are made in places that wait for them.
fn pooled(component: &Component, options: &Options) -> Result<Engine> {
    let needs = component.resources_required();
    let (memories, tables) = needs.as_ref().map_or((PARTS_UNKNOWN, PARTS_UNKNOWN), |needs| (needs.num_memories, needs.num_tables));
    let elements = needs.and_then(|needs| needs.max_initial_table_size).unwrap_or(0);
    let most = options.instances;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(most).total_core_instances(u32::MAX).total_gc_heaps(most).total_stacks(most);
    pool.total_memories(most.saturating_mul(memories.max(1))).total_tables(most.saturating_mul(tables.max(1)));
    pool.table_elements(TABLE_LEAST.max(usize::try_from(elements)?)).max_unused_warm_slots(most);
    pool.table_keep_resident(TABLE_KEPT).async_stack_keep_resident(STACK_KEPT);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(MEMORY_KEPT);
    } else {
        // Without it, what stays has to be cleared by hand.
        pool.decommit_batch_size(64);
    }
    let mut config = settings::settings(options.metered);
    config.max_wasm_stack(options.stack).async_stack_size(options.stack + STACK_OF_HOST);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

impl Service {
    unsafe fn new(component: &Component, options: &Options) -> Result<Service> {
        let file = unsafe { std::fs::File::from_raw_fd(options.fd) };
        let engine = pooled(component, options)?;
        let component = unsafe { open(&engine, file) }?;
        let linked = link_all(&engine)?.instantiate_pre(&component)?;
        let linked = match p3::ServicePre::new(linked.clone()) {
            Ok(service) => Linked::P3(service),
            Err(_) => Linked::P2(ProxyPre::new(linked)?),
        };
        Ok(Service { engine, linked, uses: options.uses, ask: options.ask, idle: Mutex::default() })
    }

    async fn make(&self, store: &mut Store<State>) -> Result<Guest> {
        match &self.linked {
            Linked::P2(linked) => linked.instantiate_async(store).await.map(Guest::P2),
            Linked::P3(linked) => linked.instantiate_async(store).await.map(Guest::P3),
        }
    }

    fn keep(&self, store: Store<State>, guest: Guest, uses: u32) {
        if uses < self.uses {
            lock(&self.idle).push(Ready { store, guest, uses });
        }
    }

    /// A store, with the guest in it where there has been one.
    unsafe fn store(&self, host: *mut c_void, limits: Limits, options: *const wasi::Options) -> Result<(Store<State>, Option<Guest>, u32)> {
        if self.uses > 1
            && let Some(mut ready) = lock(&self.idle).pop()
        {
            ready.store.data_mut().host = host;
            ready.store.set_epoch_deadline(1);
            if limits.metered {
                ready.store.set_fuel(limits.fuel)?;
            }
            return Ok((ready.store, Some(ready.guest), ready.uses + 1));
        }
        let _entered = driver().map_err(wasmtime::Error::msg)?.enter();
        let wasi = unsafe { wasi::context(&*options) }.map_err(wasmtime::Error::msg)?;
        Ok((limited(&self.engine, State::new(host, limits, Some(wasi), INSTANCES_MOST).asks(self.ask), true)?, None, 1))
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    data: *const c_char,
    len: usize,
}
impl Text {
    pub fn of(bytes: &[u8]) -> Text {
        Text { data: bytes.as_ptr() as *const c_char, len: bytes.len() }
    }
    unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(self.data as *const u8, self.len) } }
    }
}

#[repr(C)]
pub struct Field {
    name: Text,
    value: Text,
}

impl Field {
    /// They last as long as what they are made of.
    pub fn list(headers: &HeaderMap) -> Vec<Field> {
        headers.iter().map(|(name, value)| Field { name: Text::of(name.as_str().as_bytes()), value: Text::of(value.as_bytes()) }).collect()
    }
    pub unsafe fn bytes<'a>(&self) -> (&'a [u8], &'a [u8]) {
        unsafe { (self.name.bytes(), self.value.bytes()) }
    }
}

/// engine.h has the same.
#[repr(C)]
pub struct Question {
    method: Text,
    scheme: Text,
    authority: Text,
    /// The path with the query.
    target: Text,
    fields: *const Field,
    field_count: usize,
}

/// What C and the guest leave for each other.
#[derive(Default)]
struct Desk {
    coming: Option<Bytes>,
    came: bool,
    /// The guest waits for more of the request's body.
    wants: bool,
    reader: Option<Waker>,
    head: Option<(u16, HeaderMap)>,
    answered: bool,
    trailers: Option<HeaderMap>,
    piece: Option<Bytes>,
    writer: Option<Waker>,
}
type Shared = Arc<Mutex<Desk>>;

struct Coming(Shared);
impl Body for Coming {
    type Data = Bytes;
    type Error = Error;
    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut desk = lock(&self.0);
        if let Some(bytes) = desk.coming.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if desk.came {
            return Poll::Ready(None);
        }
        desk.wants = true;
        desk.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Lays the answer's head and then piece after piece on the desk, each when the one before was taken.
async fn hand_over(answer: http::Response<WasiBody>, shared: &Shared) -> Result<()> {
    let (parts, mut body) = answer.into_parts();
    {
        let mut desk = lock(shared);
        desk.head = Some((parts.status.as_u16(), parts.headers));
        desk.answered = true;
    }
    while let Some(frame) = body.frame().await {
        let bytes = match frame?.into_data() {
            Ok(bytes) => bytes,
            Err(frame) => {
                lock(shared).trailers = frame.into_trailers().ok();
                continue;
            }
        };
        if bytes.is_empty() {
            continue;
        }
        lock(shared).piece = Some(bytes);
        poll_fn(|context| {
            let mut desk = lock(shared);
            if desk.piece.is_none() {
                return Poll::Ready(());
            }
            desk.writer = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
    Ok(())
}

/// A request, on its way through a guest.
struct Asked {
    service: Arc<Service>,
    store: Store<State>,
    guest: Option<Guest>,
    uses: u32,
    request: http::Request<Coming>,
    shared: Shared,
}

async fn answer(asked: Asked) -> Result<()> {
    let Asked { service, mut store, guest, uses, request, shared } = asked;
    let guest = match guest {
        Some(guest) => guest,
        None => service.make(&mut store).await?,
    };
    match guest {
        Guest::P2(guest) => {
            let scheme = if request.uri().scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
            let (sender, receiver) = oneshot::channel();
            let incoming = store.data_mut().http().new_incoming_request(scheme, request)?;
            let out = store.data_mut().http().new_response_outparam(sender)?;
            // What it has not answered when it is done goes with it.
            let called = async move {
                guest.wasi_http_incoming_handler().call_handle(&mut store, incoming, out).await?;
                service.keep(store, Guest::P2(guest), uses);
                Ok(())
            };
            let answered = async {
                match receiver.await {
                    Ok(Ok(answer)) => hand_over(answer, &shared).await,
                    Ok(Err(code)) => Err(format_err!("it answers with an error: {code:?}")),
                    Err(_) => Ok(()),
                }
            };
            let (called, answered): (Result<()>, Result<()>) = futures::future::join(called, answered).await;
            called?;
            answered?;
        }
        Guest::P3(guest) => {
            let (request, _) = Request::from_http(store.data_mut().http().hooks, request);
            let for_guest = shared.clone();
            let answered = async move |store: &wasmtime::component::Accessor<State>| -> Result<p3::Service> {
                let answer = guest.handle(store, request).await?.map_err(|code| format_err!("it answers with an error: {code:?}"))?;
                let answer = store.with(|mut store| answer.into_http(&mut store, async { Ok(()) }))?;
                hand_over(answer, &for_guest).await?;
                Ok(guest)
            };
            let guest = store.run_concurrent(answered).await??;
            service.keep(store, Guest::P3(guest), uses);
        }
    }
    if lock(&shared).answered { Ok(()) } else { bail!("it has not answered") }
}

/// Calls C once for any number of wakes between two polls, and no more when the exchange is over.
pub struct Bell {
    ring: Mutex<Option<(unsafe extern "C" fn(*mut c_void), usize)>>,
    pub rung: AtomicBool,
}
impl Bell {
    /// Nobody is called before it is given an owner.
    pub fn silent() -> Arc<Bell> {
        Arc::new(Bell { ring: Mutex::new(None), rung: AtomicBool::new(false) })
    }
    pub fn give(&self, owner: &Owner) {
        *lock(&self.ring) = Some((owner.wake, owner.host as usize));
    }
    pub fn take_away(&self) {
        *lock(&self.ring) = None;
    }
    pub fn ring(&self) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some((wake, arg)) = *lock(&self.ring) {
            unsafe { wake(arg as *mut c_void) };
        }
    }
}
impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

pub struct Exchange {
    /// None: it is over.
    future: Option<Pin<Box<dyn Future<Output = Result<()>>>>>,
    shared: Shared,
    bell: Arc<Bell>,
    /// What C reads, until it asks again.
    head: Vec<Field>,
    headers: HeaderMap,
    piece: Bytes,
}

pub unsafe extern "C" fn service_new(code: *const Code, options: *const Options, out: *mut *const Service, failure: *mut Failure) -> u32 {
    let Code::Component(component) = (unsafe { &*code }) else {
        return fail_text(failure, Kind::Failed, "it is a module");
    };
    match unsafe { Service::new(component, &*options) } {
        Ok(service) => {
            unsafe { *out = Arc::into_raw(Arc::new(service)) };
            0
        }
        Err(error) => fail_text(failure, Kind::Import, &format!("{error:#}")),
    }
}

pub unsafe extern "C" fn service_free(service: *const Service) {
    drop(unsafe { Arc::from_raw(service) });
}

pub unsafe extern "C" fn service_tick(service: *const Service) {
    unsafe { &*service }.engine.increment_epoch();
}

unsafe fn request(question: &Question, shared: &Shared) -> Result<http::Request<Coming>> {
    let (scheme, authority, target) = unsafe { (question.scheme.bytes(), question.authority.bytes(), question.target.bytes()) };
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build()?;
    let mut request = http::Request::new(Coming(shared.clone()));
    *request.method_mut() = Method::from_bytes(unsafe { question.method.bytes() })?;
    *request.uri_mut() = uri;
    for i in 0..question.field_count {
        let (name, value) = unsafe { (*question.fields.add(i)).bytes() };
        request.headers_mut().append(HeaderName::from_bytes(name)?, HeaderValue::from_bytes(value)?);
    }
    Ok(request)
}

/// `wake` is called from any thread, but not any more when the exchange was freed.
#[repr(C)]
pub struct Owner {
    host: *mut c_void,
    wake: unsafe extern "C" fn(*mut c_void),
}

pub unsafe extern "C" fn exchange_new(
    service: *const Service,
    question: *const Question,
    limits: *const Limits,
    options: *const wasi::Options,
    owner: *const Owner,
    out: *mut *mut Exchange,
    failure: *mut Failure,
) -> u32 {
    let (limits, owner) = unsafe { (*limits, &*owner) };
    let shared = Shared::default();
    let request = match unsafe { request(&*question, &shared) } {
        Ok(request) => request,
        Err(error) => return fail_text(failure, Kind::Request, &format!("{error:#}")),
    };
    let (store, guest, uses) = match unsafe { (*service).store(owner.host, limits, options) } {
        Ok(parts) => parts,
        Err(error) => return fail(failure, &error),
    };
    let service = unsafe {
        Arc::increment_strong_count(service);
        Arc::from_raw(service)
    };
    let asked = Asked { service, store, guest, uses, request, shared: shared.clone() };
    let future: Pin<Box<dyn Future<Output = Result<()>>>> = Box::pin(answer(asked));
    let bell = Bell::silent();
    bell.give(owner);
    let exchange = Exchange { future: Some(future), shared, bell, head: Vec::new(), headers: HeaderMap::new(), piece: Bytes::new() };
    unsafe { *out = Box::into_raw(Box::new(exchange)) };
    0
}

pub unsafe extern "C" fn exchange_free(exchange: *mut Exchange) {
    let mut exchange = unsafe { Box::from_raw(exchange) };
    exchange.bell.take_away();
    // What it leaves behind is the driver's.
    let _entered = driver().ok().map(|driver| driver.enter());
    exchange.future = None;
}

/// What there is to do, bits of engine.h.
const HEAD: u32 = 1;
const PIECE: u32 = 2;
const WANTS: u32 = 4;
const OVER: u32 = 8;

pub unsafe extern "C" fn exchange_poll(exchange: *mut Exchange, todo: *mut u32, failure: *mut Failure) -> u32 {
    let exchange = unsafe { &mut *exchange };
    exchange.bell.rung.store(false, Ordering::Release);
    if let Some(future) = exchange.future.as_mut() {
        let driver = match driver() {
            Ok(driver) => driver,
            Err(error) => return fail_text(failure, Kind::Failed, &error),
        };
        let _entered = driver.enter();
        let waker = Waker::from(exchange.bell.clone());
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => {}
            Poll::Ready(result) => {
                exchange.future = None;
                if let Err(error) = result {
                    return fail(failure, &error);
                }
            }
        }
    }
    let desk = lock(&exchange.shared);
    let mut bits = 0;
    for (bit, set) in [(HEAD, desk.head.is_some()), (PIECE, desk.piece.is_some()), (WANTS, desk.wants), (OVER, exchange.future.is_none())] {
        bits |= if set { bit } else { 0 };
    }
    unsafe { *todo = bits };
    0
}

/// The answer's status and fields, once; they last as long as the exchange.
pub unsafe extern "C" fn exchange_head(exchange: *mut Exchange, fields: *mut *const Field, count: *mut usize) -> u32 {
    let exchange = unsafe { &mut *exchange };
    let Some((status, headers)) = lock(&exchange.shared).head.take() else { return 0 };
    exchange.headers = headers;
    exchange.head = Field::list(&exchange.headers);
    unsafe {
        *fields = exchange.head.as_ptr();
        *count = exchange.head.len();
    }
    u32::from(status)
}

/// What the answer has behind its body, once that is over: none, mostly. They last as long as the exchange.
pub unsafe extern "C" fn exchange_trailers(exchange: *mut Exchange, fields: *mut *const Field) -> usize {
    let exchange = unsafe { &mut *exchange };
    let Some(trailers) = lock(&exchange.shared).trailers.take() else { return 0 };
    exchange.headers = trailers;
    exchange.head = Field::list(&exchange.headers);
    unsafe { *fields = exchange.head.as_ptr() };
    exchange.head.len()
}

/// The next piece of the answer, which lasts until the next one is taken.
pub unsafe extern "C" fn exchange_take(exchange: *mut Exchange, len: *mut usize) -> *const c_char {
    let exchange = unsafe { &mut *exchange };
    let (piece, writer) = {
        let mut desk = lock(&exchange.shared);
        (desk.piece.take(), desk.writer.take())
    };
    exchange.piece = piece.unwrap_or_default();
    if let Some(writer) = writer {
        writer.wake();
    }
    unsafe { *len = exchange.piece.len() };
    exchange.piece.as_ptr() as *const c_char
}

/// A piece of the request's body, or with none its end.
pub unsafe extern "C" fn exchange_give(exchange: *mut Exchange, data: *const c_char, len: usize) {
    let exchange = unsafe { &mut *exchange };
    let reader = {
        let mut desk = lock(&exchange.shared);
        if len == 0 {
            desk.came = true;
        } else {
            desk.coming = Some(Bytes::copy_from_slice(unsafe { Text { data, len }.bytes() }));
        }
        desk.wants = false;
        desk.reader.take()
    };
    if let Some(reader) = reader {
        reader.wake();
    }
}
