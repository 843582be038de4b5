/* nexus cert: an authority of one's own, and certificates for developing with HTTPS. */
#include "cli/cli.h"
#include "tls/issue.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AUTHORITY_DAYS = 3650, DAYS = 397 /* browsers take no more */, NAMES_MOST = 64 };

struct paths {
    char folder[PATH_MAX - 64], cert[PATH_MAX], key[PATH_MAX];
};

static nx_err find_authority(struct paths *out)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int n = -1;
    if (data && *data == '/')
        n = snprintf(out->folder, sizeof out->folder, "%s/nexus", data);
    else if (home && *home == '/')
        n = snprintf(out->folder, sizeof out->folder, "%s/.local/share/nexus", home);
    if (n < 0 || (size_t)n >= sizeof out->folder) {
        (void)nx__error_set(NX_ENOENT, "there is no folder for the authority: set HOME");
        return NX_ENOENT;
    }
    (void)snprintf(out->cert, sizeof out->cert, "%s/authority.crt", out->folder);
    (void)snprintf(out->key, sizeof out->key, "%s/authority.key", out->folder);
    return NX_OK;
}

static nx_err make_folders(const char *path)
{
    char part[PATH_MAX];
    for (const char *at = path + 1;; at++) {
        if (*at && *at != '/') continue;
        (void)snprintf(part, sizeof part, "%.*s", (int)(at - path), path);
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return nx__error_system(errno, "cannot make the folder \"%s\"", part);
        if (!*at) return NX_OK;
    }
}

/* Whole or not at all, and never through a link that somebody has put there. */
static nx_err write_file(const char *path, const struct nx__buffer *text, mode_t mode)
{
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof temporary)
        return nx__error_set(NX_EINVAL, "the path \"%.100s...\" is too long", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) return nx__error_system(errno, "cannot write \"%s\"", path);
    size_t done = 0;
    while (done < text->len) {
        ssize_t got = write(fd, text->data + done, text->len - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) break;
        done += (size_t)got;
    }
    bool good = done == text->len && fsync(fd) == 0;
    good = close(fd) == 0 && good && rename(temporary, path) == 0;
    if (good) return NX_OK;
    int error = errno;
    (void)unlink(temporary);
    return nx__error_system(error, "cannot write \"%s\"", path);
}

static void drop(struct nx__buffer *cert, struct nx__buffer *key)
{
    if (key->data) explicit_bzero(key->data, key->capacity);
    nx__buffer_free(cert);
    nx__buffer_free(key);
}

static nx_err write_both(const struct nx__tls_issue *what, const char *cert, const char *key)
{
    struct nx__buffer text, secret;
    NX_TRY(nx__tls_issue(what, &text, &secret));
    nx_err err = write_file(key, &secret, 0600);
    if (!err) err = write_file(cert, &text, 0644);
    drop(&text, &secret);
    return err;
}

/* `*made` says whether it is new. */
static nx_err authority(const struct paths *paths, bool *made)
{
    char host[64] = "", common[64];
    *made = access(paths->cert, R_OK) != 0;
    if (!*made) return NX_OK;
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(common, sizeof common, "Nexus development, %.40s", host);
    NX_TRY(make_folders(paths->folder));
    return write_both(&(struct nx__tls_issue){.common = common, .days = AUTHORITY_DAYS},
                      paths->cert, paths->key);
}

/* Who does not know the authority yet: said once, when it is made, or on request. */
static void say_install(const char *cert)
{
    (void)printf(
        "\n"
        "Clients trust the authority once they know it (keep %.*s.key to yourself):\n"
        "  curl               curl --cacert %s https://localhost:PORT\n"
        "  Node               NODE_EXTRA_CA_CERTS=%s node ...\n"
        "  Debian, Ubuntu     sudo cp %s /usr/local/share/ca-certificates/nexus.crt && sudo "
        "update-ca-certificates\n"
        "  Fedora             sudo trust anchor %s\n"
        "  Chromium           certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n nexus -i %s\n"
        "  Firefox            Settings, Certificates, Authorities, Import\n"
        "  macOS              sudo security add-trusted-cert -d -k "
        "/Library/Keychains/System.keychain %s\n",
        (int)(strlen(cert) - 4), cert, cert, cert, cert, cert, cert, cert);
}

/* The files are called after the first name; "*" is none for a file. */
static nx_err file_names(const char *name, char cert[PATH_MAX], char key[PATH_MAX])
{
    char stem[300];
    int n = snprintf(stem, sizeof stem, "%s%s", *name == '*' ? "star" : "",
                     *name == '*' ? name + 1 : name);
    if (n < 0 || (size_t)n >= sizeof stem || strchr(stem, '/'))
        return nx__error_set(NX_EINVAL, "\"%.100s\" is no name of a host", name);
    for (char *c = stem; *c; c++)
        if (*c == ':') *c = '-';
    (void)snprintf(cert, PATH_MAX, "%s.crt", stem);
    (void)snprintf(key, PATH_MAX, "%s.key", stem);
    return NX_OK;
}

static nx_err issue(const char *const *names, size_t count, bool force)
{
    struct paths paths;
    char cert[PATH_MAX], key[PATH_MAX];
    bool made;
    NX_TRY(find_authority(&paths));
    NX_TRY(file_names(names[0], cert, key));
    if (!force && (access(cert, F_OK) == 0 || access(key, F_OK) == 0))
        return nx__error_set(NX_EEXIST, "%s or %s is there already; --force replaces both", cert,
                             key);
    NX_TRY(authority(&paths, &made));
    const struct nx__tls_issue what = {.common = strlen(names[0]) <= 64 ? names[0] : "server",
                                       .names = names,
                                       .count = count,
                                       .days = DAYS,
                                       .ca_cert = paths.cert,
                                       .ca_key = paths.key};
    NX_TRY(write_both(&what, cert, key));
    (void)printf("%s and %s: for", cert, key);
    for (size_t i = 0; i < count; i++) (void)printf("%s %s", i ? "," : "", names[i]);
    (void)printf("; %d days\nThey come from the authority %s%s\n", DAYS, paths.cert,
                 made ? ", which is new" : "");
    if (made) say_install(paths.cert);
    return NX_OK;
}

static int run(int argc, char **argv)
{
    static const char *const usual[] = {"localhost", "127.0.0.1", "::1"};
    const char *names[NAMES_MOST];
    size_t count = 0;
    bool force = false, install = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--force") == 0)
            force = true;
        else if (strcmp(argv[i], "--install") == 0)
            install = true;
        else if (argv[i][0] == '-')
            return nx__cli_usage("nexus cert has no option %s", argv[i]);
        else if (count == NAMES_MOST)
            return nx__cli_usage("nexus cert takes %d names at most", NAMES_MOST);
        else
            names[count++] = argv[i];
    }
    nx_err err;
    if (install) {
        struct paths paths;
        bool made;
        err = find_authority(&paths);
        if (!err) err = authority(&paths, &made);
        if (!err) say_install(paths.cert);
    } else {
        err = count ? issue(names, count, force) : issue(usual, 3, force);
    }
    if (err) return nx__cli_fail(err);
    return fflush(stdout) == 0 ? 0 : NX_EIO;
}

static const struct nx__flag flags[] = {
    {.name = "--force", .summary = "replace files that are there"},
    {.name = "--install", .summary = "say how clients get to know the authority"},
    NX__FLAG_HELP,
    NX__FLAGS_END,
};

const struct nx__command nx__command_cert = {
    .name = "cert",
    .summary = "make a certificate for developing with HTTPS",
    .flags = flags,
    .help =
        "Usage: nexus cert [--force] [NAME...]\n"
        "\n"
        "Writes NAME.crt and NAME.key, after the first name, into the current folder: for all of\n"
        "the names, which are hosts, \"*.example.test\" or addresses. Without a name it is for\n"
        "localhost, 127.0.0.1 and ::1. They come from an authority of your own, which is made the\n"
        "first time, in ~/.local/share/nexus.\n"
        "\n"
        "  --force     replace files that are there\n"
        "  --install   say how clients get to know the authority\n"
        "\n"
        "Examples:\n"
        "  nexus cert\n"
        "  nexus cert app.test '*.app.test' 192.168.1.7\n",
    .run = run,
};
