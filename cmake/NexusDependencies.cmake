# The libraries that are linked statically, so that a copied `nexus` needs nothing but libc.
#   nexus_uring      io_uring for files
#   nexus_sodium     hashing and randomness
#   nexus_zlib, nexus_brotli (three archives), nexus_zstd   compression of answers and bodies
#   nexus_ada        URLs
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
nx_static_library(nexus_sodium sodium.h libsodium.a "" libsodium-dev)
nx_static_library(nexus_zlib zlib.h libz.a "" zlib1g-dev)
nx_static_library(nexus_zstd zstd.h libzstd.a "" libzstd-dev)
if(NEXUS_BROTLI_ENCODER)
    nx_static_library(nexus_brotli_encoder brotli/encode.h libbrotlienc.a "" libbrotli-dev)
    target_compile_definitions(nexus_brotli_encoder INTERFACE NX__BROTLI_ENCODER)
endif()
nx_static_library(nexus_brotli_decoder brotli/decode.h libbrotlidec.a "" libbrotli-dev)
nx_static_library(nexus_brotli_common brotli/types.h libbrotlicommon.a "" libbrotli-dev)

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

# ada, which is C++, made to need no C++ runtime: without exceptions, and what is left of a runtime renamed to functions of
# src/url/library.c. It is optimised in every build, since what is not would need more of one.
nx_vendored(ada ada-url/deps/ada.cpp)
get_filename_component(folder ${ada} DIRECTORY)
set(nexus_ada_INCLUDE_DIR ${folder} CACHE INTERNAL "")
string(REGEX REPLACE "gcc([^/]*)$" "g++\\1" cxx "${CMAKE_C_COMPILER}")
string(REGEX REPLACE "clang([^/]*)$" "clang++\\1" cxx "${cxx}")
string(REGEX REPLACE "/cc$" "/c++" cxx "${cxx}")
find_program(NEXUS_CXX NAMES ${cxx} g++)
if(NOT NEXUS_CXX)
    message(FATAL_ERROR "g++ is missing. Install it with: make setup")
endif()
set(flags -std=c++20 -O2 -g -fPIC -w -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-asynchronous-unwind-tables -fno-omit-frame-pointer
    -fstack-protector-strong -fvisibility=hidden -ffunction-sections -fdata-sections -DNDEBUG -DADA_INCLUDE_URL_PATTERN=0
    # <iostream> has a constructor that runs at start, and nothing of it is used.
    -D_GLIBCXX_IOSTREAM)
if(NEXUS_SANITIZE)
    list(APPEND flags -fsanitize=${NEXUS_SANITIZE} -fno-sanitize-recover=all)
    if(CMAKE_C_COMPILER_ID STREQUAL Clang)
        list(APPEND flags -fno-sanitize=function) # it needs run-time types
    endif()
endif()
if(NEXUS_FUZZ)
    list(APPEND flags -fsanitize=fuzzer-no-link)
endif()
set(archive ${CMAKE_BINARY_DIR}/ada/libnexus_ada.a)
add_custom_command(OUTPUT ${archive}
    COMMAND ${CMAKE_C_COMPILER_LAUNCHER} ${NEXUS_CXX} ${flags} -c -o ada.o ${ada}
    COMMAND ${CMAKE_OBJCOPY} --redefine-syms=${CMAKE_SOURCE_DIR}/src/url/ada.syms ada.o
    COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
    COMMAND ${CMAKE_AR} rcsD ${archive} ada.o
    DEPENDS ${ada} ${CMAKE_SOURCE_DIR}/src/url/ada.syms WORKING_DIRECTORY ${CMAKE_BINARY_DIR}/ada VERBATIM
    COMMENT "Building ada")
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/ada)
add_custom_target(nexus_ada_archive DEPENDS ${archive})
add_library(nexus_ada STATIC IMPORTED GLOBAL)
set_target_properties(nexus_ada PROPERTIES IMPORTED_LOCATION ${archive})
add_dependencies(nexus_ada nexus_ada_archive)
set(NEXUS_STATIC_LIBRARIES ${NEXUS_STATIC_LIBRARIES} ${archive})

add_library(nexus_dependencies INTERFACE)
target_link_libraries(nexus_dependencies INTERFACE nexus_uring nexus_sodium nexus_zlib nexus_zstd
    # The first two need the third.
    $<TARGET_NAME_IF_EXISTS:nexus_brotli_encoder> nexus_brotli_decoder nexus_brotli_common
    nexus_backtrace nexus_ada)
