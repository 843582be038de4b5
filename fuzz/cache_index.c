/* Manifests of the compile cache: whatever a file holds, reading it is safe, and what was read is
 * written as it was. */
#include "module/internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nx__manifest first = {0}, again = {0};
    if (nx__manifest_parse(&first, (const char *)data, size)) {
        struct nx__buffer text = {0};
        if (nx__manifest_format(&first, &text) == NX_OK) {
            if (!nx__manifest_parse(&again, text.data, text.len) || again.count != first.count)
                abort();
        }
        nx__buffer_free(&text);
    }
    nx__manifest_free(&first);
    nx__manifest_free(&again);
    return 0;
}
