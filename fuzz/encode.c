/* Base64 and hexadecimal: what is decoded is written as it was, and all bytes come back. libcrypto
 * writes the same base64. */
#include "memory.h"
#include <nexus/encode.h>
#include <openssl/base64.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nx_bytes in = nx_slice(data + (size > 0), size - (size > 0)), out, again;
    bool url = size && data[0] & 1, bare = size && data[0] & 2;
    memory_begin();
    if (!nx_base64_decode(in, &out, .url = url, .no_padding = bare)) {
        check(!nx_base64_encode(out, &again, .url = url, .no_padding = bare));
        check(nx_bytes_eq(again, in));
    }
    check(!nx_base64_encode(in, &out, .url = url, .no_padding = bare));
    check(!nx_base64_decode(out, &again, .url = url, .no_padding = bare) && nx_bytes_eq(again, in));
    (void)nx_base64_decode(in, &out, .url = url, .no_padding = bare, .spaces = true);
    char *others = nx_alloc(in.len / 3 * 4 + 5);
    if (others && in.len)
        (void)EVP_EncodeBlock((uint8_t *)others, (const uint8_t *)in.data, in.len);
    check(!nx_base64_encode(in, &out) && (!others || !in.len || nx_bytes_is(out, others)));
    if (!nx_hex_decode(in, &out)) check(out.len * 2 == in.len);
    check(!nx_hex_encode(in, &out) && !nx_hex_decode(out, &again) && nx_bytes_eq(again, in));
    memory_end();
    return 0;
}
