# Libraries whose sources crates carry, built once for all trees, below build/deps/: nothing in them depends on the compiler of the rest,
# nor on sanitizers.
#   nx_built_once(NAME VERSION ARCHIVES lib.a... [WITH VARIABLE=value...])   cmake/NAME is a project of its own that makes the archives of
#       what the variables say. ${NAME_build} is the folder that has them, target nexus_NAME_build what brings them there. What the
#       project makes beside them in ${KEEP}, such as headers, is in ${NAME_build}/include.
set(once_compiler ${CMAKE_C_COMPILER})
set(once_key ${CMAKE_C_COMPILER_ID}-${CMAKE_C_COMPILER_VERSION})
if(CMAKE_C_COMPILER_ID STREQUAL Clang AND NOT CMAKE_CROSSCOMPILING)
    set(once_compiler ${NEXUS_GCC})
    execute_process(COMMAND ${NEXUS_GCC} -dumpfullversion OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE)
    set(once_key GNU-${version})
endif()
string(TOLOWER ${once_key}-${NEXUS_ARCH} once_key)

function(nx_built_once name version)
    cmake_parse_arguments(PARSE_ARGV 2 once "" "" "ARCHIVES;WITH")
    # What the archives depend on is in the name of their folder, so that they are there or not, but never stale.
    set(recipes ${CMAKE_SOURCE_DIR}/cmake/once.cmake ${CMAKE_SOURCE_DIR}/cmake/${name}/CMakeLists.txt)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${recipes})
    set(recipe)
    foreach(file ${recipes})
        file(SHA256 ${file} hash)
        string(APPEND recipe ${hash})
    endforeach()
    string(SHA256 recipe ${recipe})
    string(SUBSTRING ${recipe} 0 8 recipe)
    set(build ${CMAKE_SOURCE_DIR}/build/deps/${name}-${version}-${once_key}-${recipe})
    file(MAKE_DIRECTORY ${build}/include)
    list(TRANSFORM once_ARCHIVES PREPEND ${build}/ OUTPUT_VARIABLE archives)
    add_custom_command(OUTPUT ${archives}
        COMMAND ${CMAKE_COMMAND} -D PROJECT=${CMAKE_SOURCE_DIR}/cmake/${name} -D BUILD=${build} "-DARCHIVES=${once_ARCHIVES}"
            "-DWITH=${once_WITH}" -D COMPILER=${once_compiler} "-DLAUNCHER=${CMAKE_C_COMPILER_LAUNCHER}" "-DGENERATOR=${CMAKE_GENERATOR}"
            -P ${CMAKE_SOURCE_DIR}/cmake/once.cmake
        VERBATIM USES_TERMINAL COMMENT "Building ${once_ARCHIVES}, once: ${build}")
    add_custom_target(nexus_${name}_build DEPENDS ${archives})
    set(${name}_build ${build} PARENT_SCOPE)
endfunction()
