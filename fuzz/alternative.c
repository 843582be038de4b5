/* Fuzzes what Alt-Svc fields say: only ports, lives and hosts that may be come out. */
#include "http/client/alternative.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nx__alternative said, again;
    char *copy = malloc(size ? size : 1); /* ends where the bytes do */
    if (!copy) abort();
    if (size) memcpy(copy, data, size);
    bool good = nx__alternative_read(nx_slice(copy, size), nx_str("example.com"), &said);
    if (good) {
        check(said.clear == (said.h3_port == 0));
        check(said.clear || (said.life >= 0 && said.life <= NX__ALTERNATIVE_LIFE_MOST));
    }
    /* The same, whatever came before. */
    check(nx__alternative_read(nx_slice(copy, size), nx_str("example.com"), &again) == good);
    check(!good || (again.h3_port == said.h3_port && again.life == said.life));
    free(copy);
    return 0;
}
