/* What tells lldb of fibers, as it is in debugger/. */
    .section .rodata
    .global nx__inspect_fibers, nx__inspect_fibers_end
    .hidden nx__inspect_fibers, nx__inspect_fibers_end
    .type nx__inspect_fibers, %object
nx__inspect_fibers:
    .incbin "debugger/nexus_fibers.py"
nx__inspect_fibers_end:
    .size nx__inspect_fibers, . - nx__inspect_fibers

    .section .note.GNU-stack, "", %progbits
