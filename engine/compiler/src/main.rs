// nexus-wasmc [--fuel] [--target TRIPLE] INPUT OUTPUT: WebAssembly, binary or text, module or component, to machine code for nexus.
// Exit code 1: what was given is not valid, and stderr says where; 2: wrong usage; 3: it could not be read or written; 4: it can't be
// compiled for that target.
use std::process::ExitCode;
use wasmtime::Engine;

mod batch;
#[path = "../../settings.rs"]
mod settings;

fn is_component(bytes: &[u8]) -> bool {
    // Magic number, version, layer: 1 is a component.
    bytes.len() >= 8 && bytes[6] == 1
}

fn engine(metered: bool, target: Option<&str>) -> wasmtime::Result<Engine> {
    let mut config = settings::settings(metered);
    if let Some(target) = target {
        config.target(target)?;
    }
    Engine::new(&config)
}

fn compile(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Vec<u8>> {
    if is_component(bytes) {
        return engine.precompile_component(bytes);
    }
    // What is wrong is said of the module as it was given.
    match batch::add(bytes).map(|grown| engine.precompile_module(&grown)) {
        Some(Ok(code)) => Ok(code),
        _ => engine.precompile_module(bytes),
    }
}

/// The text in WebAssembly's text format as its binary form; a binary as it is. Text that begins with neither is no WebAssembly at all.
fn binary(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if bytes.starts_with(b"\0asm") {
        return Ok(bytes);
    }
    match wat::parse_bytes(&bytes) {
        Ok(binary) => Ok(binary.into_owned()),
        Err(error) => Err(format!("{error}")),
    }
}

fn usage() -> ExitCode {
    eprintln!("Usage: nexus-wasmc [--fuel] [--target TRIPLE] INPUT OUTPUT");
    ExitCode::from(2)
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut target, mut metered) = (None, false);
    while let Some(first) = arguments.first().filter(|first| first.starts_with("--")).cloned() {
        arguments.remove(0);
        match first.as_str() {
            "--fuel" => metered = true,
            "--target" if !arguments.is_empty() => target = Some(arguments.remove(0)),
            _ => return usage(),
        }
    }
    let [input, output] = arguments.as_slice() else { return usage() };
    let bytes = match std::fs::read(input) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("{input}: cannot read: {error}");
            return ExitCode::from(3);
        }
    };
    let engine = match engine(metered, target.as_deref()) {
        Ok(engine) => engine,
        Err(error) => {
            eprintln!("{input}: cannot compile for {}: {error:#}", target.as_deref().unwrap_or("this processor"));
            return ExitCode::from(4);
        }
    };
    let code = match binary(bytes) {
        Ok(bytes) => compile(&engine, &bytes).map_err(|error| format!("{error:#}")),
        Err(error) => Err(error),
    };
    match code {
        Ok(code) => match std::fs::write(output, code) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{output}: cannot write: {error}");
                ExitCode::from(3)
            }
        },
        Err(error) => {
            eprintln!("{input}: not valid WebAssembly: {}", error.trim_end());
            ExitCode::FAILURE
        }
    }
}
