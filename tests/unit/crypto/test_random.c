/* Random bytes, UUIDs, secrets in memory. */
#include <nexus/crypto.h>
#include <nexus/test.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

NX_TEST("random bytes are other ones each time")
{
    uint8_t a[64] = {0}, b[64] = {0}, none = 7;
    nx_random(a, sizeof a);
    nx_random(b, sizeof b);
    nx_expect(memcmp(a, b, sizeof a) != 0);
    nx_random(&none, 0);
    nx_expect_eq(none, 7);
    nx_expect_ne(nx_random_u64(), nx_random_u64());
}

NX_TEST("a child does not repeat its parent's random bytes")
{
    int ends[2];
    uint64_t mine, its = 0;
    (void)nx_random_u64();
    nx_require_eq(pipe(ends), 0);
    pid_t child = fork();
    nx_require_ge(child, 0);
    if (!child) {
        its = nx_random_u64();
        _exit(write(ends[1], &its, sizeof its) == sizeof its ? 0 : 1);
    }
    mine = nx_random_u64();
    nx_expect_eq(read(ends[0], &its, sizeof its), (ssize_t)sizeof its);
    nx_expect_ne(mine, its);
    nx_expect_eq(waitpid(child, NULL, 0), child);
    close(ends[0]);
    close(ends[1]);
}

NX_TEST("numbers below a limit are all there, and none above")
{
    enum { LIMIT = 6, ROUNDS = 60000 };
    unsigned seen[LIMIT] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t n = nx_random_below(LIMIT);
        nx_require_lt(n, LIMIT);
        seen[n]++;
    }
    /* 10,000 each, with a deviation of 91: further off than 1000 is none of chance. */
    for (int i = 0; i < LIMIT; i++) nx_expect_near(seen[i], ROUNDS / LIMIT, 1000);
    nx_expect_eq(nx_random_below(0), 0);
    nx_expect_eq(nx_random_below(1), 0);
    /* Half of all numbers are refused here. */
    for (int i = 0; i < 100; i++) nx_expect_lt(nx_random_below((1ull << 63) + 1), (1ull << 63) + 1);
}

NX_TEST("UUIDs have their version and variant")
{
    for (int i = 0; i < 100; i++) {
        nx_uuid four = nx_uuid_v4(), seven = nx_uuid_v7();
        nx_expect_eq(four.bytes[6] >> 4, 4);
        nx_expect_eq(four.bytes[8] >> 6, 2);
        nx_expect_eq(seven.bytes[6] >> 4, 7);
        nx_expect_eq(seven.bytes[8] >> 6, 2);
    }
}

static uint64_t uuid_ms(nx_uuid uuid)
{
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++) ms = ms << 8 | uuid.bytes[i];
    return ms;
}

NX_TEST("UUIDs of version 7 have the time, and each sorts behind the one before")
{
    uint64_t before = (uint64_t)time(NULL) * 1000;
    nx_uuid last = nx_uuid_v7();
    nx_expect_ge(uuid_ms(last), before);
    nx_expect_lt(uuid_ms(last), before + 120000);
    /* More than the counter of a millisecond takes. */
    for (int i = 0; i < 20000; i++) {
        nx_uuid uuid = nx_uuid_v7();
        nx_require(memcmp(uuid.bytes, last.bytes, 16) > 0);
        last = uuid;
    }
}

enum { EACH = 5000, THREADS = 4 };

static void *make_many(void *arg)
{
    nx_uuid *out = arg;
    for (int i = 0; i < EACH; i++) out[i] = nx_uuid_v7();
    return NULL;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, 8);
}

NX_TEST("threads share the order")
{
    nx_uuid *all = nx_alloc(sizeof *all * EACH * THREADS);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        nx_require_eq(pthread_create(&threads[i], NULL, make_many, all + i * EACH), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 1; i < EACH * THREADS; i++)
        if (i % EACH) nx_require(memcmp(all[i].bytes, all[i - 1].bytes, 8) > 0);
    /* Time and counter alone, the first 8 bytes, tell them apart. */
    qsort(all, EACH * THREADS, sizeof *all, by_bytes);
    for (int i = 1; i < EACH * THREADS; i++) nx_require(by_bytes(&all[i], &all[i - 1]) != 0);
}

NX_TEST("a UUID is written and read")
{
    char text[NX_UUID_TEXT];
    nx_uuid uuid, again;
    /* RFC 9562, appendix A.6 */
    nx_require_ok(nx_uuid_parse(nx_str("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), &uuid));
    nx_expect_eq(nx_uuid_format(uuid, text), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    nx_expect_eq(uuid_ms(uuid), 0x017f22e279b0ull);
    uuid = nx_uuid_v4();
    nx_require_ok(nx_uuid_parse(nx_str(nx_uuid_format(uuid, text)), &again));
    nx_expect(memcmp(uuid.bytes, again.bytes, 16) == 0);
}

NX_TEST("what is no UUID is told where")
{
    static const char *const bad[] = {"017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
                                      "017f22e2+79b0-7cc3-98c4-dc0c0c07398f",
                                      "017f22e2-79b0-7cc3-98c4dc0c0c0-7398f"};
    nx_uuid uuid;
    for (size_t i = 0; i < 3; i++) {
        nx_expect_err(NX_EINVAL, nx_uuid_parse(nx_str(bad[i]), &uuid));
        nx_expect_contains(nx_error_last()->message, "is wrong at character");
    }
    nx_expect_err(NX_EINVAL, nx_uuid_parse(nx_str(bad[0]), &uuid));
    nx_expect_contains(nx_error_last()->message, "at character 36");
    nx_expect_err(NX_EINVAL, nx_uuid_parse(nx_str(""), &uuid));
    nx_expect_contains(nx_error_last()->message, "has 36 characters, not 0");
}

NX_TEST("secrets are compared and wiped")
{
    char secret[8] = "secret!";
    nx_expect(nx_secret_eq(nx_str("abc"), nx_str("abc")));
    nx_expect(!nx_secret_eq(nx_str("abc"), nx_str("abd")));
    nx_expect(!nx_secret_eq(nx_str("abc"), nx_str("ab")));
    nx_expect(nx_secret_eq(nx_str(""), (nx_bytes){0}));
    nx_wipe(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++) nx_expect_eq(secret[i], '\0');
    nx_wipe(NULL, 0);
}
