# Writes OUT, a C file with the public headers under INCLUDE in it, one behind the other and compressed.
file(GLOB_RECURSE files RELATIVE ${INCLUDE} ${INCLUDE}/*.h)
list(SORT files)
set(all "")
set(table "")
set(at 0)
file(WRITE ${OUT}.all "")
foreach(file ${files})
    file(READ ${INCLUDE}/${file} text)
    file(APPEND ${OUT}.all "${text}")
    file(SIZE ${INCLUDE}/${file} size)
    file(SHA256 ${INCLUDE}/${file} hash)
    string(APPEND all "${file} ${hash}\n")
    string(APPEND table "    {\"${file}\", ${at}, ${size}},\n")
    math(EXPR at "${at} + ${size}")
endforeach()
string(SHA256 hash "${all}")
file(SIZE ${OUT}.all size)
if(NOT size EQUAL at)
    message(FATAL_ERROR "the headers have ${at} bytes, and ${size} were put together")
endif()
file(ARCHIVE_CREATE OUTPUT ${OUT}.zst PATHS ${OUT}.all FORMAT raw COMPRESSION Zstd COMPRESSION_LEVEL 9)
file(WRITE ${OUT} "/* The public headers. */
#include \"module/embedded.h\"

__asm__(\".section .rodata\\n\"
    \".global nx__headers_packed, nx__headers_packed_end\\n.hidden nx__headers_packed, nx__headers_packed_end\\n\"
    \"nx__headers_packed:\\n.incbin \\\"${OUT}.zst\\\"\\nnx__headers_packed_end:\\n.byte 0\\n.previous\\n\");

const struct nx__embedded nx__headers[] = {
${table}    {0, 0, 0},
};

const size_t nx__headers_size = ${at};
const char nx__headers_hash[] = \"${hash}\";
")
