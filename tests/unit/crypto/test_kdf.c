/* Keys out of secrets and passwords, and passwords that are checked. */
#include "vectors.h"
#include <nexus/crypto.h>
#include <nexus/fiber.h>

static const char *hex(const void *bytes, size_t len)
{
    nx_bytes text;
    nx_require_ok(nx_hex_encode(nx_slice(bytes, len), &text));
    return text.data;
}

/* ---- Wycheproof */

static nx_hash_kind vector_kind;

static void hkdf_vector(const struct vector *v)
{
    int64_t size = nx_json_int(nx_json_get(v->test, "size"), 0);
    uint8_t out[255 * 64 + 2];
    if (size > (int64_t)sizeof out) size = sizeof out;
    nx_err err =
        nx_hkdf(vector_kind, vector_bytes(v->test, "ikm"), out, (size_t)size,
                .salt = vector_bytes(v->test, "salt"), .info = vector_bytes(v->test, "info"));
    vector_expect(v, err == (v->valid ? NX_OK : NX_EINVAL));
    if (!err)
        vector_expect(v, nx_bytes_eq(nx_slice(out, (size_t)size), vector_bytes(v->test, "okm")));
}

static void pbkdf2_vector(const struct vector *v)
{
    uint8_t out[1024];
    nx_bytes wanted = vector_bytes(v->test, "dk");
    nx_require_le(wanted.len, sizeof out);
    nx_err err = nx_pbkdf2(
        vector_kind, vector_bytes(v->test, "password"), vector_bytes(v->test, "salt"),
        (uint32_t)nx_json_int(nx_json_get(v->test, "iterationCount"), 0), out, wanted.len);
    vector_expect(v, !err && nx_bytes_eq(nx_slice(out, wanted.len), wanted) == v->valid);
}

static void hmac_vector(const struct vector *v)
{
    nx_digest digest;
    nx_bytes wanted = vector_bytes(v->test, "tag");
    nx_require_ok(nx_mac_of(vector_kind, vector_bytes(v->test, "key"), vector_bytes(v->test, "msg"),
                            &digest));
    vector_expect(v, wanted.len <= digest.len &&
                         nx_secret_eq(nx_slice(digest.bytes, wanted.len), wanted) == v->valid);
}

NX_TEST("vectors of HKDF")
{
    vector_kind = NX_SHA256;
    nx_expect_gt(vectors_each("hkdf_sha256", hkdf_vector), 80);
    vector_kind = NX_SHA384;
    nx_expect_gt(vectors_each("hkdf_sha384", hkdf_vector), 70);
    vector_kind = NX_SHA512;
    nx_expect_gt(vectors_each("hkdf_sha512", hkdf_vector), 70);
}

NX_TEST("vectors of HMAC")
{
    vector_kind = NX_SHA256;
    nx_expect_gt(vectors_each("hmac_sha256", hmac_vector), 170);
    vector_kind = NX_SHA384;
    nx_expect_gt(vectors_each("hmac_sha384", hmac_vector), 170);
    vector_kind = NX_SHA512;
    nx_expect_gt(vectors_each("hmac_sha512", hmac_vector), 170);
    vector_kind = NX_SHA3_256;
    nx_expect_gt(vectors_each("hmac_sha3_256", hmac_vector), 170);
}

NX_TEST("vectors of PBKDF2", .deadline = NX_S(300))
{
    vector_kind = NX_SHA256;
    nx_expect_gt(vectors_each("pbkdf2_hmacsha256", pbkdf2_vector), 50);
    vector_kind = NX_SHA512;
    nx_expect_gt(vectors_each("pbkdf2_hmacsha512", pbkdf2_vector), 50);
}

/* ---- RFCs */

NX_TEST("Argon2id is that of RFC 9106")
{
    uint8_t password[32], salt[16], secret[8], context[12], out[32];
    memset(password, 1, sizeof password);
    memset(salt, 2, sizeof salt);
    memset(secret, 3, sizeof secret);
    memset(context, 4, sizeof context);
    nx_require_ok(nx_argon2id(nx_slice(password, 32), nx_slice(salt, 16), out, sizeof out,
                              .memory_kib = 32, .passes = 3, .lanes = 4,
                              .secret = nx_slice(secret, 8), .context = nx_slice(context, 12)));
    nx_expect_eq(hex(out, sizeof out),
                 "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
}

NX_TEST("scrypt is that of RFC 7914")
{
    uint8_t out[64];
    nx_require_ok(nx_scrypt(nx_str(""), nx_str(""), out, sizeof out, .log_n = 4, .r = 1, .p = 1));
    nx_expect_eq(hex(out, sizeof out),
                 "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                 "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
    nx_require_ok(nx_scrypt(nx_str("password"), nx_str("NaCl"), out, sizeof out, .log_n = 10,
                            .r = 8, .p = 16));
    nx_expect_eq(hex(out, sizeof out),
                 "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                 "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
}

NX_TEST("costs and lengths past the caps are told")
{
    uint8_t out[2000];
    nx_bytes p = nx_str("password"), salt = nx_str("0123456789abcdef");
    nx_expect_err(NX_EINVAL, nx_argon2id(p, nx_str("1234567"), out, 32));
    nx_expect_contains(nx_error_last()->message, "8 bytes or more, not 7");
    nx_expect_err(NX_EINVAL, nx_argon2id(p, salt, out, 3));
    nx_expect_err(NX_EINVAL, nx_argon2id(p, salt, out, 32, .lanes = 256));
    nx_expect_err(NX_EINVAL, nx_argon2id(p, salt, out, 32, .lanes = 4, .memory_kib = 31));
    nx_expect_contains(nx_error_last()->message, "8 KiB for each of 4 lanes");
    nx_expect_err(NX_EINVAL,
                  nx_argon2id(p, salt, out, 32, .memory_kib = NX_KDF_MEMORY_MOST_KIB + 1));
    nx_expect_contains(nx_error_last()->message, "1 GiB at most");
    nx_expect_err(NX_EINVAL, nx_argon2id(p, salt, out, 32, .passes = UINT32_MAX));
    nx_expect_contains(nx_error_last()->message, "cost more");
    nx_expect_err(NX_ETOOBIG, nx_argon2id(nx_slice("", (size_t)1 << 32), salt, out, 32));
    nx_expect_err(NX_EINVAL, nx_scrypt(p, salt, out, 32, .log_n = 25));
    nx_expect_err(NX_EINVAL, nx_scrypt(p, salt, out, 32, .log_n = 16, .r = 1));
    nx_expect_contains(nx_error_last()->message, "no costs of log_n 16, r 1");
    nx_expect_err(NX_EINVAL, nx_scrypt(p, salt, out, 32, .log_n = 24));
    nx_expect_contains(nx_error_last()->message, "more than is allowed");
    nx_expect_err(NX_EINVAL, nx_scrypt(p, salt, out, 32, .p = 1000));
    nx_expect_err(NX_EINVAL, nx_scrypt(p, salt, out, 0));
    nx_expect_err(NX_EINVAL, nx_pbkdf2(NX_BLAKE3, p, salt, 1, out, 32));
    nx_expect_contains(nx_error_last()->message, "PBKDF2 takes no hash number 6");
    nx_expect_err(NX_EINVAL, nx_pbkdf2(NX_SHA256, p, salt, 0, out, 32));
    nx_expect_err(NX_EINVAL, nx_pbkdf2(NX_SHA256, p, salt, NX_PBKDF2_MOST + 1, out, 32));
    nx_expect_err(NX_EINVAL, nx_pbkdf2(NX_SHA256, p, salt, 1, out, 0));
    nx_expect_err(NX_EINVAL, nx_pbkdf2(NX_SHA256, p, salt, 1, out, NX_PBKDF2_LEN_MOST + 1));
    nx_expect_err(NX_EINVAL, nx_hkdf((nx_hash_kind)0, p, out, 32));
    nx_expect_err(NX_EINVAL, nx_hkdf(NX_SHA256, p, out, 0));
    nx_expect_err(NX_EINVAL, nx_hkdf(NX_SHA256, p, out, 255 * 32 + 1));
    nx_expect_contains(nx_error_last()->message, "1 to 8160 bytes, not 8161");
}

/* ---- Passwords */

NX_TEST("a password is checked against what was kept of it")
{
    nx_bytes text, again;
    bool matches;
    nx_require_ok(nx_password_hash(nx_str("correct horse"), &text));
    nx_require_ok(nx_password_hash(nx_str("correct horse"), &again));
    nx_expect(!nx_bytes_eq(text, again));
    nx_expect(strncmp(text.data, "$argon2id$v=19$m=19456,t=2,p=1$", 31) == 0);
    nx_require_ok(nx_password_verify(nx_str("correct horse"), text, &matches));
    nx_expect(matches);
    nx_require_ok(nx_password_verify(nx_str("correct horsf"), text, &matches));
    nx_expect(!matches);
    nx_require_ok(nx_password_verify(nx_str(""), text, &matches));
    nx_expect(!matches);
}

NX_TEST("what others have kept is read")
{
    bool matches;
    /* By Python's cryptography */
    nx_bytes text =
        nx_str("$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$5cmjPIOJnS9cibudqE+DN3oCkFOfh2Mv");
    nx_require_ok(nx_password_verify(nx_str("password"), text, &matches));
    nx_expect(matches);
    nx_require_ok(nx_password_verify(nx_str("passwort"), text, &matches));
    nx_expect(!matches);
}

NX_TEST("what is no such text, or costs too much, is told")
{
    static const char *const bad[] = {
        "",
        "$2b$12$abcdefghijklmnopqrstuv",
        "$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=16$m=256,t=2,p=2$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$",
        "$argon2id$v=19$m=256,t=2$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=0,t=2,p=2$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=0256,t=2,p=2$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=99999999999,t=2,p=2$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHG",
        "$argon2id$v=19$m=4294967296,t=2,p=2$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHG",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$",
        "$argon2id$v=19$m=256,t=2,p=2$c29t$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ=$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$nf65",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4$x",
        "$argon2id$v=19$m=256,t=2,p=2,keyid=a$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMC"};
    bool matches = true;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nx_test_log("%s", bad[i]);
        nx_expect_err(NX_EINVAL, nx_password_verify(nx_str("password"), nx_str(bad[i]), &matches));
        nx_expect_contains(nx_error_last()->message, "text that was kept of a password");
        nx_expect(!matches);
        nx_expect(nx_password_needs_rehash(nx_str(bad[i])));
    }
    nx_expect_err(NX_EINVAL,
                  nx_password_verify(nx_str("password"),
                                     nx_str("$argon2id$v=19$m=1048577,t=1,p=1$c29tZXNhbHQ$"
                                            "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
                                     &matches));
    nx_expect_contains(nx_error_last()->message, "1 GiB at most");
    nx_expect_err(NX_EINVAL,
                  nx_password_verify(nx_str("password"),
                                     nx_str("$argon2id$v=19$m=1048576,t=100,p=1$c29tZXNhbHQ$"
                                            "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
                                     &matches));
    char *longer = nx_alloc_zero(NX_PASSWORD_MOST + 1, 1);
    nx_bytes out;
    nx_expect_err(NX_ETOOBIG, nx_password_hash(nx_slice(longer, NX_PASSWORD_MOST + 1), &out));
    nx_expect_err(NX_ETOOBIG, nx_password_verify(nx_slice(longer, NX_PASSWORD_MOST + 1),
                                                 nx_str(bad[1]), &matches));
    nx_expect_err(NX_EINVAL, nx_password_hash(nx_str("a"), &out, .passes = UINT32_MAX));
}

NX_TEST("other costs want to be hashed again")
{
    nx_bytes text;
    nx_require_ok(nx_password_hash(nx_str("a"), &text, .memory_kib = 64, .passes = 1));
    nx_expect(nx_password_needs_rehash(text));
    nx_expect(!nx_password_needs_rehash(text, .memory_kib = 64, .passes = 1));
    nx_expect(nx_password_needs_rehash(text, .memory_kib = 64, .passes = 2));
    nx_expect(nx_password_needs_rehash(text, .memory_kib = 64, .passes = 1, .lanes = 2));
    nx_expect(nx_password_needs_rehash(nx_str("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$"
                                              "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
                                       .memory_kib = 64, .passes = 1));
}

static nx_err hashes(void *arg)
{
    nx_bytes out;
    (void)arg;
    return nx_password_hash(nx_str("a"), &out);
}

NX_TEST("the loop turns while passwords are hashed, and who is cancelled before hashes nothing")
{
    nx_fiber *fiber;
    nx_bytes out;
    nx_require_ok(nx_spawn(&fiber, hashes, NULL));
    nx_cancel(fiber);
    nx_expect_err(NX_ECANCELED, nx_join(fiber));
    nx_require_ok(nx_spawn(&fiber, hashes, NULL));
    nx_require_ok(nx_password_hash(nx_str("b"), &out));
    nx_expect_ok(nx_join(fiber));
}
