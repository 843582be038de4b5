# Writes OUT, a C file with the public headers under INCLUDE in it.
file(GLOB_RECURSE files RELATIVE ${INCLUDE} ${INCLUDE}/*.h)
list(SORT files)
set(all "")
set(text "/* The public headers. */\n#include \"module/embedded.h\"\n\n")
set(table "")
set(number 0)
foreach(file ${files})
    file(SHA256 ${INCLUDE}/${file} hash)
    string(APPEND all "${file} ${hash}\n")
    string(APPEND text "extern const char nx__header_${number}[], nx__header_${number}_end[];\n"
        "__asm__(\".section .rodata\\n\"\n    \".global nx__header_${number}\\n.hidden nx__header_${number}\\nnx__header_${number}:\\n\"\n"
        "    \".incbin \\\"${INCLUDE}/${file}\\\"\\n\"\n"
        "    \".global nx__header_${number}_end\\n.hidden nx__header_${number}_end\\nnx__header_${number}_end:\\n.byte 0\\n.previous\\n\");\n")
    string(APPEND table "    {\"${file}\", nx__header_${number}, nx__header_${number}_end},\n")
    math(EXPR number "${number} + 1")
endforeach()
string(SHA256 hash "${all}")
file(WRITE ${OUT} "${text}\nconst struct nx__embedded nx__headers[] = {\n${table}    {0, 0, 0},\n};\n\nconst char nx__headers_hash[] = \"${hash}\";\n")
