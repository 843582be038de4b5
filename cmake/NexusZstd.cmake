# libzstd, from the crate that carries its sources: smaller than Debian's, which also reads formats from before zstd's release.
#   nexus_zstd   libzstd.a, built once for all trees below build/deps/, by zstd.cmake
nx_vendored(zstd_header zstd-sys/zstd/lib/zstd.h)
get_filename_component(zstd ${zstd_header} DIRECTORY)
file(READ ${zstd_header} header)
string(REGEX MATCH "VERSION_MINOR +([0-9]+).*VERSION_RELEASE +([0-9]+)" header "${header}")
set(version 1.${CMAKE_MATCH_1}.${CMAKE_MATCH_2})

# What the archive depends on is in the name of its folder, so that it is there or not, but never stale.
set(recipes ${CMAKE_SOURCE_DIR}/cmake/zstd.cmake ${CMAKE_SOURCE_DIR}/cmake/zstd/CMakeLists.txt)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${recipes})
set(recipe)
foreach(file ${recipes})
    file(SHA256 ${file} hash)
    string(APPEND recipe ${hash})
endforeach()
string(SHA256 recipe ${recipe})
string(SUBSTRING ${recipe} 0 8 recipe)
set(build ${CMAKE_SOURCE_DIR}/build/deps/zstd-${version}-${once_key}-${recipe})
add_custom_command(OUTPUT ${build}/libzstd.a
    COMMAND ${CMAKE_COMMAND} -D SOURCE=${zstd} -D BUILD=${build} -D COMPILER=${once_compiler}
        "-DLAUNCHER=${CMAKE_C_COMPILER_LAUNCHER}" "-DGENERATOR=${CMAKE_GENERATOR}" -P ${CMAKE_SOURCE_DIR}/cmake/zstd.cmake
    VERBATIM USES_TERMINAL COMMENT "Building libzstd, once: ${build}")
add_custom_target(nexus_zstd_build DEPENDS ${build}/libzstd.a)

add_library(nexus_zstd STATIC IMPORTED GLOBAL)
set_target_properties(nexus_zstd PROPERTIES IMPORTED_LOCATION ${build}/libzstd.a INTERFACE_INCLUDE_DIRECTORIES ${zstd})
add_dependencies(nexus_zstd nexus_zstd_build)
list(APPEND NEXUS_STATIC_LIBRARIES ${build}/libzstd.a)
