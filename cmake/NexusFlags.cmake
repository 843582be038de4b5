# Compiler and linker flags, as one interface target; NEXUS_ARCH names the processor, as in switch_<arch>.S.
string(REGEX MATCH "x86_64|aarch64|riscv64" NEXUS_ARCH "${CMAKE_SYSTEM_PROCESSOR}")
if(CMAKE_SYSTEM_PROCESSOR STREQUAL AMD64)
    set(NEXUS_ARCH x86_64)
elseif(NOT NEXUS_ARCH)
    message(FATAL_ERROR "Nexus has no fiber switch for ${CMAKE_SYSTEM_PROCESSOR} yet; src/loop/switch.h says what one needs")
endif()

add_library(nexus_flags INTERFACE)
target_include_directories(nexus_flags INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(nexus_flags INTERFACE _GNU_SOURCE)
target_compile_options(nexus_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion;-Wstrict-prototypes;-Wmissing-prototypes;-Wvla;-Werror>
    # Crash reports walk frame pointers.
    -fno-omit-frame-pointer -fstack-protector-strong -g)
if(CMAKE_C_COMPILER_ID STREQUAL Clang)
    # An options macro may be called without options.
    target_compile_options(nexus_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-Wno-gnu-zero-variadic-macro-arguments>)
else()
    # The public functions are never replaced by another library's: calls within the runtime may be inlined.
    target_compile_options(nexus_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-fno-semantic-interposition>)
endif()
if(CMAKE_C_COMPILER_ID STREQUAL GNU OR NEXUS_ARCH STREQUAL x86_64)
    target_compile_options(nexus_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-fstack-clash-protection>)
endif()
if(NEXUS_ARCH STREQUAL x86_64)
    # A fiber switch leaves by a jump, which a shadow stack would not follow: the program must not ask for one.
    target_compile_options(nexus_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-fcf-protection=none>)
endif()
if(CMAKE_C_COMPILER_ID STREQUAL GNU AND NEXUS_ARCH STREQUAL x86_64)
    # By default a structure is cleared by `rep stos`, whose start alone costs more than the stores of a small one.
    target_compile_options(nexus_flags INTERFACE
        $<$<COMPILE_LANGUAGE:C>:-mmemset-strategy=vector_loop:512:noalign,libcall:-1:noalign>)
endif()
if(NEXUS_SANITIZE)
    target_compile_options(nexus_flags INTERFACE -fsanitize=${NEXUS_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(nexus_flags INTERFACE -fsanitize=${NEXUS_SANITIZE})
else()
    target_compile_definitions(nexus_flags INTERFACE
        $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
    target_link_options(nexus_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,-z,pack-relative-relocs -Wl,--gc-sections -pie)
    # Nothing unwinds by tables: debuggers read those of -g, and everything else walks frame pointers.
    target_compile_options(nexus_flags INTERFACE -ffunction-sections -fdata-sections $<$<CONFIG:Release>:-fno-asynchronous-unwind-tables>)
    target_link_options(nexus_flags INTERFACE $<$<CONFIG:Release>:-fno-asynchronous-unwind-tables>)
endif()
find_package(Threads REQUIRED)
target_link_libraries(nexus_flags INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
string(REPLACE "-O3" "-O2" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")

# gcc's objects can hold machine code beside the code for link-time optimisation, so that `nexus` is optimised as a whole and
# libnexus.a and the tests are made of the same objects. clang's can't; it builds without.
if(NOT CMAKE_C_COMPILER_ID STREQUAL GNU OR NEXUS_SANITIZE OR NOT CMAKE_BUILD_TYPE STREQUAL Release)
    set(NEXUS_LTO OFF)
endif()
