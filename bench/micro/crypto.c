/* The rows of cryptography: megabytes a second in memory.
 *
 * usage: crypto.c sha256|blake3|aes|chacha MB
 * Hashes take pieces of 1 MiB; ciphers seal a stream in chunks of 64 KiB. Prints {"rate":…}. */
#include <nexus/crypto.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE (1 << 20)

static char piece[PIECE];

static nx_err hash(nx_hash_kind kind, int pieces)
{
    nx_hash *h;
    nx_digest digest;
    NX_TRY(nx_hash_new(&h, kind));
    for (int i = 0; i < pieces; i++) nx_hash_update(h, nx_slice(piece, PIECE));
    return nx_hash_finish(h, &digest);
}

/* A source of so many pieces, whatever is in them, and a sink that drops what comes. */
static nx_err give(void *state, void *data, size_t len, size_t *got)
{
    size_t *left = state;
    (void)data;
    *got = len < *left ? len : *left;
    *left -= *got;
    return NX_OK;
}

static nx_err drop(void *state, nx_bytes bytes)
{
    *(size_t *)state += bytes.len;
    return NX_OK;
}

static nx_err seal(nx_cipher cipher, int pieces)
{
    static const nx_stream_type source = {.size = sizeof source, .name = "zeros", .read = give};
    static const nx_stream_type sink = {.size = sizeof sink, .name = "nowhere", .write = drop};
    size_t left = (size_t)pieces * PIECE, dropped = 0;
    nx_cipher_key key = nx_cipher_key_new(cipher);
    return nx_pipe(nx_stream_new(&source, &left), nx_sealing(&key), nx_stream_new(&sink, &dropped));
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "sha256";
    int pieces = argc > 2 ? atoi(argv[2]) : 64;
    nx_duration start = nx_now();
    if (!strcmp(mode, "blake3"))
        NX_TRY(hash(NX_BLAKE3, pieces));
    else if (!strcmp(mode, "aes"))
        NX_TRY(seal(NX_AES_256_GCM, pieces));
    else if (!strcmp(mode, "chacha"))
        NX_TRY(seal(NX_CHACHA20_POLY1305, pieces));
    else
        NX_TRY(hash(NX_SHA256, pieces));
    printf("{\"rate\":%.1f}\n", (double)pieces * PIECE / 1e6 / ((double)(nx_now() - start) / 1e9));
    return NX_OK;
}
