/* Cookies beside the whole of libsodium: what stands in for a part of it gives way. */
#include "base/arena.h"
#include "http/data.h"

#include <nexus/test.h>
#include <sodium.h>

NX_TEST("cookies are the same before and after sodium_init")
{
    static const char *const secrets[] = {"a secret of 32 bytes or of more.."};
    const char *reason;
    struct nx__cookie_keys *keys = nx__cookie_keys_new(secrets, 1, &reason);
    struct nx__arena arena = {0};
    nx_require(keys != NULL);
    const char *signed_before = nx__cookie_sign(keys, "sid", nx_str("ada"), 2, &arena);
    const char *sealed_before = nx__cookie_encrypt(keys, "sid", nx_str("ada"), 2, &arena);

    nx_expect(sodium_init() >= 0); /* links at all: libsodium's sodium_misuse comes with it */

    nx_expect_eq(nx__cookie_sign(keys, "sid", nx_str("ada"), 2, &arena), signed_before);
    nx_bytes opened = nx__cookie_decrypt(keys, "sid", nx_str(sealed_before), 1, &arena);
    nx_expect_eq(opened, nx_str("ada"));
    nx__cookie_keys_free(keys);
    nx__arena_reset(&arena);
}
