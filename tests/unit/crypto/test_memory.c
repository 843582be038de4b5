/* Memory that runs out at each place, in turn: an error, and nothing that stays behind. */
#include "faults.h"

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

static const struct faults_scenario scenarios[] = {{.name = "hashes", .run = hash},
                                                   {.name = "sealing at once", .run = seal},
                                                   {.name = "sealing streams", .run = stream},
                                                   {.name = "signatures", .run = sign},
                                                   {.name = "keys as text", .run = text},
                                                   {.name = "tokens", .run = token}};
enum { COUNT = sizeof scenarios / sizeof *scenarios };

NX_TEST("one allocation fails")
{
    faults_run(FAULTS_MEMORY, scenarios, COUNT);
}

NX_TEST("memory runs out")
{
    faults_run(FAULTS_NO_MEMORY, scenarios, COUNT);
}
