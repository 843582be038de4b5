# What `make` lays into dist/, and `make install` below PREFIX. The tree works wherever it is copied.
include(GNUInstallDirs)
set(CMAKE_INSTALL_MESSAGE NEVER)
set(CMAKE_INSTALL_LIBDIR lib)
configure_file(${CMAKE_SOURCE_DIR}/cmake/nexus.pc.in ${CMAKE_BINARY_DIR}/nexus.pc @ONLY)
install(TARGETS nexus RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${NEXUS_ARCHIVE} DESTINATION ${CMAKE_INSTALL_LIBDIR})
# The names that a program built without the command exports, for what it loads by nx_import.
install(FILES ${CMAKE_BINARY_DIR}/src/cli/exports.list DESTINATION ${CMAKE_INSTALL_LIBDIR} RENAME nexus.exports)
if(NEXUS_WASM)
    install(PROGRAMS ${engine_files} DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
install(FILES ${CMAKE_BINARY_DIR}/nexus.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${CMAKE_SOURCE_DIR}/include/nexus.h ${CMAKE_SOURCE_DIR}/include/nexus-guest.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/nexus DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

# dist/, made again where something of it has changed: the target `dist`.
set(dist ${CMAKE_SOURCE_DIR}/dist)
file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/nexus/*.h)
add_custom_command(OUTPUT ${dist}/bin/nexus
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${dist}/include
    COMMAND ${CMAKE_COMMAND} --install ${CMAKE_BINARY_DIR} --prefix ${dist} --strip
    COMMAND ${CMAKE_COMMAND} -E touch ${dist}/bin/nexus
    DEPENDS nexus nexus_archive ${NEXUS_ARCHIVE} ${engine_files} ${CMAKE_BINARY_DIR}/nexus.pc ${CMAKE_SOURCE_DIR}/include/nexus.h
        ${CMAKE_SOURCE_DIR}/include/nexus-guest.h ${headers}
    VERBATIM COMMENT "Making dist/")
add_custom_target(dist DEPENDS ${dist}/bin/nexus)
