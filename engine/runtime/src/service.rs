// Components that answer requests: `wasi:http`, of 0.2 (`incoming-handler`) or 0.3 (`handler`). An exchange is one request with its
// answer, and has an instance of its own. It is a future: C polls it, on the loop that the request belongs to, when it has been woken,
// which any thread may do.
use crate::component::{INSTANCES_MOST, driver, link_all};
use crate::failure::{Failure, Kind, fail, fail_text};
use crate::{Code, Limits, State, wasi};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::ffi::{c_char, c_void};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use tokio::sync::oneshot;
use wasmtime::{Engine, Result, Store, bail, format_err};
use wasmtime_wasi_http::p2::bindings::{ProxyPre, http::types::Scheme};
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpView};

pub enum Service {
    P2(ProxyPre<State>),
    P3(ServicePre<State>),
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    data: *const c_char,
    len: usize,
}
impl Text {
    unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(self.data as *const u8, self.len) } }
    }
}

#[repr(C)]
pub struct Field {
    name: Text,
    value: Text,
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
    piece: Option<Bytes>,
    writer: Option<Waker>,
}
type Shared = Arc<Mutex<Desk>>;

fn desk(shared: &Shared) -> MutexGuard<'_, Desk> {
    shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

struct Coming(Shared);
impl Body for Coming {
    type Data = Bytes;
    type Error = Error;
    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut desk = desk(&self.0);
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
    desk(shared).head = Some((parts.status.as_u16(), parts.headers));
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame?.into_data() else { continue };
        if bytes.is_empty() {
            continue;
        }
        desk(shared).piece = Some(bytes);
        poll_fn(|context| {
            let mut desk = desk(shared);
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

async fn answer_p2(service: ProxyPre<State>, mut store: Store<State>, request: http::Request<Coming>, shared: Shared) -> Result<()> {
    let scheme = if request.uri().scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
    let (sender, receiver) = oneshot::channel();
    let incoming = store.data_mut().http().new_incoming_request(scheme, request)?;
    let out = store.data_mut().http().new_response_outparam(sender)?;
    // The guest goes with its store when it is done, and with both what it has not answered.
    let called = async move {
        let guest = service.instantiate_async(&mut store).await?;
        guest.wasi_http_incoming_handler().call_handle(&mut store, incoming, out).await
    };
    let answered = async {
        match receiver.await {
            Ok(Ok(answer)) => hand_over(answer, &shared).await,
            Ok(Err(code)) => bail!("it answers with an error: {code:?}"),
            Err(_) => Ok(()),
        }
    };
    let (called, answered) = futures::future::join(called, answered).await;
    called?;
    answered?;
    if desk(&shared).head.is_none() { bail!("it has not answered") } else { Ok(()) }
}

async fn answer_p3(service: ServicePre<State>, mut store: Store<State>, request: http::Request<Coming>, shared: Shared) -> Result<()> {
    let (request, _) = Request::from_http(store.data_mut().http().hooks, request);
    let guest = service.instantiate_async(&mut store).await?;
    store
        .run_concurrent(async move |store| {
            let answer = guest.handle(store, request).await?.map_err(|code| format_err!("it answers with an error: {code:?}"))?;
            let answer = store.with(|mut store| answer.into_http(&mut store, async { Ok(()) }))?;
            hand_over(answer, &shared).await
        })
        .await?
}

/// Calls C once for any number of wakes between two polls, and no more when the exchange is over.
struct Bell {
    ring: Mutex<Option<(unsafe extern "C" fn(*mut c_void), usize)>>,
    rung: AtomicBool,
}
impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        let ring = self.ring.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((wake, arg)) = *ring {
            unsafe { wake(arg as *mut c_void) };
        }
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

pub unsafe extern "C" fn service_new(engine: *const Engine, code: *const Code, out: *mut *mut Service, failure: *mut Failure) -> u32 {
    let Code::Component(component) = (unsafe { &*code }) else {
        return fail_text(failure, Kind::Failed, "it is a module");
    };
    let made = link_all(unsafe { &*engine }).and_then(|linker| linker.instantiate_pre(component)).and_then(|linked| {
        match ServicePre::new(linked.clone()) {
            Ok(service) => Ok(Service::P3(service)),
            Err(_) => ProxyPre::new(linked).map(Service::P2),
        }
    });
    match made {
        Ok(service) => {
            unsafe { *out = Box::into_raw(Box::new(service)) };
            0
        }
        Err(error) => fail_text(failure, Kind::Import, &format!("{error:#}")),
    }
}

pub unsafe extern "C" fn service_free(service: *mut Service) {
    drop(unsafe { Box::from_raw(service) });
}

unsafe fn request(question: &Question, shared: &Shared) -> Result<http::Request<Coming>> {
    let (scheme, authority, target) = unsafe { (question.scheme.bytes(), question.authority.bytes(), question.target.bytes()) };
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build()?;
    let mut request = http::Request::new(Coming(shared.clone()));
    *request.method_mut() = Method::from_bytes(unsafe { question.method.bytes() })?;
    *request.uri_mut() = uri;
    for i in 0..question.field_count {
        let field = unsafe { &*question.fields.add(i) };
        let (name, value) = unsafe { (field.name.bytes(), field.value.bytes()) };
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
    let (service, limits, owner) = unsafe { (&*service, *limits, &*owner) };
    let shared = Shared::default();
    let request = match unsafe { request(&*question, &shared) } {
        Ok(request) => request,
        Err(error) => return fail_text(failure, Kind::Request, &format!("{error:#}")),
    };
    let wasi = driver().and_then(|driver| {
        let _entered = driver.enter();
        unsafe { wasi::context(&*options) }
    });
    let wasi = match wasi {
        Ok(context) => context,
        Err(error) => return fail_text(failure, Kind::Failed, &error),
    };
    let engine = match service {
        Service::P2(service) => service.engine(),
        Service::P3(service) => service.engine(),
    };
    let mut state = State::new(owner.host, limits, Some(wasi));
    state.instances = INSTANCES_MOST;
    let mut store = crate::limited(engine, state, true);
    if limits.metered
        && let Err(error) = store.set_fuel(limits.fuel)
    {
        return fail(failure, &error);
    }
    let future: Pin<Box<dyn Future<Output = Result<()>>>> = match service {
        Service::P2(service) => Box::pin(answer_p2(service.clone(), store, request, shared.clone())),
        Service::P3(service) => Box::pin(answer_p3(service.clone(), store, request, shared.clone())),
    };
    let bell = Arc::new(Bell { ring: Mutex::new(Some((owner.wake, owner.host as usize))), rung: AtomicBool::new(false) });
    let exchange = Exchange { future: Some(future), shared, bell, head: Vec::new(), headers: HeaderMap::new(), piece: Bytes::new() };
    unsafe { *out = Box::into_raw(Box::new(exchange)) };
    0
}

pub unsafe extern "C" fn exchange_free(exchange: *mut Exchange) {
    let mut exchange = unsafe { Box::from_raw(exchange) };
    *exchange.bell.ring.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
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
    let desk = desk(&exchange.shared);
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
    let Some((status, headers)) = desk(&exchange.shared).head.take() else { return 0 };
    exchange.headers = headers;
    let text = |bytes: &[u8]| Text { data: bytes.as_ptr() as *const c_char, len: bytes.len() };
    let fields_of = exchange.headers.iter().map(|(name, value)| Field { name: text(name.as_str().as_bytes()), value: text(value.as_bytes()) });
    exchange.head = fields_of.collect();
    unsafe {
        *fields = exchange.head.as_ptr();
        *count = exchange.head.len();
    }
    u32::from(status)
}

/// The next piece of the answer, which lasts until the next one is taken.
pub unsafe extern "C" fn exchange_take(exchange: *mut Exchange, len: *mut usize) -> *const c_char {
    let exchange = unsafe { &mut *exchange };
    let (piece, writer) = {
        let mut desk = desk(&exchange.shared);
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
        let mut desk = desk(&exchange.shared);
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
