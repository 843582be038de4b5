# Profile-guided optimisation with gcc: `generate` builds a program that counts where it goes, `use` lays the code out by the
# counts in NEXUS_PROFILE_DIR (scripts/train makes them). Functions that the training did not reach are compiled as ever.
#   nx_profile(SOURCE...)   for what is trained: elsewhere counts are missing, and code would only grow by it
set(NEXUS_PROFILE "" CACHE STRING "Profile-guided optimisation: empty, generate or use")
set(NEXUS_PROFILE_DIR ${CMAKE_SOURCE_DIR}/build/profile CACHE PATH "Where the profile is")
set(profile -fprofile-prefix-path=${CMAKE_BINARY_DIR})
if(NEXUS_PROFILE STREQUAL generate)
    list(APPEND profile -fprofile-generate=${NEXUS_PROFILE_DIR} -fprofile-update=prefer-atomic)
    target_link_options(nexus_core PUBLIC -fprofile-generate)
elseif(NEXUS_PROFILE STREQUAL use)
    # Sources may have changed since: what has no counts any more, or other ones, is no error. Nor are warnings that depend on what
    # was inlined where: the build that trains has none.
    list(APPEND profile -fprofile-use=${NEXUS_PROFILE_DIR} -fprofile-partial-training -fprofile-correction
        -Wno-missing-profile -Wno-coverage-mismatch -Wno-format-truncation -Wno-error=array-bounds -Wno-error=format-overflow
        -Wno-error=maybe-uninitialized -Wno-error=stringop-overflow -Wno-error=stringop-overread)
else()
    set(profile)
endif()
function(nx_profile)
    set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS ${profile})
endfunction()
