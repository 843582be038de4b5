/* Downloads into a file, which go on where they were cut off. */
#include "http/client/client.h"

#include "base/clock.h"
#include "http/h1/syntax.h"
#include <nexus/fiber.h>
#include <nexus/fs.h>
#include <nexus/timer.h>
#include <stdlib.h>

#define PROGRESS_EVERY NX_MS(100)
#define RESUME_DELAY   NX_MS(200)

enum { RESUMES = 5, MARK_MOST = 512 /* bytes of a validator that is kept */ };

struct download {
    const char *url, *path, *part, *mark_path;
    nx_download_options o;
    nx_file *file;
    uint64_t done;             /* bytes that are there */
    int64_t total;             /* -1: unknown */
    nx_bytes mark;             /* of the version that they are of; empty: none */
    nx_duration told;          /* when progress was */
    char mark_text[MARK_MOST]; /* memory of `mark`, once something was asked */
};

static nx_err failed(const struct download *d, nx_err err, const char *why)
{
    return nx__error_set(err, "cannot download \"%.90s\": %s", d->url, why);
}

/* ---- What is there already */

/* A strong validator (RFC 9110 8.8.1): parts of two versions that share a weak one don't fit. */
static nx_bytes validator(const nx_fetched *res)
{
    nx_bytes etag = nx_fetched_header(res, "etag");
    if (etag.len > 1 && etag.len <= MARK_MOST && *etag.data == '"') return etag;
    return (nx_bytes){0};
}

static nx_err begin(struct download *d)
{
    nx_stat st;
    nx_bytes mark = {0};
    if (!d->o.fresh && nx_fs_read_file(d->mark_path, &mark) == NX_OK && mark.len <= MARK_MOST)
        d->mark = mark;
    for (size_t i = 0; i < d->mark.len; i++)
        if (!nx__h1_is(d->mark.data[i], NX__H1_VALUE)) d->mark.len = 0;
    NX_TRY(nx_fs_open(&d->file, d->part, .write = true, .create = true));
    NX_TRY(nx_file_stat(d->file, &st));
    d->done = d->mark.len ? st.size : 0;
    return NX_OK;
}

static nx_err from_start(struct download *d, const nx_fetched *res)
{
    d->done = 0;
    NX_TRY(nx_file_truncate(d->file, 0));
    d->mark = validator(res);
    if (d->mark.len) return nx_fs_write_file(d->mark_path, d->mark);
    NX_IGNORE(nx_fs_remove(d->mark_path));
    return NX_OK;
}

/* "bytes 5-9/10", "bytes 5-9/ *": begins where we are, or the server does as it likes. */
static bool range_read(nx_bytes text, uint64_t *from, int64_t *total)
{
    static const char unit[] = "bytes ";
    size_t at = sizeof unit - 1;
    uint64_t numbers[3] = {0};
    if (text.len < at || !nx__ascii_ieq(text.data, unit, at)) return false;
    for (int i = 0; i < 3; i++) {
        size_t start = at;
        while (at < text.len && nx__h1_is_digit(text.data[at]) && at - start < 18)
            numbers[i] = numbers[i] * 10 + (uint64_t)(text.data[at++] - '0');
        bool unknown = i == 2 && at == start && at < text.len && text.data[at] == '*';
        if (unknown) {
            *from = numbers[0];
            *total = -1;
            return true;
        }
        if (at == start || (i < 2 && (at == text.len || text.data[at] != (i ? '/' : '-'))))
            return false;
        if (i < 2) at++;
    }
    *from = numbers[0];
    *total = (int64_t)numbers[2];
    return at == text.len && numbers[0] <= numbers[1] && numbers[1] < numbers[2];
}

/* ---- One try */

static nx_err tell(struct download *d, bool last)
{
    nx_duration now = nx__clock_monotonic();
    if (!d->o.progress || (!last && now - d->told < d->o.progress_every)) return NX_OK;
    d->told = now;
    return d->o.progress(d->o.arg, d->done, d->total);
}

/* `*local`: what has failed is not the connection. */
static nx_err body_write(struct download *d, nx_fetched *res, bool *local)
{
    for (;;) {
        nx_bytes piece;
        *local = false;
        NX_TRY(nx_fetched_read(res, &piece));
        *local = true;
        if (!piece.len) return NX_OK;
        uint64_t most = d->o.max_size; /* of which an earlier call may have left more */
        if (most && (d->done > most || piece.len > most - d->done))
            return failed(d, NX_ETOOBIG, "it is larger than max_size");
        NX_TRY(nx_file_write_at(d->file, d->done, piece));
        d->done += piece.len;
        NX_TRY(tell(d, false));
    }
}

static nx_err answer_take(struct download *d, nx_fetched *res, bool *local)
{
    int status = nx_fetched_status(res);
    int64_t length = nx_fetched_length(res);
    uint64_t from;
    *local = true;
    if (status == 206 && d->done) {
        if (!range_read(nx_fetched_header(res, "content-range"), &from, &d->total) ||
            from != d->done)
            return failed(d, NX_EPROTO, "the server gives another part than was asked for");
    } else if (status == 200) {
        NX_TRY(from_start(d, res));
        d->total = length;
    } else if (status == 416 && d->done) {
        /* Nothing is behind what is there: either that is all, or it is of something else. */
        d->mark.len = 0;
        *local = false;
        return failed(d, NX_ERESET, "the server has another version now");
    } else {
        return failed(d, status == 404 ? NX_ENOENT : NX_EFAILED,
                      nx_format("the server answers %d", status));
    }
    if (d->o.max_size && d->total > 0 && (uint64_t)d->total > d->o.max_size)
        return failed(d, NX_ETOOBIG, "it is larger than max_size");
    NX_TRY(body_write(d, res, local));
    if (d->total >= 0 && d->done != (uint64_t)d->total)
        return failed(d, NX_EPROTO, "the server has given less than it has announced");
    return NX_OK;
}

static nx_err try(struct download *d, bool *local)
{
    enum { OWN = 4 };
    nx_fetch_options o = d->o.fetch ? *d->o.fetch : (nx_fetch_options){.size = sizeof o};
    size_t count = 0;
    nx_fetched *res;
    *local = false;
    while (o.headers && o.headers[count]) count++;
    const char **headers = nx_alloc((count + OWN + 1) * sizeof *headers);
    if (!headers) return failed(d, NX_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) headers[i] = o.headers[i];
    if (d->done && d->mark.len) {
        headers[count++] = "range";
        headers[count++] = nx_format("bytes=%llu-", (unsigned long long)d->done);
        headers[count++] = "if-range";
        headers[count++] = nx_copy(d->mark);
    } else {
        d->done = 0;
    }
    headers[count] = NULL;
    for (size_t i = 0; i < count; i++)
        if (!headers[i]) return failed(d, NX_ENOMEM, "out of memory");
    o.headers = headers;
    o.raw = true; /* a part of what is encoded is no part of what is meant */
    nx_err err = nx_fetch_with(&res, d->url, &o);
    if (!err) err = answer_take(d, res, local);
    return err;
}

/* In a scope of its own; what outlives it is copied into the download's. */
static nx_err try_apart(struct download *d, bool *local)
{
    nx_scope *scope;
    NX_TRY(nx_scope_open(&scope));
    nx_err err = try(d, local);
    if (d->mark.len) memmove(d->mark_text, d->mark.data, d->mark.len);
    d->mark.data = d->mark_text;
    struct nx__context kept;
    memcpy(&kept, nx__context(), sizeof kept);
    nx_err closed = nx_scope_close(&scope);
    if (err) memcpy(nx__context(), &kept, sizeof kept);
    return err ? err : closed;
}

static bool goes_on(nx_err err)
{
    return err == NX_ERESET || err == NX_EPROTO || err == NX_ETIMEDOUT || err == NX_EREFUSED ||
           err == NX_EUNREACH;
}

static nx_err download(struct download *d)
{
    NX_TRY(begin(d));
    for (uint32_t resumed = 0;; resumed++) {
        bool local = false;
        uint64_t before = d->done;
        nx_err err = try_apart(d, &local);
        if (!err) break;
        if (local || !goes_on(err) || resumed >= d->o.resumes) return err;
        struct nx__context kept;
        memcpy(&kept, nx__context(), sizeof kept);
        NX_TRY(nx_sleep(d->done > before ? 0 : RESUME_DELAY));
        memcpy(nx__context(), &kept, sizeof kept);
    }
    d->total = (int64_t)d->done;
    NX_TRY(tell(d, true));
    NX_TRY(nx_file_sync_data(d->file));
    nx_file *file = d->file;
    d->file = NULL;
    NX_TRY(nx_file_close(file));
    NX_TRY(nx_fs_rename(d->part, d->path));
    NX_IGNORE(nx_fs_remove(d->mark_path));
    return NX_OK;
}

nx_err nx_download_with(const char *url, const char *path, const nx_download_options *options)
{
    NX__OPTIONS(nx_download_options, o, options);
    if (!o.progress_every) o.progress_every = PROGRESS_EVERY;
    if (!o.resumes) o.resumes = RESUMES;
    struct download d = {.url = url,
                         .path = path,
                         .part = nx_format("%s.part", path),
                         .mark_path = nx_format("%s.part.of", path),
                         .o = o,
                         .total = -1};
    if (!d.part || !d.mark_path) return failed(&d, NX_ENOMEM, "out of memory");
    nx_err err = download(&d);
    struct nx__context kept;
    memcpy(&kept, nx__context(), sizeof kept);
    if (d.file) NX_IGNORE(nx_file_close(d.file));
    /* Without a mark nobody could go on with it. */
    if (err && !d.mark.len) NX_IGNORE(nx_fs_remove(d.part));
    if (err) memcpy(nx__context(), &kept, sizeof kept);
    return err;
}
