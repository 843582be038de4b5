# libnghttp2, from the crate that carries its sources: HTTP/2's frames and HPACK.
#   nexus_nghttp2   libnghttp2.a, built once for all trees below build/deps/, by nghttp2.cmake
nx_vendored(nghttp2_header libnghttp2-sys/nghttp2/lib/includes/nghttp2/nghttp2.h)
get_filename_component(nghttp2_include ${nghttp2_header} DIRECTORY)
get_filename_component(nghttp2_include ${nghttp2_include} DIRECTORY)
get_filename_component(nghttp2 ${nghttp2_include} DIRECTORY)
file(READ ${CMAKE_SOURCE_DIR}/deps/vendor/libnghttp2-sys/Cargo.toml crate)
string(REGEX MATCH "\nversion = \"[^\"+]*[+]([0-9.]+)\"" crate "${crate}")
set(version ${CMAKE_MATCH_1})

# What the archive depends on is in the name of its folder, so that it is there or not, but never stale.
set(recipes ${CMAKE_SOURCE_DIR}/cmake/nghttp2.cmake ${CMAKE_SOURCE_DIR}/cmake/nghttp2/CMakeLists.txt)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${recipes})
set(recipe)
foreach(file ${recipes})
    file(SHA256 ${file} hash)
    string(APPEND recipe ${hash})
endforeach()
string(SHA256 recipe ${recipe})
string(SUBSTRING ${recipe} 0 8 recipe)
set(build ${CMAKE_SOURCE_DIR}/build/deps/nghttp2-${version}-${once_key}-${recipe})
file(MAKE_DIRECTORY ${build}/include)
add_custom_command(OUTPUT ${build}/libnghttp2.a
    COMMAND ${CMAKE_COMMAND} -D SOURCE=${nghttp2} -D BUILD=${build} -D COMPILER=${once_compiler}
        "-DLAUNCHER=${CMAKE_C_COMPILER_LAUNCHER}" "-DGENERATOR=${CMAKE_GENERATOR}" -P ${CMAKE_SOURCE_DIR}/cmake/nghttp2.cmake
    VERBATIM USES_TERMINAL COMMENT "Building libnghttp2, once: ${build}")
add_custom_target(nexus_nghttp2_build DEPENDS ${build}/libnghttp2.a)

add_library(nexus_nghttp2 STATIC IMPORTED GLOBAL)
set_target_properties(nexus_nghttp2 PROPERTIES IMPORTED_LOCATION ${build}/libnghttp2.a
    INTERFACE_INCLUDE_DIRECTORIES "${nghttp2_include};${build}/include" INTERFACE_COMPILE_DEFINITIONS NGHTTP2_NO_SSIZE_T)
add_dependencies(nexus_nghttp2 nexus_nghttp2_build)
list(APPEND NEXUS_STATIC_LIBRARIES ${build}/libnghttp2.a)
