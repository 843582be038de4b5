/* The floor of the rows of cryptography: the libraries alone, on the same pieces as micro/crypto.c.
 */
#include <blake3.h>
#include <openssl/aead.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PIECE (1 << 20)
#define CHUNK (1 << 16)

static uint8_t piece[PIECE], sealed[CHUNK + 16];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sha256(int pieces)
{
    SHA256_CTX hash;
    SHA256_Init(&hash);
    for (int i = 0; i < pieces; i++) SHA256_Update(&hash, piece, PIECE);
    SHA256_Final(sealed, &hash);
}

static void blake3(int pieces)
{
    blake3_hasher hash;
    blake3_hasher_init(&hash);
    for (int i = 0; i < pieces; i++) blake3_hasher_update(&hash, piece, PIECE);
    blake3_hasher_finalize(&hash, sealed, 32);
}

static void seal(const EVP_AEAD *cipher, int pieces)
{
    EVP_AEAD_CTX ctx;
    uint8_t nonce[12] = {0};
    size_t len;
    if (!EVP_AEAD_CTX_init(&ctx, cipher, piece, 32, 16, NULL)) exit(1);
    for (int i = 0; i < pieces * (PIECE / CHUNK); i++) {
        memcpy(nonce, &i, sizeof i);
        if (!EVP_AEAD_CTX_seal(&ctx, sealed, &len, sizeof sealed, nonce, sizeof nonce,
                               piece + i % (PIECE / CHUNK) * CHUNK, CHUNK, NULL, 0))
            exit(1);
    }
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "sha256";
    int pieces = argc > 2 ? atoi(argv[2]) : 64;
    CRYPTO_library_init();
    double start = now();
    if (!strcmp(mode, "blake3"))
        blake3(pieces);
    else if (!strcmp(mode, "aes"))
        seal(EVP_aead_aes_256_gcm(), pieces);
    else if (!strcmp(mode, "chacha"))
        seal(EVP_aead_chacha20_poly1305(), pieces);
    else
        sha256(pieces);
    printf("{\"rate\":%.1f}\n", (double)pieces * PIECE / 1e6 / (now() - start));
    return 0;
}
