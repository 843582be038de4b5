/* Keys and values of guests: each byte is a step, and the store has what a plain list says. */
#include <nexus/wasm.h>

#include "memory.h"
#include "wasm/host/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEYS = 64, STEPS_MOST = 4096, PAIR = 64, MOST = 3000 };

/* The key of that number, of which some are long and one is empty. */
static nx_bytes key_of(uint8_t number)
{
    static char text[KEYS];
    memset(text, 'a' + number % 3, sizeof text);
    return nx_slice(text, number / 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char value[] =
        "a value of which some is stored under a key, and some other under another";
    int lengths[KEYS];
    size_t used = 0;
    nx_wasm_kv *kv;
    for (size_t i = 0; i < KEYS; i++) lengths[i] = -1;
    if (nx_wasm_kv_new(&kv, MOST)) return 0;
    for (size_t i = 0; i + 1 < size && i < STEPS_MOST; i += 2) {
        /* What numbers 0 to 2 stand for is one key, the empty one. */
        uint8_t number = data[i] % KEYS < 3 ? 0 : data[i] % KEYS;
        nx_bytes key = key_of(number);
        size_t len = data[i + 1] % sizeof value, got = 0;
        size_t had = lengths[number] < 0 ? 0 : key.len + (size_t)lengths[number] + PAIR;
        char into[16];
        if (data[i] < 128) {
            nx_err err = nx_wasm_kv_set(kv, key, nx_slice(value, len));
            bool fits = used - had + key.len + len + PAIR <= MOST;
            check(err == (fits ? NX_OK : NX_ELIMIT));
            if (!fits) continue;
            used += key.len + len + PAIR - had;
            lengths[number] = (int)len;
        } else if (data[i] < 192) {
            check(nx_wasm_kv_delete(kv, key) == (lengths[number] >= 0));
            used -= had;
            lengths[number] = -1;
        } else {
            nx_err err = nx__kv_read(kv, key, nx_slice(into, sizeof into), &got);
            check(err == (lengths[number] < 0 ? NX_ENOENT : NX_OK));
            if (err) continue;
            check(got == (size_t)lengths[number]);
            check(memcmp(into, value, got < sizeof into ? got : sizeof into) == 0);
        }
    }
    nx_wasm_kv_free(kv);
    return 0;
}
