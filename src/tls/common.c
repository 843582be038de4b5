/* What clients' and servers' contexts share. */
#include "base/error.h"
#include "crypto/library.h"
#include "permission/permission.h"
#include "tls/context.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- The key log */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int log_index = -1;

static void log_close(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long number,
                      void *pointer)
{
    (void)parent, (void)all, (void)index, (void)number, (void)pointer;
    if (data) (void)close((int)(intptr_t)data - 1);
}

static void begin(void)
{
    log_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, log_close);
}

/* One write for a line, so that those of several threads and processes do not mix. */
static void log_line(const SSL *ssl, const char *line)
{
    char text[512];
    int fd = (int)(intptr_t)SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), log_index) - 1;
    size_t len = strlen(line);
    if (fd < 0 || len + 1 > sizeof text) return;
    memcpy(text, line, len);
    text[len] = '\n';
    while (write(fd, text, len + 1) < 0 && errno == EINTR) {}
    nx_wipe(text, len);
}

static nx_err log_to(SSL_CTX *ctx, const char *path)
{
    (void)pthread_once(&once, begin);
    NX_TRY(nx__permit(NX__PERMIT_WRITE, path));
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return nx__error_system(errno, "cannot open the key log \"%s\"", path);
    if (log_index < 0 || !SSL_CTX_set_ex_data(ctx, log_index, (void *)(intptr_t)(fd + 1))) {
        (void)close(fd);
        return nx__crypto_failed("prepare TLS");
    }
    SSL_CTX_set_keylog_callback(ctx, log_line);
    return NX_OK;
}

/* The one that the environment names is for whoever looks into a program from outside: that it
 * can't be written ends nothing. */
static const char *log_of_environment(void)
{
    static const char variable[] = "SSLKEYLOGFILE";
    const char *path = getenv(variable);
    return path && *path && !nx__permit(NX__PERMIT_ENV, variable) ? path : NULL;
}

/* ---- All of it */

nx_err nx__tls_common(SSL_CTX *ctx, const struct nx__tls_common *how)
{
    bool good = SSL_CTX_set_min_proto_version(ctx, how->least == NX_TLS_1_3 ? TLS1_3_VERSION
                                                                            : TLS1_2_VERSION) &&
                SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
                SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768:X25519:P-256:P-384") &&
                /* Of TLS 1.2: with secrets that end with the connection, and no CBC. */
                SSL_CTX_set_strict_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
    ERR_clear_error();
    if (!good) return nx__error_set(NX_ENOMEM, "cannot prepare TLS: out of memory");
    if (how->key_log) return log_to(ctx, how->key_log);
    const char *path = log_of_environment();
    if (path) NX_IGNORE(log_to(ctx, path));
    return NX_OK;
}
