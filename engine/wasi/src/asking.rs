// Requests of guests to other servers: C sends them, and brings the answers piece by piece. Guests wait in futures, which any thread may
// poll; C's side is used by one thread, that of the loop.
use crate::service::{Bell, Field, Owner, Text, lock};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::ffi::{c_char, c_void};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// Takes a request over; null where guests may ask nobody.
pub type Ask = unsafe extern "C" fn(host: *mut c_void, asking: *mut Asking);

pub struct Requests {
    pub host: *mut c_void,
    pub ask: Option<Ask>,
}

// As its guest's state is.
unsafe impl Send for Requests {}

#[derive(Default)]
struct Desk {
    head: Option<Result<(u16, HeaderMap), Error>>,
    piece: Option<Result<Bytes, Error>>,
    over: bool,
    trailers: Option<HeaderMap>,
    wants: bool,
    /// The guest does not listen any more.
    gone: bool,
    sent: Option<Result<(), Error>>,
    waits_head: Option<Waker>,
    waits_piece: Option<Waker>,
    waits_sent: Option<Waker>,
}

impl Desk {
    fn wake(&mut self) {
        for waker in [self.waits_head.take(), self.waits_piece.take(), self.waits_sent.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}
type Shared = Arc<Mutex<Desk>>;

/// engine.h has the same.
#[repr(C)]
pub struct Asked {
    method: Text,
    /// With a NUL behind.
    url: Text,
    fields: *const Field,
    field_count: usize,
    has_body: bool,
    /// Nanoseconds, 0: as usual.
    connect: u64,
    head: u64,
    idle: u64,
}

pub struct Asking {
    method: String,
    url: String,
    headers: HeaderMap,
    fields: Vec<Field>,
    body: WasiBody,
    options: RequestOptions,
    shared: Shared,
    bell: Arc<Bell>,
    piece: Bytes,
}

/// Who listens for the answer: at first the guest's call, then the answer's body.
struct Listener {
    shared: Shared,
    bell: Arc<Bell>,
}
impl Drop for Listener {
    fn drop(&mut self) {
        lock(&self.shared).gone = true;
        self.bell.ring();
    }
}
impl Body for Listener {
    type Data = Bytes;
    type Error = Error;
    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        {
            let mut desk = lock(&self.shared);
            if let Some(piece) = desk.piece.take() {
                return Poll::Ready(Some(piece.map(Frame::data)));
            }
            if desk.over {
                return Poll::Ready(desk.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            desk.waits_piece = Some(context.waker().clone());
            desk.wants = true;
        }
        self.bell.ring();
        Poll::Pending
    }
}

async fn answered(listener: Listener) -> Result<(http::Response<WasiBody>, Done), Error> {
    let shared = listener.shared.clone();
    let (status, headers) = poll_fn(|context| {
        let mut desk = lock(&shared);
        match desk.head.take() {
            Some(head) => Poll::Ready(head),
            None => {
                desk.waits_head = Some(context.waker().clone());
                Poll::Pending
            }
        }
    })
    .await?;
    let mut answer = http::Response::new(listener.boxed_unsync());
    *answer.status_mut() = http::StatusCode::from_u16(status).map_err(|_| Error::HttpProtocolError)?;
    *answer.headers_mut() = headers;
    let sent = poll_fn(move |context| {
        let mut desk = lock(&shared);
        match desk.sent.take() {
            Some(sent) => Poll::Ready(sent),
            None => {
                desk.waits_sent = Some(context.waker().clone());
                Poll::Pending
            }
        }
    });
    Ok((answer, Box::new(sent)))
}

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answered = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Done), Error>> + Send>;

impl WasiHttpHooks for Requests {
    fn send_request(&mut self, request: http::Request<WasiBody>, options: Option<RequestOptions>, _done: Done) -> Answered {
        let Some(ask) = self.ask else { return Box::new(async { Err(Error::HttpRequestDenied) }) };
        let (parts, body) = request.into_parts();
        let (shared, bell) = (Shared::default(), Bell::silent());
        let listener = Listener { shared: shared.clone(), bell: bell.clone() };
        let mut url = parts.uri.to_string();
        url.push('\0');
        let method = parts.method.to_string();
        let mut asking = Box::new(Asking {
            method,
            url,
            headers: parts.headers,
            fields: Vec::new(),
            body,
            options: options.unwrap_or_default(),
            shared,
            bell,
            piece: Bytes::new(),
        });
        asking.fields = Field::list(&asking.headers);
        unsafe { ask(self.host, Box::into_raw(asking)) };
        Box::new(answered(listener))
    }
}

fn nanoseconds(timeout: Option<Duration>) -> u64 {
    timeout.map_or(0, |timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX).max(1))
}

pub unsafe extern "C" fn asking_begin(asking: *mut Asking, owner: *const Owner, out: *mut Asked) {
    let (asking, owner) = unsafe { (&*asking, &*owner) };
    asking.bell.give(owner);
    let asked = Asked {
        method: Text::of(asking.method.as_bytes()),
        url: Text::of(&asking.url.as_bytes()[..asking.url.len() - 1]),
        fields: asking.fields.as_ptr(),
        field_count: asking.fields.len(),
        has_body: !asking.body.is_end_stream(),
        connect: nanoseconds(asking.options.connect_timeout),
        head: nanoseconds(asking.options.first_byte_timeout),
        idle: nanoseconds(asking.options.between_bytes_timeout),
    };
    unsafe { *out = asked };
}

pub unsafe extern "C" fn asking_free(asking: *mut Asking) {
    let asking = unsafe { Box::from_raw(asking) };
    asking.bell.take_away();
    let mut desk = lock(&asking.shared);
    // Whatever was not said until now is not said any more.
    if desk.head.is_none() && !desk.over {
        desk.head = Some(Err(Error::ConnectionTerminated));
    }
    desk.over = true;
    if desk.sent.is_none() {
        desk.sent = Some(Ok(()));
    }
    desk.wake();
}

const PIECE: u32 = 0;
const WAIT: u32 = 1;
const END: u32 = 2;
const FAILED: u32 = 3;

/// The next piece of the request's body, which lasts until the next call.
pub unsafe extern "C" fn asking_body(asking: *mut Asking, data: *mut *const c_char, len: *mut usize) -> u32 {
    let asking = unsafe { &mut *asking };
    asking.bell.rung.store(false, Ordering::Release);
    let waker = Waker::from(asking.bell.clone());
    loop {
        return match Pin::new(&mut asking.body).poll_frame(&mut Context::from_waker(&waker)) {
            Poll::Pending => WAIT,
            Poll::Ready(None) => {
                let mut desk = lock(&asking.shared);
                desk.sent = Some(Ok(()));
                desk.wake();
                END
            }
            Poll::Ready(Some(Err(error))) => {
                let mut desk = lock(&asking.shared);
                desk.sent = Some(Err(error));
                desk.wake();
                FAILED
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) if !bytes.is_empty() => {
                    asking.piece = bytes;
                    unsafe {
                        *data = asking.piece.as_ptr() as *const c_char;
                        *len = asking.piece.len();
                    }
                    PIECE
                }
                _ => continue,
            },
        };
    }
}

unsafe fn headers(fields: *const Field, count: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for i in 0..count {
        let (name, value) = unsafe { (*fields.add(i)).bytes() };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

pub unsafe extern "C" fn asking_answer(asking: *mut Asking, status: u32, fields: *const Field, count: usize) {
    let mut desk = lock(unsafe { &(*asking).shared });
    desk.head = Some(Ok((status as u16, unsafe { headers(fields, count) })));
    desk.wake();
}

/// All of the answer has come; mostly nothing is behind its body.
pub unsafe extern "C" fn asking_end(asking: *mut Asking, trailers: *const Field, count: usize) {
    let mut desk = lock(unsafe { &(*asking).shared });
    desk.over = true;
    if count > 0 {
        desk.trailers = Some(unsafe { headers(trailers, count) });
    }
    desk.wake();
}

const WANTS: u32 = 1;
const GONE: u32 = 2;

pub unsafe extern "C" fn asking_state(asking: *mut Asking) -> u32 {
    let asking = unsafe { &*asking };
    asking.bell.rung.store(false, Ordering::Release);
    let desk = lock(&asking.shared);
    if desk.gone {
        GONE
    } else if desk.wants && desk.piece.is_none() {
        WANTS
    } else {
        0
    }
}

/// A piece of the answer.
pub unsafe extern "C" fn asking_give(asking: *mut Asking, data: *const c_char, len: usize) {
    let asking = unsafe { &*asking };
    let mut desk = lock(&asking.shared);
    desk.piece = Some(Ok(Bytes::copy_from_slice(unsafe { std::slice::from_raw_parts(data as *const u8, len) })));
    desk.wants = false;
    desk.wake();
}

/// There is no answer, or no more of it; engine.h has the numbers.
pub unsafe extern "C" fn asking_fail(asking: *mut Asking, kind: u32, text: *const c_char, len: usize) {
    let asking = unsafe { &*asking };
    let error = || match kind {
        0 => Error::HttpRequestDenied,
        1 => Error::DnsError { rcode: None, info_code: None },
        2 => Error::ConnectionRefused,
        3 => Error::ConnectionTimeout,
        4 => Error::ConnectionTerminated,
        5 => Error::HttpProtocolError,
        6 => Error::HttpRequestUriInvalid,
        7 => Error::ConnectionLimitReached,
        8 => Error::DestinationUnavailable,
        9 => Error::TlsProtocolError,
        _ => {
            let text = unsafe { std::slice::from_raw_parts(text as *const u8, len) };
            Error::InternalError(Some(String::from_utf8_lossy(text).into_owned()))
        }
    };
    let mut desk = lock(&asking.shared);
    desk.head = Some(Err(error()));
    desk.piece = Some(Err(error()));
    desk.sent = Some(Err(error()));
    desk.over = true;
    desk.wake();
}
