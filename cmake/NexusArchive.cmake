# libnexus.a: the runtime for programs that any compiler builds. One object that holds the core and what it needs of the
# static libraries, in which only the public functions are global, so that no name of ours can meet a name of the program's.
add_library(nexus_wrap_main OBJECT ${CMAKE_SOURCE_DIR}/src/cli/wrap_main.c)
target_link_libraries(nexus_wrap_main PRIVATE nexus_flags)

set(NEXUS_ARCHIVE ${CMAKE_BINARY_DIR}/lib/libnexus.a)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
add_custom_command(OUTPUT ${NEXUS_ARCHIVE}
    COMMAND ${CMAKE_COMMAND} -D OUT=${NEXUS_ARCHIVE} -D LD=${CMAKE_LINKER} -D OBJCOPY=${CMAKE_OBJCOPY} -D AR=${CMAKE_AR}
        -D EXPORTS=${CMAKE_BINARY_DIR}/src/cli/exports.list
        "-DOBJECTS=$<TARGET_OBJECTS:nexus_core>;$<TARGET_OBJECTS:nexus_wrap_main>"
        "-DLIBRARIES=${NEXUS_STATIC_LIBRARIES}" -P ${CMAKE_SOURCE_DIR}/cmake/archive.cmake
    DEPENDS $<TARGET_OBJECTS:nexus_core> $<TARGET_OBJECTS:nexus_wrap_main> ${NEXUS_STATIC_LIBRARIES} nexus_exports
        ${CMAKE_BINARY_DIR}/src/cli/exports.list ${CMAKE_SOURCE_DIR}/cmake/archive.cmake
    VERBATIM COMMENT "Linking lib/libnexus.a")
if(NEXUS_SANITIZE)
    add_custom_target(nexus_archive DEPENDS ${NEXUS_ARCHIVE})
else()
    add_custom_target(nexus_archive ALL DEPENDS ${NEXUS_ARCHIVE})
endif()
