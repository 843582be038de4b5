/* Tests and benchmarks, run by `nexus test`.
 *
 *   NX_TEST("adds") { nx_expect_eq(add(1, 2), 3); }
 *
 * Each test runs in a process, a loop and a scope of its own: what it allocates and spawns ends
 * with it, and its crash is its own. Everything here belongs inside a test unless it says
 * otherwise. */
#ifndef NEXUS_TEST_H
#define NEXUS_TEST_H

#include <nexus/http.h>
#include <setjmp.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Tests */

/* What a test needs before it begins. See NX_FIXTURE. */
typedef struct nx_test_fixture {
    size_t size;
    nx_err (*setup)(void *data);
    void (*teardown)(void *data);
} nx_test_fixture;

/* A test, as the macros below declare it. The first fields are options:
 *   NX_TEST("uploads a big file", .deadline = NX_S(30)) { ... } */
typedef struct nx_test {
    const char *name;
    nx_duration deadline; /* of the body; 10 s or what --deadline says; NX_FOREVER for none */
    bool serial;          /* no other test runs at the same time */
    bool bench;           /* from here on the macros' own */
    const char *file;
    int line;
    void (*run)(void *data);
    const nx_test_fixture *fixture;
    struct nx_test *next;
} nx_test;

/* Adds a test; done before main by the macros. The record and its strings stay the caller's and
 * must last. Any thread, but only one at a time. */
NX_API void nx_test_register(nx_test *test);

/* Declares a test. Any number in a file; a test file is named THING_test.c or test_THING.c. */
#define NX_TEST(...) NX__TEST(NX__TEST_ID, __VA_ARGS__)

/* Declares what several tests need. `type` is the name of a typedef: each test gets one of its own,
 * all zero at first. nx_err setup(type *) fills it and may check and skip as a test; memory and
 * fibers of its last as long as the test. void teardown(type *) runs after the test, however that
 * ended short of a crash, unless setup failed. */
#define NX_FIXTURE(type, setup_fn, teardown_fn)                                                    \
    static nx_err type##_nx_setup(void *data)                                                      \
    {                                                                                              \
        return setup_fn((type *)data);                                                             \
    }                                                                                              \
    static void type##_nx_teardown(void *data)                                                     \
    {                                                                                              \
        teardown_fn((type *)data);                                                                 \
    }                                                                                              \
    static const nx_test_fixture type##_nx_fixture = {sizeof(type), type##_nx_setup,               \
                                                      type##_nx_teardown}

/* A test with a fixture, which it finds in `variable`:
 *   NX_TEST_WITH(database, db, "finds a row") { nx_expect_ok(query(db->connection)); } */
#define NX_TEST_WITH(type, variable, ...) NX__TEST_WITH(NX__TEST_ID, type, variable, __VA_ARGS__)

/* A part of a test with a name, a result and a scope of its own; it may nest. `break` and
 * `continue` leave it, `return` leaves the test. A row of a table is a subtest in a loop: for
 * (size_t i = 0; i < rows; i++) nx_subtest("row %zu", i) { nx_expect_eq(parse(row[i].text),
 * row[i].number); } In a program compiled with optimisation, what it changes of the test's own
 * variables is not certain after a hard failure inside. */
#define nx_subtest(...) NX__SUBTEST(NX__TEST_ID, __VA_ARGS__)

/* Leaves the test, or the subtest, as neither passed nor failed: nx_skip("no network"). */
#define nx_skip(...) nx_test_skip(__FILE__, __LINE__, __VA_ARGS__)

/* Says something that is shown when the test fails (or with --output). Does not suspend. */
NX_API void nx_test_log(const char *format, ...) NX_PRINTF(1, 2);

/* An empty folder of the test's own, absolute, made at the first call and removed with all in it
 * when the test has ended. Tests may read and write there. Memory of the runtime. Never NULL: where
 * it can't be made the test fails. Does not suspend. */
NX_API const char *nx_test_dir(void);

/* The name of the running test and its subtests, as in "parses/row 3". Memory of the runtime, until
 * the subtest ends. */
NX_API const char *nx_test_name(void);

/* The main of a program that is a test by itself, built with a plain compiler. Arguments as those
 * of `nexus test` (--filter, --list, --parallel, --junit, --tap and so on); returns the exit code.
 * Outside of a test. */
NX_API int nx_test_main(int argc, char **argv);

/* ---- Checks. `nx_expect…` goes on after a failure and tells by its value (true: it held);
 * `nx_require…` ends the subtest or the test: from a nested function too, its NX_AUTO variables are
 * not closed then, but nx_defer'd calls are made. From another fiber of the test or another thread
 * it ends the test at once. In a process that the test has forked failures count for the test too;
 * what would end the test ends that process there, with exit code 1.
 *
 * A failure shows the place, the expressions and both values. */

/* The condition is true. */
#define nx_expect(...)  nx_test_true(NX__SITE(false, #__VA_ARGS__, NULL), (__VA_ARGS__) ? 1 : 0)
#define nx_require(...) nx_test_true(NX__SITE(true, #__VA_ARGS__, NULL), (__VA_ARGS__) ? 1 : 0)

/* The values compare so: booleans, integers of any type by their value, floating point, strings
 * and nx_bytes by their contents (two NULL strings are equal), pointers by address. What was found
 * comes first, what is wanted second. */
#define nx_expect_eq(found, wanted)  NX__COMPARE(false, EQ, found, wanted, #found, #wanted)
#define nx_expect_ne(found, wanted)  NX__COMPARE(false, NE, found, wanted, #found, #wanted)
#define nx_expect_lt(found, wanted)  NX__COMPARE(false, LT, found, wanted, #found, #wanted)
#define nx_expect_le(found, wanted)  NX__COMPARE(false, LE, found, wanted, #found, #wanted)
#define nx_expect_gt(found, wanted)  NX__COMPARE(false, GT, found, wanted, #found, #wanted)
#define nx_expect_ge(found, wanted)  NX__COMPARE(false, GE, found, wanted, #found, #wanted)
#define nx_require_eq(found, wanted) NX__COMPARE(true, EQ, found, wanted, #found, #wanted)
#define nx_require_ne(found, wanted) NX__COMPARE(true, NE, found, wanted, #found, #wanted)
#define nx_require_lt(found, wanted) NX__COMPARE(true, LT, found, wanted, #found, #wanted)
#define nx_require_le(found, wanted) NX__COMPARE(true, LE, found, wanted, #found, #wanted)
#define nx_require_gt(found, wanted) NX__COMPARE(true, GT, found, wanted, #found, #wanted)
#define nx_require_ge(found, wanted) NX__COMPARE(true, GE, found, wanted, #found, #wanted)

/* The numbers are no further apart than `tolerance`. */
#define nx_expect_near(found, wanted, tolerance)                                                   \
    nx_test_near(NX__SITE(false, #found, #wanted), (found), (wanted), (tolerance))
#define nx_require_near(found, wanted, tolerance)                                                  \
    nx_test_near(NX__SITE(true, #found, #wanted), (found), (wanted), (tolerance))

/* The string or bytes contain the other. */
#define nx_expect_contains(found, part)  NX__COMPARE(false, CONTAINS, found, part, #found, #part)
#define nx_require_contains(found, part) NX__COMPARE(true, CONTAINS, found, part, #found, #part)

/* The expression is NX_OK; else nx_error_last() is shown. */
#define nx_expect_ok(...)                                                                          \
    nx_test_error(NX__SITE(false, #__VA_ARGS__, NULL), NX_OK, (int)(__VA_ARGS__))
#define nx_require_ok(...)                                                                         \
    nx_test_error(NX__SITE(true, #__VA_ARGS__, NULL), NX_OK, (int)(__VA_ARGS__))

/* The expression is this error. */
#define nx_expect_err(code, ...)                                                                   \
    nx_test_error(NX__SITE(false, #__VA_ARGS__, #code), (int)(code), (int)(__VA_ARGS__))
#define nx_require_err(code, ...)                                                                  \
    nx_test_error(NX__SITE(true, #__VA_ARGS__, #code), (int)(code), (int)(__VA_ARGS__))

/* Fails with a text of your own, and goes on. */
#define nx_test_fail(...) nx_test_failed(NX__SITE(false, NULL, NULL), __VA_ARGS__)

/* ---- HTTP without a port */

typedef struct nx_test_answer {
    int status;
    nx_bytes body;   /* as a whole, out of its chunks */
    nx_bytes head;   /* the status line and the header fields as they came */
    nx_bytes reason; /* "OK" */
} nx_test_answer;

typedef struct nx_test_request_options {
    size_t size;
    const char *method; /* "GET", or "POST" where there is a body */
    const char *path;   /* with the query, "/" */
    const char *const
        *headers;     /* names and values by turns, NULL at the end: nx_headers("a", "b") */
    const char *body; /* a string */
    nx_bytes bytes;   /* or bytes */
    nx_value json;    /* or a value, which brings its content-type */
} nx_test_request_options;

/* Names and values of header fields by turns. */
#define nx_headers(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Sends a request to a server that need not listen and needs no permission: over a socket pair,
 * through the same parser, router and handlers as any other. Returns when the answer is whole and
 * the handler has ended. The answer is memory of the current scope. NX_EINVAL (a mistake in the
 * server's routes or options, or in the request), NX_EPROTO (no proper answer), NX_ETOOBIG (over
 * 64 MiB), NX_ECANCELED, NX_ENOMEM. Suspends.
 *   nx_require_ok(nx_test_request(server, &answer, .method = "POST", .path = "/", .body = "x")); */
NX_API NX_MUST_CHECK nx_err nx_test_request_with(nx_http_server *server, nx_test_answer *answer,
                                                 const nx_test_request_options *options);
#define nx_test_request(server, answer, ...)                                                       \
    nx_test_request_with(                                                                          \
        (server), (answer),                                                                        \
        &(nx_test_request_options){.size = sizeof(nx_test_request_options), __VA_ARGS__})

/* The first header field of that name, whatever its case; `data` is NULL if there is none. */
NX_API nx_bytes nx_test_answer_header(const nx_test_answer *answer, const char *name);

/* ---- Benchmarks, run with --bench */

typedef struct nx_bench {
    uint64_t left_; /* turns of the sample at hand */
} nx_bench;

/* Declares a benchmark; `b` is its nx_bench. What comes before the loop is not measured:
 *   NX_BENCH("hash 1 KiB") { char data[1024] = {0}; while (nx_bench_loop(b))
 * nx_bench_use(hash(data)); } */
#define NX_BENCH(...) NX__BENCH(NX__TEST_ID, __VA_ARGS__)

/* True while there is to be one more turn. Times the turns in samples, after a warm-up. */
NX_API bool nx_bench_more(nx_bench *b);
static inline bool nx_bench_loop(nx_bench *b)
{
    if (b->left_ > 1) {
        b->left_--;
        return true;
    }
    return nx_bench_more(b);
}

/* How many bytes a turn works on; then MB/s are shown too. */
NX_API void nx_bench_bytes(nx_bench *b, uint64_t bytes);

/* Uses a number, a pointer or nx_bytes, so that the compiler can't leave out what makes it. */
#define nx_bench_use(value) nx_bench_used(NX__SCALAR(value)(value))

/* ---- What the macros are made of; of no use by itself. */

typedef enum nx_test_kind {
    NX_TEST_BOOL,
    NX_TEST_CHAR,
    NX_TEST_INT,
    NX_TEST_UINT,
    NX_TEST_REAL,
    NX_TEST_STRING,
    NX_TEST_BYTES,
    NX_TEST_POINTER
} nx_test_kind;

typedef enum nx_test_relation {
    NX_TEST_EQ,
    NX_TEST_NE,
    NX_TEST_LT,
    NX_TEST_LE,
    NX_TEST_GT,
    NX_TEST_GE,
    NX_TEST_CONTAINS
} nx_test_relation;

typedef struct nx_test_value {
    nx_test_kind kind;
    union {
        long long integer;
        unsigned long long uinteger;
        double real;
        const volatile void *pointer;
        nx_bytes bytes; /* a string too; `data` may be NULL */
    } as;
} nx_test_value;

typedef struct nx_test_site {
    const char *file;
    int line;
    bool hard;
    const char *first, *second; /* the expressions */
} nx_test_site;

static inline nx_test_value nx_test_of_int(long long n)
{
    nx_test_value v;
    v.kind = NX_TEST_INT;
    v.as.integer = n;
    return v;
}
static inline nx_test_value nx_test_of_uint(unsigned long long n)
{
    nx_test_value v;
    v.kind = NX_TEST_UINT;
    v.as.uinteger = n;
    return v;
}
static inline nx_test_value nx_test_of_bool(bool b)
{
    nx_test_value v = nx_test_of_int(b);
    v.kind = NX_TEST_BOOL;
    return v;
}
static inline nx_test_value nx_test_of_char(char c)
{
    nx_test_value v = nx_test_of_int(c);
    v.kind = NX_TEST_CHAR;
    return v;
}
static inline nx_test_value nx_test_of_real(double d)
{
    nx_test_value v;
    v.kind = NX_TEST_REAL;
    v.as.real = d;
    return v;
}
static inline nx_test_value nx_test_of_bytes(nx_bytes b)
{
    nx_test_value v;
    v.kind = NX_TEST_BYTES;
    v.as.bytes = b;
    return v;
}
static inline nx_test_value nx_test_of_string(const char *s)
{
    nx_test_value v = nx_test_of_bytes(nx_slice(s, s ? strlen(s) : 0));
    v.kind = NX_TEST_STRING;
    return v;
}
static inline nx_test_value nx_test_of_pointer(const volatile void *p)
{
    nx_test_value v;
    v.kind = NX_TEST_POINTER;
    v.as.pointer = p;
    return v;
}

/* clang-format off */
/* What makes a value of a number, nx_bytes or a pointer; and of a string and the rest too. */
#define NX__SCALAR(x)                                                                              \
    _Generic((x), bool: nx_test_of_int, char: nx_test_of_int, signed char: nx_test_of_int,         \
        unsigned char: nx_test_of_uint, short: nx_test_of_int, unsigned short: nx_test_of_uint,    \
        int: nx_test_of_int, unsigned int: nx_test_of_uint, long: nx_test_of_int,                  \
        unsigned long: nx_test_of_uint, long long: nx_test_of_int,                                 \
        unsigned long long: nx_test_of_uint, float: nx_test_of_real, double: nx_test_of_real,      \
        nx_bytes: nx_test_of_bytes, default: nx_test_of_pointer)
#define NX__VALUE(x)                                                                               \
    _Generic((x), bool: nx_test_of_bool, char: nx_test_of_char, char *: nx_test_of_string,         \
        const char *: nx_test_of_string, default: NX__SCALAR(x))(x)
/* clang-format on */

#define NX__SITE(hard, first, second)                                                              \
    (&(const nx_test_site){__FILE__, __LINE__, (hard), (first), (second)})
/* The texts are made where the macro is called, with what is written there. */
#define NX__COMPARE(hard, relation, found, wanted, first, second)                                  \
    nx_test_compare(NX__SITE(hard, first, second), NX_TEST_##relation, NX__VALUE(found),           \
                    NX__VALUE(wanted))

NX_API bool nx_test_true(const nx_test_site *site, int held);
NX_API bool nx_test_compare(const nx_test_site *site, nx_test_relation relation,
                            nx_test_value found, nx_test_value wanted);
NX_API bool nx_test_near(const nx_test_site *site, double found, double wanted, double tolerance);
NX_API bool nx_test_error(const nx_test_site *site, int wanted, int found);
NX_API void nx_test_failed(const nx_test_site *site, const char *format, ...) NX_PRINTF(2, 3);
NX_API void nx_test_skip(const char *file, int line, const char *format, ...) NX_PRINTF(3, 4);
NX_API void nx_bench_used(nx_test_value value);

/* A subtest begins, and its depth is returned, from 1; it has ended, and -1 is; where a hard
 * failure in it goes on. `frame` tells whether its function still runs, where `cleanup` does not.
 */
NX_API int nx_subtest_open(const void *frame, const char *file, int line, const char *format, ...)
    NX_PRINTF(4, 5);
NX_API int nx_subtest_close(int depth);
NX_API jmp_buf *nx_subtest_jump(void);
static inline void nx_subtest_auto(volatile int *depth)
{
    if (*depth > 0) (void)nx_subtest_close(*depth);
}

#if defined(__TINYC__)
#define NX__SUBTEST_DEPTH(depth) int depth
#define NX__SUBTEST_FRAME(depth) &depth
#else
#define NX__SUBTEST_DEPTH(depth) __attribute__((cleanup(nx_subtest_auto))) volatile int depth
#define NX__SUBTEST_FRAME(depth) NULL
#endif
#define NX__SUBTEST(id, ...) NX__SUBTEST_(id, __VA_ARGS__)
#define NX__SUBTEST_(id, ...)                                                                      \
    for (NX__SUBTEST_DEPTH(nx_open_##id) = 0;                                                      \
         nx_open_##id >= 0 && (nx_open_##id = nx_subtest_open(NX__SUBTEST_FRAME(nx_open_##id),     \
                                                              __FILE__, __LINE__, __VA_ARGS__));   \
         nx_open_##id = nx_subtest_close(nx_open_##id))                                            \
        if (setjmp(*nx_subtest_jump()) == 0)                                                       \
            for (int nx_once_##id = 1; nx_once_##id; nx_once_##id = 0)

/* tcc knows no constructors: there the runtime looks the records up by their names. */
#if defined(__TINYC__)
#define NX__TEST_ID __LINE__
#define NX__TEST_RECORD(id, ...)                                                                   \
    nx_test nx_test_record_##id = {.file = __FILE__, .line = __LINE__, __VA_ARGS__};
#else
#define NX__TEST_ID __COUNTER__
#define NX__TEST_RECORD(id, ...)                                                                   \
    static nx_test nx_test_record_##id = {.file = __FILE__, .line = __LINE__, __VA_ARGS__};        \
    __attribute__((constructor)) static void nx_test_add_##id(void)                                \
    {                                                                                              \
        nx_test_register(&nx_test_record_##id);                                                    \
    }
#endif

#define NX__TEST(id, ...) NX__TEST_(id, __VA_ARGS__)
#define NX__TEST_(id, ...)                                                                         \
    static void nx_test_body_##id(void);                                                           \
    static void nx_test_run_##id(void *data)                                                       \
    {                                                                                              \
        (void)data;                                                                                \
        nx_test_body_##id();                                                                       \
    }                                                                                              \
    NX__TEST_RECORD(id, .run = nx_test_run_##id, .name = __VA_ARGS__)                              \
    static void nx_test_body_##id(void)

#define NX__TEST_WITH(id, type, variable, ...) NX__TEST_WITH_(id, type, variable, __VA_ARGS__)
#define NX__TEST_WITH_(id, type, variable, ...)                                                    \
    static void nx_test_body_##id(type *variable);                                                 \
    static void nx_test_run_##id(void *data)                                                       \
    {                                                                                              \
        nx_test_body_##id((type *)data);                                                           \
    }                                                                                              \
    NX__TEST_RECORD(id, .run = nx_test_run_##id, .fixture = &type##_nx_fixture,                    \
                    .name = __VA_ARGS__)                                                           \
    static void nx_test_body_##id(type *variable)

#define NX__BENCH(id, ...) NX__BENCH_(id, __VA_ARGS__)
#define NX__BENCH_(id, ...)                                                                        \
    static void nx_test_body_##id(nx_bench *b);                                                    \
    static void nx_test_run_##id(void *data)                                                       \
    {                                                                                              \
        nx_test_body_##id((nx_bench *)data);                                                       \
    }                                                                                              \
    NX__TEST_RECORD(id, .bench = true, .run = nx_test_run_##id, .name = __VA_ARGS__)               \
    static void nx_test_body_##id(nx_bench *b)

#ifdef __cplusplus
}
#endif

#endif
