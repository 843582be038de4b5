/* What a C program compiled to WebAssembly has of Nexus: requests, files, logs, time, keys and
 * values. It takes nothing else of Nexus: the functions are imported from the module "nexus", and
 * `nexus run x.wasm`, or a C program with `.nexus = true`, gives them, as far as its policy goes.
 * For any other language they are i32 and i64 under these names, a `const char *` with its `len`
 * being an address and a length in the guest's "memory".
 *
 *     int32_t answer = nexus_http_fetch(NEXUS_TEXT("http://127.0.0.1:3000/"));
 *     if (answer < 0) return 1;
 *     char piece[4096];
 *     for (int32_t n; (n = nexus_read(answer, piece, sizeof piece)) > 0;) use(piece, n);
 *     nexus_close(answer);
 *
 * A result below 0 is an error, one of NEXUS_E... with a minus before it; nexus_error has the
 * words. Calls that wait let the program around the guest go on. What ends the guest instead, with
 * an error for who has called it: an address outside of its memory, a limit of its policy, its
 * deadline. What is open is closed when the call into the guest returns. */
#ifndef NEXUS_GUEST_H
#define NEXUS_GUEST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __wasm__
#define NEXUS__IMPORT(name) __attribute__((import_module("nexus"), import_name(#name)))
#else
#define NEXUS__IMPORT(name)
#endif

/* A literal with its length, for two arguments. */
#define NEXUS_TEXT(literal) (literal), sizeof(literal) - 1

/* Errors that a guest may want to tell apart; all are those of <nexus/base.h>. */
enum nexus_errors {
    NEXUS_EINVAL = 4,    /* an argument can't be right */
    NEXUS_ETIMEDOUT = 6, /* a server did not answer in time */
    NEXUS_EPERM = 7,     /* the policy, or the program's own grants, have it not */
    NEXUS_ENOENT = 8,    /* no such file, field or key */
    NEXUS_EPROTO = 14,   /* an answer that is no good HTTP */
    NEXUS_ETOOBIG = 22,
    NEXUS_EREFUSED = 27, /* nobody listens there */
    NEXUS_EUNREACH = 28,
    NEXUS_ENONAME = 29 /* no host has that name */
};

/* Copies the words of the last error, without a NUL and as far as there is room. Returns how long
 * they are. */
NEXUS__IMPORT(nexus_error) int32_t nexus_error(char *text, size_t len);

/* ---- Requests. The hosts that may be asked are those of allow_net. */

/* Asks by GET, and waits for the head of the answer. Returns its number. The URL is absolute. An
 * answer that leads elsewhere (3xx) is an answer: its field "location" says where to. */
NEXUS__IMPORT(nexus_http_fetch) int32_t nexus_http_fetch(const char *url, size_t len);

/* The same with a method ("": GET, or POST where there is a body), fields in lines of "name: value"
 * (at most 100, and 64 KiB), and a body (at most 16 MiB), which is copied. */
NEXUS__IMPORT(nexus_http_request)
int32_t nexus_http_request(const char *method, size_t method_len, const char *url, size_t url_len,
                           const char *fields, size_t fields_len, const void *body,
                           size_t body_len);

/* An answer's status, such as 200. */
NEXUS__IMPORT(nexus_http_status) int32_t nexus_http_status(int32_t answer);

/* Copies the first field of that name, as far as there is room. Returns how long it is. */
NEXUS__IMPORT(nexus_http_header)
int32_t nexus_http_header(int32_t answer, const char *name, size_t name_len, char *value,
                          size_t value_len);

/* ---- Files. Their paths begin with the name of a directory of allow_fs, as the guest calls it.
 * Links are not followed, and ".." leads nowhere. */

enum nexus_open {
    NEXUS_READ = 1,
    NEXUS_WRITE = 2,    /* what follows wants it, too */
    NEXUS_CREATE = 4,   /* make it where there is none */
    NEXUS_TRUNCATE = 8, /* begin with nothing */
    NEXUS_APPEND = 16   /* write at the end */
};

/* Opens a file, not a directory nor a device. Returns its number. */
NEXUS__IMPORT(nexus_fs_open) int32_t nexus_fs_open(const char *path, size_t len, int32_t how);

/* Removes a file, or a link. */
NEXUS__IMPORT(nexus_fs_remove) int32_t nexus_fs_remove(const char *path, size_t len);

/* ---- What is open, a file or an answer, by its number. How many there may be at once is
 * max_open_files. */

/* Bytes of a file, or of the body of an answer, -1 where the server has not said that. */
NEXUS__IMPORT(nexus_size) int64_t nexus_size(int32_t number);

/* Reads what is next: as much as there is, up to `len` and 1 MiB. Returns how much; 0 is the end.
 */
NEXUS__IMPORT(nexus_read) int32_t nexus_read(int32_t number, void *data, size_t len);

/* Writes into a file, up to 1 MiB of it. Returns how much. */
NEXUS__IMPORT(nexus_write) int32_t nexus_write(int32_t number, const void *data, size_t len);

NEXUS__IMPORT(nexus_close) int32_t nexus_close(int32_t number);

/* ---- Logs and time */

enum nexus_level { NEXUS_TRACE = 1, NEXUS_DEBUG, NEXUS_INFO, NEXUS_WARN, NEXUS_ERROR };

/* A line in the program's log, with the guest's name. UTF-8; past 16 KiB it is cut. */
NEXUS__IMPORT(nexus_log) void nexus_log(int32_t level, const char *message, size_t len);

/* Nanoseconds of a clock that never steps back, and since the beginning of 1970, UTC. */
NEXUS__IMPORT(nexus_time_now) int64_t nexus_time_now(void);
NEXUS__IMPORT(nexus_time_wall) int64_t nexus_time_wall(void);

/* Waits, nanoseconds. */
NEXUS__IMPORT(nexus_sleep) int32_t nexus_sleep(int64_t span);

/* ---- Keys and values: the guest's own, or those that it shares with others of the program. A key
 * has at most 1 KiB, a value 1 MiB, and all together what max_kv says. */

/* Copies a value, as far as there is room. Returns how long it is; NEXUS_ENOENT. */
NEXUS__IMPORT(nexus_kv_get)
int32_t nexus_kv_get(const void *key, size_t key_len, void *value, size_t value_len);

/* Stores it in place of what the key had. */
NEXUS__IMPORT(nexus_kv_set)
int32_t nexus_kv_set(const void *key, size_t key_len, const void *value, size_t value_len);

/* Returns 1, or 0 where there was none. */
NEXUS__IMPORT(nexus_kv_delete) int32_t nexus_kv_delete(const void *key, size_t key_len);

#ifdef __cplusplus
}
#endif

#endif
