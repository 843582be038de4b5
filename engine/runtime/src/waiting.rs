// Guests whose host functions may suspend. Their code runs on a stack of the engine's, which is left in the middle of such a call; the
// function is called by who polls the guest, on the stack that has called it, where nothing of the engine's is under way.
use crate::{Guest, HostFn, Shared, State, context, describe, failure};
use std::ffi::c_void;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use wasmtime::{AsContextMut, Caller, Func, FuncType, Linker, Result, StoreContextMut, Val, ValRaw};

#[derive(Default)]
pub struct Waiting {
    on: bool,
    asked: Option<Asked>,
    /// What the function has returned.
    told: Option<u32>,
}

impl Waiting {
    pub fn new(on: bool) -> Waiting {
        Waiting { on, ..Waiting::default() }
    }
    pub fn is_on(&self) -> bool {
        self.on
    }
}

#[derive(Clone, Copy)]
struct Function {
    call: HostFn,
    arg: *mut c_void,
}
unsafe impl Send for Function {}
unsafe impl Sync for Function {}

struct Asked {
    function: Function,
    host: *mut c_void,
    values: *mut ValRaw,
}
unsafe impl Send for Asked {}

/// Asks when it is first polled, and is polled again with the answer.
struct Call {
    guest: *mut Guest,
    asked: Option<Asked>,
}
unsafe impl Send for Call {}
impl Future for Call {
    type Output = u32;
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
        let waiting = unsafe { &mut (*self.guest).waiting };
        match self.asked.take() {
            Some(asked) => {
                waiting.asked = Some(asked);
                Poll::Pending
            }
            None => waiting.told.take().map_or(Poll::Pending, Poll::Ready),
        }
    }
}

fn call_of(context: &StoreContextMut<'_, State>, function: Function, values: *mut ValRaw) -> Call {
    let state = context.data();
    Call { guest: state.guest as *mut Guest, asked: Some(Asked { function, host: state.host, values }) }
}

/// The store is reached through `inside` until the function has returned; gives what was there.
fn enter(context: &mut StoreContextMut<'_, State>, inside: *mut c_void) -> Shared {
    let guest = context.data().guest as *mut Guest;
    Shared(unsafe { std::mem::replace(&mut (*guest).inside, inside) })
}

async fn ask(mut caller: Caller<'_, State>, params: &[Val], results: &mut [Val], codes: Arc<[u8]>, function: Function) -> Result<()> {
    let mut values = vec![ValRaw::v128(0); params.len().max(results.len())];
    for (value, param) in values.iter_mut().zip(params) {
        *value = param.to_raw(&mut caller)?;
    }
    let mut context = caller.as_context_mut();
    let call = call_of(&context, function, values.as_mut_ptr());
    let inside = &raw mut context as *mut c_void;
    let outer = enter(&mut context, inside);
    let status = call.await;
    enter(&mut context, outer.0);
    if status != 0 {
        return Err(failure::HostError(status).into());
    }
    for ((result, value), code) in results.iter_mut().zip(values).zip(codes.iter()) {
        *result = unsafe { Val::from_raw(&mut context, value, describe::type_of_code(*code)) };
    }
    Ok(())
}

pub fn link(linker: &mut Linker<State>, (module, name): (&str, &str), ty: FuncType, call: HostFn, arg: Shared) -> Result<()> {
    let codes: Arc<[u8]> = ty.results().map(|ty| describe::code_of_type(&ty)).collect();
    let function = Function { call, arg: arg.0 };
    linker
        .func_new_async(module, name, ty, move |caller, params, results| Box::new(ask(caller, params, results, codes.clone(), function)))?;
    Ok(())
}

/// Runs guest code to its end, calling what it asks for.
pub unsafe fn run<T>(guest: *mut Guest, future: impl Future<Output = Result<T>>) -> Result<T> {
    let mut future = pin!(future);
    let mut nobody = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut nobody) {
            return result;
        }
        unsafe {
            let asked = (*guest).waiting.asked.take().expect("a guest waits for nothing but its host");
            let status = (asked.function.call)(asked.function.arg, asked.host, asked.values);
            (*guest).waiting.told = Some(status);
        }
    }
}

pub unsafe fn call(guest: *mut Guest, func: Func, values: *mut ValRaw) -> Result<()> {
    let ty = func.ty(context(guest));
    let value = |(i, ty)| unsafe { Val::from_raw(context(guest), *values.add(i), ty) };
    let params: Vec<Val> = ty.params().enumerate().map(value).collect();
    let mut results = vec![Val::I32(0); ty.results().len()];
    unsafe {
        let inside = (*guest).inside as *mut StoreContextMut<'static, State>;
        if inside.is_null() {
            run(guest, func.call_async(&mut (*guest).store, &params, &mut results))?;
        } else {
            run(guest, func.call_async(&mut *inside, &params, &mut results))?;
        }
        for (i, result) in results.iter().enumerate() {
            *values.add(i) = result.to_raw(context(guest))?;
        }
    }
    Ok(())
}
