# Builds libcrypto.a of AWS-LC: -P aws_lc.cmake with SOURCE, BUILD (where it is put), COMPILER, LAUNCHER, GENERATOR. Several
# trees may want it at the same time: one builds, the others wait. CMAKE_BUILD_PARALLEL_LEVEL limits how much at once.
file(MAKE_DIRECTORY ${BUILD})
file(LOCK ${BUILD} DIRECTORY GUARD PROCESS)
if(EXISTS ${BUILD}/libcrypto.a)
    return()
endif()

# A section for each function, of which the linker keeps what is used. Nothing runs before main: src/crypto/library.h has
# the library look at the processor when it is first used. OPENSSL_SMALL leaves out code for AVX-512 and large tables, 1.1 MB:
# docs/decisions/crypto.md has what that costs.
set(flags "-w -O2 -DNDEBUG -fno-omit-frame-pointer -ffunction-sections -fdata-sections -fvisibility=hidden -DBORINGSSL_NO_STATIC_INITIALIZER")
execute_process(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${SOURCE} -B ${BUILD}/build
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=${COMPILER} -DCMAKE_C_COMPILER_LAUNCHER=${LAUNCHER}
    "-DCMAKE_C_FLAGS=${flags}" -DCMAKE_C_FLAGS_RELEASE= -DCMAKE_POSITION_INDEPENDENT_CODE=ON
    -DBUILD_SHARED_LIBS=OFF -DBUILD_TESTING=OFF -DBUILD_TOOL=OFF -DBUILD_LIBSSL=OFF
    -DOPENSSL_SMALL=1 -DDISABLE_GO=ON -DDISABLE_PERL=ON -DDISABLE_CPU_JITTER_ENTROPY=ON -DENABLE_SOURCE_MODIFICATION=OFF
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD}/build --target crypto --parallel OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${BUILD}/build/crypto/libcrypto.a ${BUILD}/libcrypto.a)
file(REMOVE_RECURSE ${BUILD}/build)
