# Builds libzstd.a: -P zstd.cmake with SOURCE, BUILD (where it is put), COMPILER, LAUNCHER, GENERATOR. As aws_lc.cmake, several trees
# may want it at the same time: one builds, the others wait.
file(MAKE_DIRECTORY ${BUILD})
file(LOCK ${BUILD} DIRECTORY GUARD PROCESS)
if(EXISTS ${BUILD}/libzstd.a)
    return()
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/zstd -B ${BUILD}/build -DSOURCE=${SOURCE}
    -DCMAKE_C_COMPILER=${COMPILER} -DCMAKE_C_COMPILER_LAUNCHER=${LAUNCHER} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD}/build --parallel OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${BUILD}/build/libzstd.a ${BUILD}/libzstd.a)
file(REMOVE_RECURSE ${BUILD}/build)
