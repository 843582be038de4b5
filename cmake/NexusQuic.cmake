# QUIC and HTTP/3, from the crates that carry their C.
#   nexus_quic   libngtcp2.a with its helper for libssl, and libnghttp3.a, built once for all trees below build/deps/, by quic.cmake
nx_vendored(ngtcp2_license ngtcp2-sys/deps/ngtcp2/COPYING)
nx_vendored(nghttp3_license nghttp3-sys/deps/nghttp3/COPYING)
get_filename_component(ngtcp2 ${ngtcp2_license} DIRECTORY)
get_filename_component(nghttp3 ${nghttp3_license} DIRECTORY)
file(READ ${CMAKE_SOURCE_DIR}/deps/vendor/ngtcp2-sys/.cargo-checksum.json sums)
file(READ ${CMAKE_SOURCE_DIR}/deps/vendor/nghttp3-sys/.cargo-checksum.json more)

# What the archives depend on is in the name of their folder, so that they are there or not, but never stale.
set(recipes ${CMAKE_SOURCE_DIR}/cmake/quic.cmake ${CMAKE_SOURCE_DIR}/cmake/quic/CMakeLists.txt)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${recipes})
set(recipe "${sums}${more}")
foreach(file ${recipes})
    file(SHA256 ${file} hash)
    string(APPEND recipe ${hash})
endforeach()
string(SHA256 recipe "${recipe}")
string(SUBSTRING ${recipe} 0 8 recipe)
set(build ${CMAKE_SOURCE_DIR}/build/deps/quic-${once_key}-${recipe})
add_custom_command(OUTPUT ${build}/libngtcp2.a ${build}/libnghttp3.a
    COMMAND ${CMAKE_COMMAND} -D NGTCP2=${ngtcp2} -D NGHTTP3=${nghttp3} -D AWS_LC=${aws_lc} -D BUILD=${build} -D COMPILER=${once_compiler}
        "-DLAUNCHER=${CMAKE_C_COMPILER_LAUNCHER}" "-DGENERATOR=${CMAKE_GENERATOR}" -P ${CMAKE_SOURCE_DIR}/cmake/quic.cmake
    VERBATIM USES_TERMINAL COMMENT "Building libngtcp2 and libnghttp3, once: ${build}")
add_custom_target(nexus_quic_build DEPENDS ${build}/libngtcp2.a)

file(MAKE_DIRECTORY ${build}/include)
add_library(nexus_quic STATIC IMPORTED GLOBAL)
set_target_properties(nexus_quic PROPERTIES IMPORTED_LOCATION ${build}/libngtcp2.a
    INTERFACE_INCLUDE_DIRECTORIES "${build}/include;${ngtcp2}/lib/includes;${ngtcp2}/crypto/includes;${nghttp3}/lib/includes"
    INTERFACE_COMPILE_DEFINITIONS "NGTCP2_STATICLIB;NGHTTP3_STATICLIB"
    INTERFACE_LINK_LIBRARIES "${build}/libnghttp3.a;nexus_aws_lc")
add_dependencies(nexus_quic nexus_quic_build)
list(APPEND NEXUS_STATIC_LIBRARIES ${build}/libngtcp2.a ${build}/libnghttp3.a)
