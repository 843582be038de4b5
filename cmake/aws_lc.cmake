# Builds libcrypto.a and libssl.a of AWS-LC: -P aws_lc.cmake with SOURCE, BUILD (where they are put), COMPILER, CXX, LAUNCHER,
# GENERATOR. Several trees may want them at the same time: one builds, the others wait. CMAKE_BUILD_PARALLEL_LEVEL limits how much
# at once.
file(MAKE_DIRECTORY ${BUILD})
file(LOCK ${BUILD} DIRECTORY GUARD PROCESS)
if(EXISTS ${BUILD}/libssl.a)
    return()
endif()

# What is left out for size is left out of a copy: docs/decisions/crypto.md has what and why.
file(COPY ${SOURCE}/ DESTINATION ${BUILD}/source)
function(change file from to)
    file(READ ${BUILD}/source/${file} text)
    string(FIND "${text}" "${from}" at)
    if(at EQUAL -1)
        message(FATAL_ERROR "${file} of this AWS-LC has no \"${from}\": cmake/aws_lc.cmake does not fit it")
    endif()
    string(REPLACE "${from}" "${to}" text "${text}")
    file(WRITE ${BUILD}/source/${file} "${text}")
endfunction()

# ML-DSA: the tables of methods name another method twice in its place.
change(crypto/evp_extra/p_methods.c "&pqdsa_asn1_meth," "&rsa_asn1_meth,")
change(crypto/fipsmodule/evp/evp_ctx.c "EVP_PKEY_pqdsa_pkey_meth()" "EVP_PKEY_rsa_pkey_meth()")
change(crypto/evp_extra/evp_asn1.c "PQDSA_find_asn1_by_nid(nid)" "NULL")

# P-256 by the quick code on x86-64, which OPENSSL_SMALL leaves out with its table of 150 KB: servers sign each handshake with it.
# docs/decisions/tls.md has what it costs and what it gives.
set(small "(defined(OPENSSL_X86_64) || defined(OPENSSL_AARCH64)) &&    \\\n    !defined(OPENSSL_SMALL)")
set(quick "(defined(OPENSSL_X86_64) || (defined(OPENSSL_AARCH64) && \\\n    !defined(OPENSSL_SMALL)))")
change(crypto/fipsmodule/ec/p256-nistz.c "${small}" "${quick}")
string(REPLACE "&&    " "&& " small "${small}")
change(crypto/fipsmodule/ec/p256-nistz.h "${small}" "${quick}")
change(crypto/fipsmodule/ec/ec.c "${small}" "${quick}")
change(crypto/fipsmodule/CMakeLists.txt [[if(OPENSSL_SMALL)
  if(ARCH STREQUAL "x86_64")]] [[if(OPENSSL_SMALL)
  if(FALSE)]])
change(crypto/fipsmodule/CMakeLists.txt [[    elseif(ARCH STREQUAL "x86_64")
      list(REMOVE_ITEM BCM_ASM_SOURCES
        ${S2N_BIGNUM_DIR}/p256/p256_montjscalarmul.S
        ${S2N_BIGNUM_DIR}/p256/p256_montjscalarmul_alt.S
        ${S2N_BIGNUM_DIR}/p256/bignum_montinv_p256.S]] [[    elseif(ARCH STREQUAL "x86_64")
      list(REMOVE_ITEM BCM_ASM_SOURCES]])

# libssl puts a chain of certificates into a stack that it does not look whether there was memory for.
change(crypto/stack/stack.c "return OPENSSL_sk_insert(sk, p, sk->num);" "return sk == NULL ? 0 : OPENSSL_sk_insert(sk, p, sk->num);")

# The two codes for x86-64 that share a curve, for old processors and for others, each have the same table: the old ones' goes.
set(folder third_party/s2n-bignum/s2n-bignum-imported/x86_att/curve25519)
foreach(name edwards25519_scalarmulbase curve25519_x25519base)
    change(${folder}/${name}.S "\n.type S2N_BN_SYMBOL(${name}_constant), %object"
        "\n.globl S2N_BN_SYMBOL(${name}_constant)\n.hidden S2N_BN_SYMBOL(${name}_constant)\n.type S2N_BN_SYMBOL(${name}_constant), %object")
    change(${folder}/${name}_alt.S "${name}_alt_constant" "${name}_constant")
    set(file ${BUILD}/source/${folder}/${name}_alt.S)
    file(READ ${file} text)
    string(FIND "${text}" ".section .rodata" at)
    string(SUBSTRING "${text}" 0 ${at} text)
    file(WRITE ${file} "${text}.section .rodata\n#endif\n")
endforeach()

# Ciphers, hashes and curves are compiled for speed; what reads certificates and keys is not.
file(APPEND ${BUILD}/source/crypto/fipsmodule/CMakeLists.txt "
target_compile_options(fipsmodule PRIVATE $<$<COMPILE_LANGUAGE:C>:-O2>)
")

# A section for each function, of which the linker keeps what is used. Nothing runs before main: src/crypto/library.h has
# the library look at the processor when it is first used. OPENSSL_SMALL leaves out code for AVX-512 and large tables, 1.1 MB:
# docs/decisions/crypto.md has what that costs. libssl is C++ that needs no runtime, and a protocol, where it is size that counts.
set(flags "-w -DNDEBUG -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections -fvisibility=hidden -DBORINGSSL_NO_STATIC_INITIALIZER")
execute_process(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${BUILD}/source -B ${BUILD}/build
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=${COMPILER} -DCMAKE_C_COMPILER_LAUNCHER=${LAUNCHER}
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}
    "-DCMAKE_C_FLAGS=${flags} -Os" -DCMAKE_C_FLAGS_RELEASE= -DCMAKE_POSITION_INDEPENDENT_CODE=ON
    "-DCMAKE_CXX_FLAGS=${flags} -Os -fno-threadsafe-statics" -DCMAKE_CXX_FLAGS_RELEASE=
    -DBUILD_SHARED_LIBS=OFF -DBUILD_TESTING=OFF -DBUILD_TOOL=OFF
    -DOPENSSL_SMALL=1 -DDISABLE_GO=ON -DDISABLE_PERL=ON -DDISABLE_CPU_JITTER_ENTROPY=ON -DENABLE_SOURCE_MODIFICATION=OFF
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD}/build --target ssl --parallel OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${BUILD}/build/crypto/libcrypto.a ${BUILD}/libcrypto.a)
file(RENAME ${BUILD}/build/ssl/libssl.a ${BUILD}/libssl.a)
file(REMOVE_RECURSE ${BUILD}/build ${BUILD}/source)
