# WebAssembly: the engine and the compiler for it, two Rust programs in engine/, made by cargo of the crates in engine/vendor/. What they
# depend on is in the name of the folder that keeps them, so that they are made once: for all trees, and with the folder in the user's
# cache for all checkouts.
#   lib/libnexus-engine.so   loaded by programs that have WebAssembly in them
#   lib/nexus-wasmc          compiles it
#
# NEXUS_WASM is here ON or OFF, whatever it was for the cache. scripts/configure asks for the reason and for the version of cargo.
set(without "")
execute_process(COMMAND cargo --version OUTPUT_VARIABLE cargo_version ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
set(NEXUS_CARGO_VERSION "${cargo_version}" CACHE INTERNAL "")
string(REGEX MATCH "[0-9]+[.][0-9]+[.][0-9]+" cargo_version "${cargo_version}")
if(NOT NEXUS_WASM)
    # That is what was asked for.
elseif(CMAKE_CROSSCOMPILING)
    set(without "its engine is not cross-compiled")
elseif(NOT cargo_version)
    set(without "its engine takes cargo 1.95 or newer, and there is none. Install Rust by https://rustup.rs and run make again")
elseif(cargo_version VERSION_LESS 1.95)
    set(without "its engine takes cargo 1.95 or newer, and this one is ${cargo_version}. Install Rust by https://rustup.rs and run make again")
elseif(NOT EXISTS ${CMAKE_SOURCE_DIR}/engine/vendor)
    set(without "engine/vendor is missing. Fetch it with: scripts/setup wasm")
endif()
if(without AND NOT NEXUS_WASM STREQUAL "AUTO" AND NOT CMAKE_CROSSCOMPILING)
    message(FATAL_ERROR "WebAssembly can't be built, which NEXUS_WASM=${NEXUS_WASM} asks for: ${without}; or leave NEXUS_WASM at AUTO.")
endif()
set(NEXUS_WASM_WITHOUT "${without}" CACHE INTERNAL "")
if(without)
    message(STATUS "WebAssembly is left out: ${without}")
    set(NEXUS_WASM OFF)
endif()
if(NOT NEXUS_WASM)
    return()
endif()
set(NEXUS_WASM ON)
find_program(NEXUS_CARGO cargo)

set(engine ${CMAKE_SOURCE_DIR}/engine)
file(GLOB engine_sources CONFIGURE_DEPENDS ${engine}/settings.rs ${engine}/Cargo.lock ${engine}/Cargo.toml ${engine}/runtime/Cargo.toml ${engine}/runtime/build.rs
    ${engine}/runtime/src/*.rs ${engine}/wasi/Cargo.toml ${engine}/wasi/src/*.rs ${engine}/compiler/Cargo.toml ${engine}/compiler/src/*.rs)
set(engine_lib ${CMAKE_BINARY_DIR}/lib)
set(engine_files ${engine_lib}/libnexus-engine.so ${engine_lib}/nexus-wasmc)
add_custom_command(OUTPUT ${engine_files}
    COMMAND ${CMAKE_COMMAND} -D "ENGINE=${CMAKE_SOURCE_DIR}/engine" -D "CARGO=${NEXUS_CARGO}" -D "STRIP=${CMAKE_STRIP}" -D "BUILD=${CMAKE_SOURCE_DIR}/build/deps"
        -D "OUT=${engine_lib}" "-DSOURCES=${engine_sources}" -P ${CMAKE_SOURCE_DIR}/cmake/engine.cmake
    DEPENDS ${engine_sources} ${CMAKE_SOURCE_DIR}/cmake/engine.cmake
    VERBATIM USES_TERMINAL COMMENT "Building the WebAssembly engine, once")
add_custom_target(nexus_engine ALL DEPENDS ${engine_files})
