# Builds ARCHIVES of a PROJECT with the variables WITH: -P once.cmake with these, BUILD (where they are put), COMPILER, LAUNCHER,
# GENERATOR. Several trees may want them at the same time: one builds, the others wait.
file(MAKE_DIRECTORY ${BUILD})
file(LOCK ${BUILD} DIRECTORY GUARD PROCESS)
list(GET ARCHIVES -1 last)
if(EXISTS ${BUILD}/${last})
    return()
endif()
list(TRANSFORM WITH PREPEND -D)
execute_process(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${PROJECT} -B ${BUILD}/build ${WITH} -DKEEP=${BUILD}/include
    -DCMAKE_C_COMPILER=${COMPILER} -DCMAKE_C_COMPILER_LAUNCHER=${LAUNCHER} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD}/build --parallel OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
foreach(archive ${ARCHIVES})
    file(RENAME ${BUILD}/build/${archive} ${BUILD}/${archive})
endforeach()
file(REMOVE_RECURSE ${BUILD}/build)
