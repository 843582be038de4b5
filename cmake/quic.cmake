# Builds libngtcp2.a (with its helper for libssl) and libnghttp3.a: -P quic.cmake with NGTCP2, NGHTTP3, AWS_LC (their sources), BUILD
# (where the archives are put), COMPILER, LAUNCHER, GENERATOR. As aws_lc.cmake, several trees may want them at the same time: one builds,
# the others wait.
file(MAKE_DIRECTORY ${BUILD})
file(LOCK ${BUILD} DIRECTORY GUARD PROCESS)
if(EXISTS ${BUILD}/libngtcp2.a)
    return()
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/quic -B ${BUILD}/build -DNGTCP2=${NGTCP2}
    -DNGHTTP3=${NGHTTP3} -DAWS_LC=${AWS_LC} -DINCLUDE=${BUILD}/include -DCMAKE_C_COMPILER=${COMPILER} -DCMAKE_C_COMPILER_LAUNCHER=${LAUNCHER}
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD}/build --parallel OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${BUILD}/build/libnghttp3.a ${BUILD}/libnghttp3.a)
file(RENAME ${BUILD}/build/libngtcp2.a ${BUILD}/libngtcp2.a)
file(REMOVE_RECURSE ${BUILD}/build)
