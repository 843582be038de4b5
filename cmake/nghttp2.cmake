# Builds libnghttp2.a: -P nghttp2.cmake with SOURCE, BUILD (where it is put, and below include/ the header that is made), COMPILER,
# LAUNCHER, GENERATOR. As aws_lc.cmake, several trees may want it at the same time: one builds, the others wait.
file(MAKE_DIRECTORY ${BUILD})
file(LOCK ${BUILD} DIRECTORY GUARD PROCESS)
if(EXISTS ${BUILD}/libnghttp2.a)
    return()
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/nghttp2 -B ${BUILD}/build -DSOURCE=${SOURCE}
    -DINCLUDE=${BUILD}/include -DCMAKE_C_COMPILER=${COMPILER} -DCMAKE_C_COMPILER_LAUNCHER=${LAUNCHER} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD}/build --parallel OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${BUILD}/build/libnghttp2.a ${BUILD}/libnghttp2.a)
file(REMOVE_RECURSE ${BUILD}/build)
