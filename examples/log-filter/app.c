/* The lines that have a word in them, of logs that may be compressed, compressed:
 *
 *     zcat access.log.gz | nexus run app.c -- error >errors.gz
 *     nexus run app.c --allow-read=. -- error access.log app.log.gz old.log.zst >errors.gz */
#define _GNU_SOURCE 1 /* memmem */
#include <nexus/console.h>
#include <nexus/fs.h>
#include <nexus/stream.h>

enum { LINE_MOST = 1 << 20 };

static nx_err keep(void *word, nx_bytes line, nx_stream *next)
{
    if (!memmem(line.data, line.len, word, strlen(word))) return NX_OK;
    NX_TRY(nx_stream_write(next, line));
    return nx_stream_write(next, nx_str("\n"));
}

/* What is in a log, whose first bytes say how it is compressed. */
static nx_stream *log_of(nx_stream *log)
{
    nx_bytes first;
    if (nx_stream_peek(log, 4, &first) != NX_OK) return log; /* it says so again when it is read */
    if (first.len >= 2 && memcmp(first.data, "\x1f\x8b", 2) == 0)
        return nx_through(log, nx_gunzip());
    if (first.len >= 4 && memcmp(first.data, "\x28\xb5\x2f\xfd", 4) == 0)
        return nx_through(log, nx_unzstd());
    return log;
}

int main(int argc, char **argv)
{
    nx_stream *logs[64];
    size_t count = 0;
    if (argc < 2 || argc > 65) return nx_fail(NX_EUSAGE, "which word, and in which logs?");
    for (int i = 2; i < argc; i++) logs[count++] = log_of(nx_fs_reader(argv[i]));
    if (!count) logs[count++] = log_of(nx_stdin());
    return nx_pipe(nx_concat_with(logs, count), nx_lines(keep, argv[1], LINE_MOST), nx_gzip(),
                   nx_stdout());
}
