# libnghttp2, from the crate that carries its sources: HTTP/2's frames and HPACK.
#   nexus_nghttp2   libnghttp2.a
nx_vendored(nghttp2_header libnghttp2-sys/nghttp2/lib/includes/nghttp2/nghttp2.h)
get_filename_component(nghttp2_include ${nghttp2_header} DIRECTORY)
get_filename_component(nghttp2_include ${nghttp2_include} DIRECTORY)
get_filename_component(nghttp2 ${nghttp2_include} DIRECTORY)
file(READ ${CMAKE_SOURCE_DIR}/deps/vendor/libnghttp2-sys/Cargo.toml crate)
string(REGEX MATCH "\nversion = \"[^\"+]*[+]([0-9.]+)\"" crate "${crate}")
nx_built_once(nghttp2 ${CMAKE_MATCH_1} ARCHIVES libnghttp2.a WITH SOURCE=${nghttp2})

add_library(nexus_nghttp2 STATIC IMPORTED GLOBAL)
set_target_properties(nexus_nghttp2 PROPERTIES IMPORTED_LOCATION ${nghttp2_build}/libnghttp2.a
    INTERFACE_INCLUDE_DIRECTORIES "${nghttp2_include};${nghttp2_build}/include" INTERFACE_COMPILE_DEFINITIONS NGHTTP2_NO_SSIZE_T)
add_dependencies(nexus_nghttp2 nexus_nghttp2_build)
list(APPEND NEXUS_STATIC_LIBRARIES ${nghttp2_build}/libnghttp2.a)
