# Puts the engine's two files into OUT: -P engine.cmake with ENGINE (the sources' folder), SOURCES, CARGO, STRIP, BUILD (where cargo works) and OUT.
# They are made where no folder has them yet that is named by all that they depend on: below $XDG_CACHE_HOME or ~/.cache, or else BUILD.
set(files libnexus-engine.so nexus-wasmc)

execute_process(COMMAND ${CARGO} --version OUTPUT_VARIABLE key COMMAND_ERROR_IS_FATAL ANY)
string(APPEND key "${CMAKE_HOST_SYSTEM_PROCESSOR}")
list(SORT SOURCES)
foreach(file ${SOURCES} ${CMAKE_CURRENT_LIST_FILE})
    file(SHA256 ${file} hash)
    string(APPEND key ${hash})
endforeach()
string(SHA256 key "${key}")
string(SUBSTRING ${key} 0 16 key)

set(cache ${BUILD})
if(IS_ABSOLUTE "$ENV{XDG_CACHE_HOME}")
    set(cache $ENV{XDG_CACHE_HOME}/nexus-build)
elseif(IS_ABSOLUTE "$ENV{HOME}")
    set(cache $ENV{HOME}/.cache/nexus-build)
endif()
set(made ${cache}/engine-${key})

# Several trees may want them at the same time: one builds, the others wait.
file(MAKE_DIRECTORY ${BUILD} ${cache} ${OUT})
file(LOCK ${BUILD}/engine.lock GUARD PROCESS)
if(NOT EXISTS ${made})
    string(TIMESTAMP begin "%s")
    # One after the other: together, both would have the features of both, and the engine a compiler.
    foreach(crate nexus-engine nexus-wasmc)
        set(profile release)
        if(crate STREQUAL nexus-wasmc)
            set(profile compiler)
        endif()
        execute_process(
            COMMAND ${CMAKE_COMMAND} -E env CARGO_TARGET_DIR=${BUILD}/engine --unset=RUSTFLAGS
                ${CARGO} build --quiet --locked --offline --profile ${profile} --package ${crate}
                --config source.crates-io.replace-with="vendored" --config source.vendored.directory="vendor"
            WORKING_DIRECTORY ${ENGINE} COMMAND_ERROR_IS_FATAL ANY)
    endforeach()
    string(RANDOM LENGTH 8 aside)
    set(aside ${made}.${aside})
    file(MAKE_DIRECTORY ${aside})
    # rustc leaves the names in a library.
    execute_process(COMMAND ${STRIP} -o ${aside}/libnexus-engine.so ${BUILD}/engine/release/libnexus_engine.so COMMAND_ERROR_IS_FATAL ANY)
    file(COPY_FILE ${BUILD}/engine/compiler/nexus-wasmc ${aside}/nexus-wasmc)
    string(TIMESTAMP end "%s")
    math(EXPR seconds "${end} - ${begin}")
    file(WRITE ${aside}/seconds ${seconds})
    file(RENAME ${aside} ${made} RESULT renamed)
    if(NOT EXISTS ${made})
        message(FATAL_ERROR "cannot keep the engine in ${made}: ${renamed}")
    endif()
    message("The WebAssembly engine was built in ${seconds} s")
else()
    file(READ ${made}/seconds seconds)
    message("The WebAssembly engine is one that was built before, in ${seconds} s")
endif()
foreach(file ${files})
    file(COPY_FILE ${made}/${file} ${OUT}/${file} ONLY_IF_DIFFERENT)
    file(TOUCH_NOCREATE ${OUT}/${file})
endforeach()
