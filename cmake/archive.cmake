# Makes OUT of OBJECTS and of what they need of LIBRARIES; only the names in EXPORTS, and the entry, stay global.
get_filename_component(folder ${OUT} DIRECTORY)
set(object ${folder}/nexus.o)
file(READ ${EXPORTS} text)
string(REGEX MATCHALL "nx_[a-z0-9_]+" names "${text}")
list(JOIN names "\n" names)
file(WRITE ${folder}/globals.list "${names}\n__wrap_main\n")
# Each input section on its own (Debian's libraries have one for a source, and static functions of several may share a name), so
# that --gc-sections drops what is not used. lld
# keeps them apart by itself.
execute_process(COMMAND ${LD} --version OUTPUT_VARIABLE linker COMMAND_ERROR_IS_FATAL ANY)
set(apart --unique=.text* --unique=.rodata* --unique=.data* --unique=.bss*)
if(linker MATCHES LLD)
    set(apart)
endif()
execute_process(COMMAND ${LD} -r ${apart} -o ${object} ${OBJECTS} ${LIBRARIES} COMMAND_ERROR_IS_FATAL ANY)
# The objects carry the compiler's intermediate code beside the machine code; users' linkers need only the latter.
execute_process(COMMAND ${OBJCOPY} --keep-global-symbols=${folder}/globals.list --remove-section=.gnu.lto_* --strip-debug ${object}
    COMMAND_ERROR_IS_FATAL ANY)
file(REMOVE ${OUT})
execute_process(COMMAND ${AR} rcsD ${OUT} ${object} COMMAND_ERROR_IS_FATAL ANY)
file(REMOVE ${object})
