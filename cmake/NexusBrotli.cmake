# libbrotli, from the crate that carries its sources: since 1.2 it can make its tables when they are first needed, instead of carrying
# them.
#   nexus_brotli   libbrotli.a, decoder and encoder; NEXUS_BROTLI_SOURCE has its sources
nx_vendored(brotli_version compu-brotli-sys/brotli/c/common/version.h)
get_filename_component(brotli ${brotli_version} DIRECTORY)
get_filename_component(brotli ${brotli} DIRECTORY)
set(NEXUS_BROTLI_SOURCE ${brotli})
file(READ ${brotli_version} header)
string(REGEX MATCH "VERSION_MAJOR +([0-9]+).*VERSION_MINOR +([0-9]+).*VERSION_PATCH +([0-9]+)" header "${header}")
nx_built_once(brotli ${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3} ARCHIVES libbrotli.a WITH SOURCE=${brotli})

add_library(nexus_brotli STATIC IMPORTED GLOBAL)
set_target_properties(nexus_brotli PROPERTIES IMPORTED_LOCATION ${brotli_build}/libbrotli.a INTERFACE_INCLUDE_DIRECTORIES ${brotli}/include)
if(NEXUS_BROTLI_ENCODER)
    target_compile_definitions(nexus_brotli INTERFACE NX__BROTLI_ENCODER)
endif()
add_dependencies(nexus_brotli nexus_brotli_build)
list(APPEND NEXUS_STATIC_LIBRARIES ${brotli_build}/libbrotli.a)
