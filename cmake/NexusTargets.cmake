# How tests and fuzzers are declared.

# In tests, what clang's -Wconversion has beyond gcc's would only make assertions hard to read.
add_library(nexus_test_flags INTERFACE)
if(CMAKE_C_COMPILER_ID STREQUAL Clang)
    target_compile_options(nexus_test_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-Wno-sign-conversion;-Wno-string-conversion>)
endif()
# gcc suspects the variable of any loop around a subtest, which nobody reads after the jump out of it.
if(CMAKE_C_COMPILER_ID STREQUAL GNU)
    target_compile_options(nexus_test_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-Wno-clobbered>)
endif()
# The core's objects hold machine code too: optimising a hundred programs at link time would take ten times as long.
if(NEXUS_LTO)
    target_link_options(nexus_test_flags INTERFACE -fno-lto)
endif()
# libFuzzer's entry has no header.
add_library(nexus_fuzz_flags INTERFACE)
target_compile_options(nexus_fuzz_flags INTERFACE -fsanitize=fuzzer -Wno-missing-prototypes)
target_link_options(nexus_fuzz_flags INTERFACE -fsanitize=fuzzer)

# nx_unit_test(name source...): one program over <nexus/test.h>, run by ctest. Sources without a main get one.
function(nx_unit_test name)
    add_executable(test_${name} ${ARGN})
    target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit)
    target_link_libraries(test_${name} PRIVATE nexus_test_main nexus_core nexus_test_flags)
    # A busy machine is slow, and no reason to fail.
    add_test(NAME unit/${name} COMMAND test_${name} --deadline=240)
    set_tests_properties(unit/${name} PROPERTIES TIMEOUT 600)
endfunction()

# nx_fuzzer(name source...): one libFuzzer program with its corpus in fuzz/corpus/<name>.
function(nx_fuzzer name)
    add_executable(fuzz_${name} ${ARGN})
    target_link_libraries(fuzz_${name} PRIVATE nexus_core nexus_test_flags nexus_fuzz_flags)
    set_property(GLOBAL APPEND PROPERTY NEXUS_FUZZERS ${name})
endfunction()
