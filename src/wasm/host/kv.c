/* Keys and values that guests share: a hash table with a limit on its bytes. */
#include "base/siphash.h"
#include "wasm/host/host.h"
#include <nexus/crypto.h>
#include <pthread.h>
#include <stdlib.h>

enum { SLOTS_FIRST = 16, PAIR_COST = 64 /* bytes that a pair counts for, beside its own */ };

struct pair {
    struct pair *next;
    uint64_t hash;
    size_t key_len, value_len;
    char bytes[]; /* the key, then the value */
};

struct nx_wasm_kv {
    pthread_mutex_t lock;
    uint64_t hash_key[2];
    struct pair **slots; /* a power of two */
    size_t slot_count, pairs;
    uint64_t used, most;
};

nx_err nx_wasm_kv_new(nx_wasm_kv **out, uint64_t max)
{
    nx_wasm_kv *kv = calloc(1, sizeof *kv);
    struct pair **slots = calloc(SLOTS_FIRST, sizeof(struct pair *));
    *out = NULL;
    if (!kv || !slots) {
        free(kv);
        free(slots);
        return nx__error_set(NX_ENOMEM, "cannot keep values for WebAssembly: out of memory");
    }
    (void)pthread_mutex_init(&kv->lock, NULL);
    nx_random(kv->hash_key, sizeof kv->hash_key);
    kv->slots = slots;
    kv->slot_count = SLOTS_FIRST;
    kv->most = max ? max : NX_WASM_MAX_KV;
    *out = kv;
    return NX_OK;
}

void nx_wasm_kv_free(nx_wasm_kv *kv)
{
    if (!kv) return;
    for (size_t i = 0; i < kv->slot_count; i++)
        for (struct pair *p; (p = kv->slots[i]);) {
            kv->slots[i] = p->next;
            free(p);
        }
    free(kv->slots);
    (void)pthread_mutex_destroy(&kv->lock);
    free(kv);
}

static uint64_t cost(size_t key_len, size_t value_len)
{
    return (uint64_t)key_len + value_len + PAIR_COST;
}

/* Where the pair of that key hangs, or would. */
static struct pair **find(nx_wasm_kv *kv, uint64_t hash, nx_bytes key)
{
    struct pair **at = &kv->slots[hash & (kv->slot_count - 1)];
    for (; *at; at = &(*at)->next)
        if ((*at)->hash == hash && nx_bytes_eq(nx_slice((*at)->bytes, (*at)->key_len), key)) break;
    return at;
}

/* Where memory is out the chains get longer instead. */
static void grow(nx_wasm_kv *kv)
{
    size_t count = kv->slot_count * 2;
    struct pair **slots = calloc(count, sizeof(struct pair *));
    if (!slots) return;
    for (size_t i = 0; i < kv->slot_count; i++)
        for (struct pair *p; (p = kv->slots[i]);) {
            struct pair **at = &slots[p->hash & (count - 1)];
            kv->slots[i] = p->next;
            p->next = *at;
            *at = p;
        }
    free(kv->slots);
    kv->slots = slots;
    kv->slot_count = count;
}

static nx_err put(nx_wasm_kv *kv, struct pair *new, nx_bytes key)
{
    struct pair **at = find(kv, new->hash, key), *old = *at;
    uint64_t used = kv->used + cost(new->key_len, new->value_len);
    if (old) used -= cost(old->key_len, old->value_len);
    if (used > kv->most) {
        NX_IGNORE(nx__error_set(NX_ELIMIT,
                                "the keys and values would be more than max_kv, %llu bytes",
                                (unsigned long long)kv->most));
        return NX_ELIMIT;
    }
    kv->used = used;
    new->next = old ? old->next : NULL;
    *at = new;
    free(old);
    if (!old && ++kv->pairs > kv->slot_count) grow(kv);
    return NX_OK;
}

nx_err nx_wasm_kv_set(nx_wasm_kv *kv, nx_bytes key, nx_bytes value)
{
    if (key.len > NX_WASM_KV_MAX_KEY || value.len > NX_WASM_KV_MAX_VALUE)
        return nx__error_set(NX_ETOOBIG, "a key has at most %zu bytes, and a value %zu",
                             NX_WASM_KV_MAX_KEY, NX_WASM_KV_MAX_VALUE);
    struct pair *new = malloc(sizeof *new + key.len + value.len);
    if (!new) return nx__error_set(NX_ENOMEM, "cannot keep a value: out of memory");
    new->hash = nx__siphash(kv->hash_key, key.data, key.len);
    new->key_len = key.len;
    new->value_len = value.len;
    if (key.len) memcpy(new->bytes, key.data, key.len);
    if (value.len) memcpy(new->bytes + key.len, value.data, value.len);
    (void)pthread_mutex_lock(&kv->lock);
    nx_err err = put(kv, new, key);
    (void)pthread_mutex_unlock(&kv->lock);
    if (err) free(new);
    return err;
}

/* Calls `take` with the value under the lock. */
static nx_err get(nx_wasm_kv *kv, nx_bytes key, nx_err (*take)(void *arg, nx_bytes value),
                  void *arg)
{
    uint64_t hash = nx__siphash(kv->hash_key, key.data, key.len);
    (void)pthread_mutex_lock(&kv->lock);
    const struct pair *p = *find(kv, hash, key);
    nx_err err = p ? take(arg, nx_slice(p->bytes + p->key_len, p->value_len)) : NX_ENOENT;
    (void)pthread_mutex_unlock(&kv->lock);
    return p ? err : nx__error_set(NX_ENOENT, "there is no such key");
}

static nx_err take_copy(void *arg, nx_bytes value)
{
    nx_bytes *out = arg;
    const char *copy = nx_copy(value);
    if (!copy) return NX_ENOMEM;
    *out = nx_slice(copy, value.len);
    return NX_OK;
}

nx_err nx_wasm_kv_get(nx_wasm_kv *kv, nx_bytes key, nx_bytes *value)
{
    *value = nx_str("");
    return get(kv, key, take_copy, value);
}

struct reading {
    nx_bytes into;
    size_t len;
};

static nx_err take_some(void *arg, nx_bytes value)
{
    struct reading *r = arg;
    size_t len = value.len < r->into.len ? value.len : r->into.len;
    if (len) memcpy((char *)(uintptr_t)r->into.data, value.data, len);
    r->len = value.len;
    return NX_OK;
}

nx_err nx__kv_read(nx_wasm_kv *kv, nx_bytes key, nx_bytes into, size_t *len)
{
    struct reading r = {.into = into};
    nx_err err = get(kv, key, take_some, &r);
    *len = r.len;
    return err;
}

bool nx_wasm_kv_delete(nx_wasm_kv *kv, nx_bytes key)
{
    uint64_t hash = nx__siphash(kv->hash_key, key.data, key.len);
    (void)pthread_mutex_lock(&kv->lock);
    struct pair **at = find(kv, hash, key), *p = *at;
    if (p) {
        *at = p->next;
        kv->pairs--;
        kv->used -= cost(p->key_len, p->value_len);
    }
    (void)pthread_mutex_unlock(&kv->lock);
    free(p);
    return p != NULL;
}
