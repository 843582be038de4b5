/* A function's type in words: what is read is written in one form, and that is read as the same. */
#include "wasm/internal.h"

#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nx__wasm_signature first, again;
    memory_begin();
    char *text = malloc(size + 1);
    check(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    for (int host = 0; host < 2; host++) {
        char written[NX__WASM_TYPE_TEXT];
        if (nx__wasm_type_parse(text, host, &first)) continue;
        bool views = false;
        for (size_t i = 0; i < first.param_count; i++) views |= first.params[i] >= NX__WASM_STR;
        for (size_t i = 0; i < first.result_count; i++) views |= first.results[i] >= NX__WASM_STR;
        check(host || !views);
        for (size_t i = 0; i < first.record_count; i++) {
            struct nx__wasm_record record = first.records[i];
            check(record.align >= 1 && record.align <= 8 && record.size % record.align == 0);
        }
        if (first.record_count) continue; /* they have no names to be written by */
        nx__wasm_type_print(first.params, first.param_count, first.results, first.result_count,
                            written);
        if (strlen(written) + 1 == sizeof written) continue;
        check(nx__wasm_type_parse(written, host, &again) == NX_OK);
        check(again.param_count == first.param_count && again.result_count == first.result_count);
        check(memcmp(again.params, first.params, first.param_count) == 0);
        check(memcmp(again.results, first.results, first.result_count) == 0);
    }
    free(text);
    memory_end();
    return 0;
}
