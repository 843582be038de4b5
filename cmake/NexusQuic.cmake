# QUIC and HTTP/3, from the crates that carry their C.
#   nexus_quic   libngtcp2.a with its helper for libssl, and libnghttp3.a
nx_vendored(ngtcp2_license ngtcp2-sys/deps/ngtcp2/COPYING)
nx_vendored(nghttp3_license nghttp3-sys/deps/nghttp3/COPYING)
get_filename_component(ngtcp2 ${ngtcp2_license} DIRECTORY)
get_filename_component(nghttp3 ${nghttp3_license} DIRECTORY)
file(READ ${ngtcp2}/CMakeLists.txt recipe)
string(REGEX MATCH "VERSION ([0-9]+\\.[0-9]+\\.[0-9]+) LANGUAGES" version "${recipe}")
set(version ${CMAKE_MATCH_1})
file(READ ${nghttp3}/CMakeLists.txt recipe)
string(REGEX MATCH "VERSION ([0-9]+\\.[0-9]+\\.[0-9]+) LANGUAGES" more "${recipe}")
nx_built_once(quic ${version}-${CMAKE_MATCH_1} ARCHIVES libngtcp2.a libnghttp3.a WITH NGTCP2=${ngtcp2} NGHTTP3=${nghttp3} AWS_LC=${aws_lc})

add_library(nexus_quic STATIC IMPORTED GLOBAL)
set_target_properties(nexus_quic PROPERTIES IMPORTED_LOCATION ${quic_build}/libngtcp2.a
    INTERFACE_INCLUDE_DIRECTORIES "${quic_build}/include;${ngtcp2}/lib/includes;${ngtcp2}/crypto/includes;${nghttp3}/lib/includes"
    INTERFACE_COMPILE_DEFINITIONS "NGTCP2_STATICLIB;NGHTTP3_STATICLIB"
    INTERFACE_LINK_LIBRARIES "${quic_build}/libnghttp3.a;nexus_aws_lc")
add_dependencies(nexus_quic nexus_quic_build)
list(APPEND NEXUS_STATIC_LIBRARIES ${quic_build}/libngtcp2.a ${quic_build}/libnghttp3.a)
