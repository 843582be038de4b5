// Errors on their way to C: what kind, in which words, where in the guest.
use std::fmt;
use wasmtime::{Error, Trap, WasmBacktrace};
use wasmtime_wasi::ResourceTableError;

/// engine.h has the same numbers.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Failed = 1,
    Artifact,
    Import,
    Trap,
    Host,
    Memory,
    Table,
    CpuTime,
    Deadline,
    Stack,
    Exit,
    Fuel,
    Descriptors,
    Request,
}

#[repr(C)]
pub struct Failure {
    kind: u32,
    /// What the host function returned, or what the guest has exited with.
    status: u32,
    message: [u8; 512],
    trace: [u8; 2048],
}

/// A limit that was reached.
#[derive(Debug)]
pub struct Stop(pub Kind);
impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a limit was reached")
    }
}
impl std::error::Error for Stop {}

/// A host function failed; its words are C's to keep.
#[derive(Debug)]
pub struct HostError(pub u32);
impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a host function failed")
    }
}
impl std::error::Error for HostError {}

/// Copies as much as there is room for, cut where a character begins, with a NUL behind.
pub unsafe fn copy(text: &str, out: *mut u8, size: usize) {
    if size == 0 {
        return;
    }
    let mut len = text.len().min(size - 1);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), out, len);
        *out.add(len) = 0;
    }
}

pub fn frames(trace: &WasmBacktrace) -> String {
    let mut text = String::new();
    for frame in trace.frames() {
        match frame.func_name() {
            Some(name) => text.push_str(name),
            None => text.push_str(&format!("function {}", frame.func_index())),
        }
        if let Some(offset) = frame.module_offset() {
            text.push_str(&format!(" at 0x{offset:x}"));
        }
        text.push('\n');
    }
    text
}

pub fn fail_text(failure: *mut Failure, kind: Kind, text: &str) -> u32 {
    unsafe {
        (*failure).kind = kind as u32;
        (*failure).status = 0;
        copy(text, (&raw mut (*failure).message) as *mut u8, 512);
        (*failure).trace[0] = 0;
    }
    kind as u32
}

#[cold]
pub fn fail(failure: *mut Failure, error: &Error) -> u32 {
    let mut status = 0;
    let mut kind = Kind::Failed;
    let mut text = String::new();
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        kind = Kind::Exit;
        status = exit.0 as u32;
    } else if let Some(host) = error.downcast_ref::<HostError>() {
        kind = Kind::Host;
        status = host.0;
    } else if let Some(stop) = error.downcast_ref::<Stop>() {
        kind = stop.0;
    } else if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        kind = Kind::Descriptors;
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        kind = match trap {
            Trap::StackOverflow => Kind::Stack,
            Trap::OutOfFuel => Kind::Fuel,
            _ => Kind::Trap,
        };
        text = trap.to_string();
        if let Some(rest) = text.strip_prefix("wasm trap: ") {
            text = rest.to_string();
        }
    } else {
        text = error.root_cause().to_string();
    }
    let result = fail_text(failure, kind, &text);
    unsafe {
        (*failure).status = status;
        if let Some(trace) = error.downcast_ref::<WasmBacktrace>() {
            copy(&frames(trace), (&raw mut (*failure).trace) as *mut u8, 2048);
        }
    }
    result
}
