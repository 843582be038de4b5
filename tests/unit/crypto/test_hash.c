/* Hashes and MACs: known answers, in pieces, and through a pipe. */
#include <nexus/crypto.h>
#include <nexus/encode.h>
#include <nexus/fiber.h>
#include <nexus/test.h>

static const char *hex(nx_bytes bytes)
{
    nx_bytes text;
    nx_require_ok(nx_hex_encode(bytes, &text));
    return text.data;
}

static const char *hash_hex(nx_hash_kind kind, const char *text)
{
    nx_digest digest;
    nx_require_ok(nx_hash_of(kind, nx_str(text), &digest));
    return hex(nx_digest_bytes(&digest));
}

NX_TEST("hashes of \"abc\" are those of FIPS 180-4 and 202")
{
    nx_expect_eq(hash_hex(NX_SHA256, "abc"),
                 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    nx_expect_eq(hash_hex(NX_SHA384, "abc"),
                 "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                 "8086072ba1e7cc2358baeca134c825a7");
    nx_expect_eq(hash_hex(NX_SHA512, "abc"),
                 "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                 "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    nx_expect_eq(hash_hex(NX_SHA3_256, "abc"),
                 "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
    nx_expect_eq(hash_hex(NX_SHA3_512, "abc"),
                 "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e"
                 "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0");
    nx_expect_eq(hash_hex(NX_SHA1_FOR_LEGACY, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    nx_expect_eq(hash_hex(NX_SHA256, ""),
                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* The input of BLAKE3's test vectors. */
static nx_bytes counted(size_t len)
{
    char *bytes = nx_alloc(len + 1);
    nx_require(bytes);
    for (size_t i = 0; i < len; i++) bytes[i] = (char)(i % 251);
    return nx_slice(bytes, len);
}

static const struct {
    size_t len;
    const char *hash, *keyed, *derived;
} blake3_vectors[] = {
    {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262e00f03e7b69af26b",
     "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26b18171a2f22a4b94",
     "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d905630c8be290dfc"},
    {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444f4c4a22b4b399155",
     "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69362396b77fdc0d26",
     "effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb5d31013a167509e9"},
    {7169, "a003fc7a51754a9b3c7fae0367ab3d782dccf28855a03d435f8cfe74605e781798a8b20534be1ca9",
     "ed9b1a922c046fdb3d423ae34e143b05ca1bf28b710432857bf738bcedbfa5113c9e28d72fcbfc02",
     "554b0a5efea9ef183f2f9b931b7497995d9eb26f5c5c6dad2b97d62fc5ac31d99b20652c016d88ba"}};

static const char *stretched(nx_bytes input, nx_bytes key, const char *purpose)
{
    nx_hash *hash;
    uint8_t out[40];
    nx_require_ok(nx_hash_new(&hash, NX_BLAKE3, .key = key, .purpose = purpose));
    nx_hash_update(hash, input);
    nx_require_ok(nx_hash_stretch(hash, out, sizeof out));
    return hex(nx_slice(out, sizeof out));
}

NX_TEST("BLAKE3 gives the digests of its test vectors in all modes")
{
    nx_bytes key = nx_str("whats the Elvish word for friend");
    for (size_t i = 0; i < sizeof blake3_vectors / sizeof *blake3_vectors; i++) {
        nx_bytes input = counted(blake3_vectors[i].len);
        nx_digest digest;
        nx_expect_eq(stretched(input, (nx_bytes){0}, NULL), blake3_vectors[i].hash);
        nx_expect_eq(stretched(input, key, NULL), blake3_vectors[i].keyed);
        nx_expect_eq(
            stretched(input, (nx_bytes){0}, "BLAKE3 2019-12-27 16:29:52 test vectors context"),
            blake3_vectors[i].derived);
        nx_require_ok(nx_hash_of(NX_BLAKE3, input, &digest));
        nx_expect_eq(digest.len, 32);
        nx_expect(memcmp(hex(nx_digest_bytes(&digest)), blake3_vectors[i].hash, 64) == 0);
        nx_require_ok(nx_mac_of(NX_BLAKE3, key, input, &digest));
        nx_expect(memcmp(hex(nx_digest_bytes(&digest)), blake3_vectors[i].keyed, 64) == 0);
    }
}

NX_TEST("HMAC is that of RFC 4231")
{
    nx_digest digest;
    nx_require_ok(
        nx_mac_of(NX_SHA256, nx_str("Jefe"), nx_str("what do ya want for nothing?"), &digest));
    nx_expect_eq(hex(nx_digest_bytes(&digest)),
                 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    /* An empty key is one. */
    nx_require_ok(nx_mac_of(NX_SHA256, (nx_bytes){0}, nx_str(""), &digest));
    nx_expect_eq(hex(nx_digest_bytes(&digest)),
                 "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static const nx_hash_kind kinds[] = {NX_SHA256,   NX_SHA384, NX_SHA512,         NX_SHA3_256,
                                     NX_SHA3_512, NX_BLAKE3, NX_SHA1_FOR_LEGACY};
enum { KINDS = sizeof kinds / sizeof *kinds };

NX_TEST("pieces of any size make the same hash")
{
    nx_bytes all = counted(100777), key = nx_str("0123456789abcdef0123456789abcdef");
    for (size_t i = 0; i < KINDS; i++)
        for (int keyed = 0; keyed < 2; keyed++) {
            nx_hash *hash;
            nx_digest pieces, whole;
            size_t at = 0;
            nx_require_ok(nx_hash_new(&hash, kinds[i], .key = keyed ? key : (nx_bytes){0}));
            for (size_t piece = 1; at < all.len; piece = piece * 3 + 1) {
                size_t len = piece < all.len - at ? piece : all.len - at;
                nx_hash_update(hash, nx_slice(all.data + at, len));
                nx_hash_update(hash, (nx_bytes){0});
                at += len;
            }
            nx_require_ok(nx_hash_finish(hash, &pieces));
            nx_require_ok(keyed ? nx_mac_of(kinds[i], key, all, &whole)
                                : nx_hash_of(kinds[i], all, &whole));
            nx_expect(nx_bytes_eq(nx_digest_bytes(&pieces), nx_digest_bytes(&whole)));
        }
}

NX_TEST("the pool makes the same hash", .deadline = NX_S(60))
{
    nx_bytes all = counted(NX_CRYPTO_BIG + 777), key = nx_str("0123456789abcdef0123456789abcdef");
    nx_hash *hash;
    nx_digest pieces, whole;
    nx_require_ok(nx_hash_new(&hash, NX_BLAKE3, .key = key));
    nx_hash_update(hash, all);
    nx_require_ok(nx_hash_finish(hash, &pieces));
    nx_require_ok(nx_mac_of(NX_BLAKE3, key, all, &whole));
    nx_expect(nx_bytes_eq(nx_digest_bytes(&pieces), nx_digest_bytes(&whole)));
}

static int turns;

static nx_err turn(void *arg)
{
    (void)arg;
    turns++;
    return NX_OK;
}

NX_TEST("what is big does not hold up the loop, what is small does not suspend")
{
    nx_bytes all = counted(NX_CRYPTO_BIG);
    nx_digest digest;
    nx_fiber *fiber;
    nx_require_ok(nx_spawn(&fiber, turn, NULL));
    nx_require_ok(nx_hash_of(NX_SHA256, nx_slice(all.data, all.len - 1), &digest));
    nx_expect_eq(turns, 0);
    nx_require_ok(nx_hash_of(NX_SHA256, all, &digest));
    nx_expect_eq(turns, 1);
}

NX_TEST("a pipe is hashed on its way")
{
    nx_hash *hash;
    nx_bytes out, all = counted(700000);
    nx_digest passed, whole;
    nx_require_ok(nx_hash_new(&hash, NX_SHA256));
    nx_require_ok(
        nx_pipe(nx_memory_reader(all), nx_hashing(hash), nx_memory_writer(&out, all.len)));
    nx_require_ok(nx_hash_finish(hash, &passed));
    nx_require_ok(nx_hash_of(NX_SHA256, all, &whole));
    nx_expect(nx_bytes_eq(out, all));
    nx_expect(nx_bytes_eq(nx_digest_bytes(&passed), nx_digest_bytes(&whole)));
}

NX_TEST("wrong use is told")
{
    nx_hash *hash;
    nx_digest digest;
    uint8_t out[8];
    nx_expect_err(NX_EINVAL, nx_hash_of((nx_hash_kind)0, nx_str(""), &digest));
    nx_expect_contains(nx_error_last()->message, "no hash number 0");
    nx_expect_err(NX_EINVAL, nx_hash_of((nx_hash_kind)99, nx_slice("", NX_CRYPTO_BIG), &digest));
    nx_expect_contains(nx_error_last()->message, "no hash number 99");
    nx_expect_err(NX_EINVAL, nx_mac_of(NX_BLAKE3, nx_str("short"), nx_str(""), &digest));
    nx_expect_contains(nx_error_last()->message, "32 bytes, not 5");
    nx_expect_err(NX_EINVAL, nx_hash_new(&hash, NX_SHA256, .purpose = "a"));
    nx_expect_err(NX_EINVAL, nx_hash_new(&hash, NX_BLAKE3, .purpose = "a",
                                         .key = nx_str("0123456789abcdef0123456789abcdef")));
    nx_require_ok(nx_hash_new(&hash, NX_SHA256));
    nx_expect_err(NX_EINVAL, nx_hash_stretch(hash, out, sizeof out));
    nx_require_ok(nx_hash_finish(hash, &digest));
    nx_hash_update(hash, nx_str("more"));
    nx_expect_err(NX_ESTATE, nx_hash_finish(hash, &digest));
    nx_expect_eq(digest.len, 0);
    nx_require_ok(nx_hash_new(&hash, NX_BLAKE3));
    nx_expect_err(NX_EINVAL, nx_hash_stretch(hash, out, NX_HASH_STRETCH_MOST + 1));
    nx_require_ok(nx_hash_stretch(hash, out, sizeof out));
    nx_expect_err(NX_ESTATE, nx_hash_stretch(hash, out, sizeof out));
    /* One that nobody finishes ends with its scope. */
    nx_require_ok(nx_hash_new(&hash, NX_SHA3_256, .key = nx_str("key")));
}
