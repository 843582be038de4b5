// nexus-wasmc [--target TRIPLE] INPUT OUTPUT: WebAssembly, binary or text, module or component, to machine code for nexus.
// Exit code 1: what was given is not valid, and stderr says where; 2: wrong usage; 3: it could not be read or written.
use std::process::ExitCode;
use wasmtime::Engine;

#[path = "../../settings.rs"]
mod settings;

fn is_component(bytes: &[u8]) -> bool {
    // Magic number, version, layer: 1 is a component.
    bytes.len() >= 8 && bytes[6] == 1
}

fn compile(bytes: &[u8], target: Option<&str>) -> wasmtime::Result<Vec<u8>> {
    let mut config = settings::settings();
    if let Some(target) = target {
        config.target(target)?;
    }
    let engine = Engine::new(&config)?;
    if is_component(bytes) { engine.precompile_component(bytes) } else { engine.precompile_module(bytes) }
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
    eprintln!("Usage: nexus-wasmc [--target TRIPLE] INPUT OUTPUT");
    ExitCode::from(2)
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut target = None;
    if arguments.first().is_some_and(|first| first == "--target") {
        if arguments.len() < 2 {
            return usage();
        }
        target = Some(arguments.remove(1));
        arguments.remove(0);
    }
    let [input, output] = arguments.as_slice() else { return usage() };
    let bytes = match std::fs::read(input) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("{input}: cannot read: {error}");
            return ExitCode::from(3);
        }
    };
    let code = match binary(bytes) {
        Ok(bytes) => compile(&bytes, target.as_deref()).map_err(|error| format!("{error:#}")),
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
