# WebAssembly: the engine and the compiler for it, two Rust programs in engine/, made by cargo of the crates in engine/vendor/. What they
# depend on is in the name of the folder that keeps them, so that they are made once: for all trees, and with the folder in the user's
# cache for all checkouts.
#   lib/libnexus-engine.so   loaded by programs that have WebAssembly in them
#   lib/nexus-wasmc          compiles it
if(NEXUS_WASM AND CMAKE_CROSSCOMPILING)
    message(STATUS "WebAssembly is left out: its engine is not cross-compiled")
    set(NEXUS_WASM OFF)
endif()
if(NOT NEXUS_WASM)
    return()
endif()

set(without "or build without WebAssembly: make WASM=OFF, or -DNEXUS_WASM=OFF")
find_program(NEXUS_CARGO cargo)
if(NOT NEXUS_CARGO)
    message(FATAL_ERROR "cargo is missing. Install it with: make setup; ${without}")
endif()
execute_process(COMMAND ${NEXUS_CARGO} --version OUTPUT_VARIABLE cargo_version COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCH "[0-9]+[.][0-9]+[.][0-9]+" cargo_version "${cargo_version}")
if(cargo_version VERSION_LESS 1.95)
    message(FATAL_ERROR "${NEXUS_CARGO} is ${cargo_version}; the WebAssembly engine takes 1.95 or newer. Install one; ${without}")
endif()
if(NOT EXISTS ${CMAKE_SOURCE_DIR}/engine/vendor)
    message(FATAL_ERROR "engine/vendor is missing. Fetch it with: make setup; ${without}")
endif()

set(engine ${CMAKE_SOURCE_DIR}/engine)
file(GLOB engine_sources CONFIGURE_DEPENDS ${engine}/rustc ${engine}/settings.rs ${engine}/Cargo.lock ${engine}/Cargo.toml ${engine}/runtime/Cargo.toml
    ${engine}/runtime/src/*.rs ${engine}/compiler/Cargo.toml ${engine}/compiler/src/*.rs)
set(engine_lib ${CMAKE_BINARY_DIR}/lib)
set(engine_files ${engine_lib}/libnexus-engine.so ${engine_lib}/nexus-wasmc)
add_custom_command(OUTPUT ${engine_files}
    COMMAND ${CMAKE_COMMAND} -D "ENGINE=${CMAKE_SOURCE_DIR}/engine" -D "CARGO=${NEXUS_CARGO}" -D "STRIP=${CMAKE_STRIP}" -D "BUILD=${CMAKE_SOURCE_DIR}/build/deps"
        -D "OUT=${engine_lib}" "-DSOURCES=${engine_sources}" -P ${CMAKE_SOURCE_DIR}/cmake/engine.cmake
    DEPENDS ${engine_sources} ${CMAKE_SOURCE_DIR}/cmake/engine.cmake
    VERBATIM USES_TERMINAL COMMENT "Building the WebAssembly engine, once")
add_custom_target(nexus_engine ALL DEPENDS ${engine_files})
