# The libraries behind src/crypto and src/tls that Debian has not, or not so: libcrypto and libssl of AWS-LC.
#   nexus_aws_lc   both archives, built once for all trees below build/deps/, by aws_lc.cmake
#   NEXUS_CXX      the C++ compiler beside the C compiler
#   nexus_argon2   Debian's

nx_vendored(aws_lc_license aws-lc-sys/aws-lc/LICENSE)
get_filename_component(aws_lc ${aws_lc_license} DIRECTORY)
file(READ ${CMAKE_SOURCE_DIR}/deps/vendor/aws-lc-sys/Cargo.toml crate)
string(REGEX MATCH "\nversion = \"([0-9.]+)\"" crate "${crate}")
set(aws_lc_version ${CMAKE_MATCH_1})

string(REGEX REPLACE "gcc([^/]*)$" "g++\\1" cxx "${CMAKE_C_COMPILER}")
string(REGEX REPLACE "clang([^/]*)$" "clang++\\1" cxx "${cxx}")
string(REGEX REPLACE "/cc$" "/c++" cxx "${cxx}")
find_program(NEXUS_CXX NAMES ${cxx} g++)
if(NOT NEXUS_CXX)
    message(FATAL_ERROR "g++ is missing. Install it with: make setup")
endif()

# What the archives depend on is in the name of its folder, so that they are there or not, but never stale.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/aws_lc.cmake)
file(SHA256 ${CMAKE_SOURCE_DIR}/cmake/aws_lc.cmake recipe)
string(SUBSTRING ${recipe} 0 8 recipe)
set(cxx ${NEXUS_CXX})
if(NOT once_compiler STREQUAL CMAKE_C_COMPILER)
    string(REGEX REPLACE "gcc([^/]*)$" "g++\\1" cxx ${once_compiler})
endif()
set(aws_lc_build ${CMAKE_SOURCE_DIR}/build/deps/aws-lc-${aws_lc_version}-${once_key}-${recipe})
add_custom_command(OUTPUT ${aws_lc_build}/libssl.a ${aws_lc_build}/libcrypto.a
    COMMAND ${CMAKE_COMMAND} -D SOURCE=${aws_lc} -D BUILD=${aws_lc_build} -D COMPILER=${once_compiler} -D CXX=${cxx}
        "-DLAUNCHER=${CMAKE_C_COMPILER_LAUNCHER}" "-DGENERATOR=${CMAKE_GENERATOR}" -P ${CMAKE_SOURCE_DIR}/cmake/aws_lc.cmake
    VERBATIM USES_TERMINAL COMMENT "Building libcrypto and libssl, once: ${aws_lc_build}")
add_custom_target(nexus_aws_lc_build DEPENDS ${aws_lc_build}/libssl.a)

add_library(nexus_aws_lc STATIC IMPORTED GLOBAL)
set_target_properties(nexus_aws_lc PROPERTIES IMPORTED_LOCATION ${aws_lc_build}/libssl.a
    INTERFACE_LINK_LIBRARIES ${aws_lc_build}/libcrypto.a INTERFACE_INCLUDE_DIRECTORIES ${aws_lc}/include)
add_dependencies(nexus_aws_lc nexus_aws_lc_build)
list(APPEND NEXUS_STATIC_LIBRARIES ${aws_lc_build}/libssl.a ${aws_lc_build}/libcrypto.a)

nx_static_library(nexus_argon2 argon2.h libargon2.a "" libargon2-dev)
