/* Memory that runs out at each place, in turn: an error, and nothing that stays behind. */
#include "../oom.h"
#include <nexus/fiber.h>
#include <nexus/jwt.h>
#include <nexus/test.h>

static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                          "MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n"
                          "-----END PUBLIC KEY-----\n";

static nx_err hash(void)
{
    nx_hash *h;
    nx_digest digest;
    NX_TRY(nx_hash_new(&h, NX_SHA3_256, .key = nx_str("key")));
    nx_hash_update(h, nx_str("abc"));
    NX_TRY(nx_hash_finish(h, &digest));
    /* One that its scope ends. */
    NX_TRY(nx_hash_new(&h, NX_SHA256));
    return nx_hash_of(NX_SHA512, nx_str("abc"), &digest);
}

static nx_err seal(void)
{
    nx_cipher_key key = nx_cipher_key_new(NX_AES_256_GCM);
    nx_bytes sealed, plain;
    NX_TRY(nx_seal(&key, nx_str("hello"), &sealed));
    return nx_open(&key, sealed, &plain);
}

static nx_err stream(void)
{
    nx_cipher_key key = nx_cipher_key_new(NX_CHACHA20_POLY1305);
    nx_bytes out;
    return nx_pipe(nx_memory_reader(nx_str("hello")), nx_sealing(&key, .context = nx_str("c")),
                   nx_opening(&key, .context = nx_str("c")), nx_memory_writer(&out, 99));
}

static nx_err sign(void)
{
    nx_p256_secret key;
    nx_p256_public public;
    nx_signature signature;
    nx_bytes der;
    NX_TRY(nx_p256_new(&key));
    NX_TRY(nx_p256_public_of(&key, &public));
    NX_TRY(nx_p256_sign(&key, nx_str("hello"), &signature));
    NX_TRY(nx_p256_verify(&public, nx_str("hello"), nx_signature_bytes(&signature)));
    NX_TRY(nx_p256_sign_der(&key, nx_str("hello"), &der));
    return nx_p256_verify_der(&public, nx_str("hello"), der);
}

static nx_err text(void)
{
    nx_ed25519_public key;
    nx_bytes out;
    NX_TRY(nx_key_read(nx_str(pem), &key));
    NX_TRY(nx_key_write(&key, NX_KEY_PEM, &out));
    NX_TRY(nx_key_write(&key, NX_KEY_JWK, &out));
    return nx_key_read(out, &key);
}

static nx_err token(void)
{
    nx_bytes secret = nx_str("0123456789abcdef0123456789abcdef"), out;
    nx_json claims;
    NX_TRY(nx_jwt_sign(nx_jwt_signer_hs256(secret), nx_obj("sub", "17"), &out));
    return nx_jwt_verify(nx_jwt_verifier_hs256(secret), out, &claims);
}

/* How many allocations fail in turn before there are enough. */
static unsigned each(nx_err (*fn)(void))
{
    unsigned failed = 0;
    nx_err err = NX_ENOMEM;
    /* What a thread and the process set up once is there. */
    nx_require_ok(fn());
    while (err && failed < 1000) {
        nx_scope *scope;
        nx_require_ok(nx_scope_open(&scope));
        oom_once = true;
        oom_failed = false;
        oom_after = (long)failed;
        err = fn();
        oom_after = -1;
        nx_expect_ok(nx_scope_close(&scope));
        if (err) nx_expect(oom_failed && err == NX_ENOMEM);
        if (!err && oom_failed) err = NX_ENOMEM; /* it got by without */
        failed++;
    }
    nx_expect(!err);
    return failed;
}

NX_TEST("hashes")
{
    nx_expect_ge(each(hash), 3);
}
NX_TEST("sealing at once")
{
    nx_expect_ge(each(seal), 1);
}
NX_TEST("sealing streams")
{
    nx_expect_gt(each(stream), 5);
}
NX_TEST("signatures")
{
    nx_expect_gt(each(sign), 20);
}
NX_TEST("keys as text")
{
    nx_expect_gt(each(text), 3);
}
NX_TEST("tokens")
{
    nx_expect_ge(each(token), 1);
}
