# ada, which reads URLs and is C++, made to need no C++ runtime: without exceptions, and what is left of a runtime renamed to functions of
# src/url/library.c. It is optimised in every build, since what is not would need more of one.
nx_vendored(ada ada-url/deps/ada.cpp)
get_filename_component(folder ${ada} DIRECTORY)
set(nexus_ada_INCLUDE_DIR ${folder} CACHE INTERNAL "")
set(flags -std=c++20 -O2 -g -fPIC -w -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-asynchronous-unwind-tables -fno-omit-frame-pointer
    -fstack-protector-strong -fvisibility=hidden -ffunction-sections -fdata-sections -DNDEBUG -DADA_INCLUDE_URL_PATTERN=0
    # <iostream> has a constructor that runs at start, and nothing of it is used.
    -D_GLIBCXX_IOSTREAM)
if(CMAKE_C_COMPILER_ID STREQUAL GNU)
    list(APPEND flags -fno-gnu-unique) # such symbols would stay global in libnexus.a
endif()
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
set(linker ${CMAKE_LINKER})
if(linker MATCHES "lld") # CMake takes it for clang where it is installed; it does not know what is asked for below
    find_program(NEXUS_BFD NAMES ld.bfd ld REQUIRED)
    set(linker ${NEXUS_BFD})
endif()
add_custom_command(OUTPUT ${archive}
    COMMAND ${CMAKE_C_COMPILER_LAUNCHER} ${NEXUS_CXX} ${flags} -c -o ada.o ${ada}
    COMMAND ${CMAKE_OBJCOPY} --redefine-syms=${CMAKE_SOURCE_DIR}/src/url/ada.syms ada.o
    # Its copies of the standard library's templates are its own: another part in C++ would get memory of a call from them.
    COMMAND ${linker} -r --force-group-allocation -o whole.o ada.o
    COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=ada_* whole.o ada.o
    COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
    COMMAND ${CMAKE_AR} rcsD ${archive} ada.o
    DEPENDS ${ada} ${CMAKE_SOURCE_DIR}/src/url/ada.syms WORKING_DIRECTORY ${CMAKE_BINARY_DIR}/ada VERBATIM
    COMMENT "Building ada")
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/ada)
add_custom_target(nexus_ada_archive DEPENDS ${archive})
add_library(nexus_ada STATIC IMPORTED GLOBAL)
set_target_properties(nexus_ada PROPERTIES IMPORTED_LOCATION ${archive})
add_dependencies(nexus_ada nexus_ada_archive)
list(APPEND NEXUS_STATIC_LIBRARIES ${archive})
if(NEXUS_SANITIZE)
    # A sanitizer keeps sections alive that are otherwise dropped, tables of virtual functions that nobody calls among them.
    set_target_properties(nexus_ada PROPERTIES INTERFACE_LINK_LIBRARIES stdc++)
endif()
