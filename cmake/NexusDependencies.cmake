# The libraries that are linked statically, so that a copied `nexus` needs nothing but libc.
#   nexus_uring      io_uring for files
#   nexus_zlib, nexus_brotli (NexusBrotli.cmake), nexus_zstd (NexusZstd.cmake)   compression of answers and bodies
#   nexus_aws_lc, nexus_argon2   ciphers, hashes, keys; passwords (NexusCrypto.cmake)
#   nexus_quic       QUIC and HTTP/3 (NexusQuic.cmake)
#   nexus_ada        URLs (NexusUrl.cmake)
#   nexus_nghttp2    frames and header compression of HTTP/2 (NexusHttp2.cmake)
#   nexus_backtrace  file and line of a crash, from the compiler's own libbacktrace
# NEXUS_STATIC_LIBRARIES lists the archives, for libnexus.a, which carries what it needs of them.
set(NEXUS_STATIC_LIBRARIES)

function(nx_static_library name header archive includes package)
    find_path(${name}_INCLUDE_DIR ${header} HINTS ${includes})
    find_library(${name}_ARCHIVE ${archive})
    mark_as_advanced(${name}_INCLUDE_DIR ${name}_ARCHIVE)
    if(NOT ${name}_INCLUDE_DIR OR NOT ${name}_ARCHIVE)
        message(FATAL_ERROR "${archive} or <${header}> is missing. Install it with: make setup (Debian: apt-get install ${package})")
    endif()
    add_library(${name} STATIC IMPORTED GLOBAL)
    set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${${name}_ARCHIVE}
        INTERFACE_INCLUDE_DIRECTORIES ${${name}_INCLUDE_DIR})
    set(NEXUS_STATIC_LIBRARIES ${NEXUS_STATIC_LIBRARIES} ${${name}_ARCHIVE} PARENT_SCOPE)
endfunction()

nx_static_library(nexus_uring liburing.h liburing.a "" liburing-dev)
nx_static_library(nexus_zlib zlib.h libz.a "" zlib1g-dev)

# gcc has libbacktrace in its own folder, with headers that other compilers can read. Those headers' folder also holds
# gcc's <stddef.h> and its like, so the two that are wanted are copied out of it.
find_program(NEXUS_GCC gcc)
if(NOT NEXUS_GCC)
    message(FATAL_ERROR "gcc is missing; its libbacktrace is used whichever compiler builds. Install it with: make setup")
endif()
execute_process(COMMAND ${NEXUS_GCC} -print-file-name=libbacktrace.a OUTPUT_VARIABLE archive OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND ${NEXUS_GCC} -print-file-name=include OUTPUT_VARIABLE include OUTPUT_STRIP_TRAILING_WHITESPACE)
foreach(header backtrace.h backtrace-supported.h)
    if(EXISTS ${include}/${header})
        configure_file(${include}/${header} ${CMAKE_BINARY_DIR}/backtrace/${header} COPYONLY)
    endif()
endforeach()
set(nexus_backtrace_ARCHIVE ${archive} CACHE FILEPATH "libbacktrace.a")
nx_static_library(nexus_backtrace backtrace.h libbacktrace.a ${CMAKE_BINARY_DIR}/backtrace "gcc")

# C sources that crates carry (deps/Cargo.toml). nx_vendored(out file): where such a file lies.
function(nx_vendored out file)
    set(path ${CMAKE_SOURCE_DIR}/deps/vendor/${file})
    if(NOT EXISTS ${path})
        message(FATAL_ERROR "deps/vendor/${file} is missing. Fetch it with: make setup")
    endif()
    set(${out} ${path} PARENT_SCOPE)
endfunction()

include(NexusOnce)
include(NexusBrotli)
include(NexusCrypto)
include(NexusHttp2)
include(NexusQuic)
include(NexusUrl)
include(NexusZstd)

add_library(nexus_dependencies INTERFACE)
target_link_libraries(nexus_dependencies INTERFACE nexus_uring nexus_zlib nexus_zstd
    nexus_brotli nexus_quic nexus_nghttp2 nexus_aws_lc nexus_argon2 nexus_ada
    nexus_backtrace)
