# libzstd, from the crate that carries its sources: smaller than Debian's, which also reads formats from before zstd's release.
#   nexus_zstd   libzstd.a
nx_vendored(zstd_header zstd-sys/zstd/lib/zstd.h)
get_filename_component(zstd ${zstd_header} DIRECTORY)
file(READ ${zstd_header} header)
string(REGEX MATCH "VERSION_MINOR +([0-9]+).*VERSION_RELEASE +([0-9]+)" header "${header}")
nx_built_once(zstd 1.${CMAKE_MATCH_1}.${CMAKE_MATCH_2} ARCHIVES libzstd.a WITH SOURCE=${zstd})

add_library(nexus_zstd STATIC IMPORTED GLOBAL)
set_target_properties(nexus_zstd PROPERTIES IMPORTED_LOCATION ${zstd_build}/libzstd.a INTERFACE_INCLUDE_DIRECTORIES ${zstd})
add_dependencies(nexus_zstd nexus_zstd_build)
list(APPEND NEXUS_STATIC_LIBRARIES ${zstd_build}/libzstd.a)
