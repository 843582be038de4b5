/* Reading PEM, and what is made of it: chains, keys, names. */
#include "tls_test.h"

#include "tls/identity.h"
#include <stdlib.h>

static size_t blocks(const char *text)
{
    nx_bytes rest = nx_str(text);
    struct nx__pem block;
    size_t count = 0;
    for (;;) {
        if (nx__pem_next(&rest, &block)) return 1000 + count;
        if (!block.label.len) return count;
        count++;
    }
}

NX_TEST("blocks of PEM")
{
    nx_expect_eq(blocks(""), 0);
    nx_expect_eq(blocks("subject=CN=a\n-----BEGIN A-----\nAAAA\n-----END A-----\n"), 1);
    nx_expect_eq(
        blocks("-----BEGIN A-----\r\n-----END A-----\r\nx-----BEGIN B C-----AA==-----END B C-----"),
        2);
    nx_expect_eq(blocks("-----BEGIN A-----\nAAAA\n-----END B-----\n"), 1000);
    nx_expect_eq(blocks("-----BEGIN A-----\nAAAA\n"), 1000);
    nx_expect_eq(blocks("-----BEGIN A"), 1000);
    nx_expect_eq(blocks("-----BEGIN AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-----"), 1000);
    nx_expect_eq(blocks("-----BEGIN A-----\n-----BEGIN A-----\nAAAA\n-----END A-----\n"), 1000);
}

static bool has_name(const struct nx__tls_identity *identity, const char *name)
{
    for (size_t at = 0; at < identity->names.len; at += strlen(identity->names.data + at) + 1)
        if (strcmp(identity->names.data + at, name) == 0) return true;
    return false;
}

NX_TEST("a chain with its key")
{
    static const char *const names[] = {"Example.COM", "*.example.com", "192.0.2.1"};
    struct made authority = issue(NULL, "authority", NULL, 0),
                own = issue(&authority, "example.com", names, 3),
                other = issue(&authority, "example.com", names, 3);
    struct nx__tls_identity identity;
    nx_require_ok(nx__tls_identity_read(&identity, own.cert.data, own.key.data));
    nx_expect_eq(identity.count, 1);
    nx_expect(has_name(&identity, "example.com"));
    nx_expect(has_name(&identity, "*.example.com"));
    nx_expect(!has_name(&identity, "192.0.2.1"));
    nx__tls_identity_free(&identity);

    char both[8192];
    (void)snprintf(both, sizeof both, "%s%s%s", own.cert.data, own.key.data, authority.cert.data);
    nx_require_ok(nx__tls_identity_read(&identity, both, NULL));
    nx_expect_eq(identity.count, 2);
    nx__tls_identity_free(&identity);

    nx_expect_eq(nx__tls_identity_read(&identity, own.cert.data, other.key.data), NX_EINVAL);
    nx_expect_contains(nx_error_last()->message, "is not that of the first certificate");
    nx_expect_eq(nx__tls_identity_read(&identity, own.cert.data, NULL), NX_ENOENT);
    nx_expect_eq(nx__tls_identity_read(&identity, own.cert.data, "/none"), NX_ENOENT);
    nx_expect_eq(nx__tls_identity_read(&identity, own.key.data, own.key.data), NX_EINVAL);
    static const char encrypted[] =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    nx_expect_eq(nx__tls_identity_read(&identity, own.cert.data, encrypted), NX_ENOTSUP);
    nx_expect_contains(nx_error_last()->message, "openssl pkey");
    unmake(&own);
    unmake(&other);
    unmake(&authority);
}

NX_TEST("every cut and every changed byte of PEM is an error, or the same")
{
    static const char *const names[] = {"a"};
    struct made own = issue(NULL, "a", names, 1);
    struct nx__tls_identity identity;
    char *text = strdup(own.cert.data);
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        char kept = text[i];
        text[i] = '\0';
        if (!nx__tls_identity_read(&identity, text, own.key.data)) {
            nx_expect(i + 1 >= len);
            nx__tls_identity_free(&identity);
        }
        text[i] = kept == 'A' ? 'B' : 'A';
        if (!nx__tls_identity_read(&identity, text, own.key.data)) nx__tls_identity_free(&identity);
        text[i] = kept;
    }
    free(text);
    unmake(&own);
}

NX_TEST("names that can't be")
{
    static const char *const bad[] = {"", "a b", "*", "*.", "a/b", "\n", "a..\x80"};
    struct nx__buffer cert, key;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        nx_expect_eq(
            nx__tls_issue(
                &(struct nx__tls_issue){.common = "x", .names = &bad[i], .count = 1, .days = 1},
                &cert, &key),
            NX_EINVAL);
}
