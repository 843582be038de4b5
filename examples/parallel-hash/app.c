/* Hashes the files below a directory on all cores, and says how far it is:
 *
 *     nexus run app.c --allow-read=src -- src */
#include <nexus/console.h>
#include <nexus/fs.h>
#include <nexus/worker.h>
#include <stdio.h>

enum { PIECE = 32 * 1024 };

struct file {
    const char *path;
    uint64_t hash;
};

struct job {
    struct file *files;
    size_t count;
    nx_channel *done; /* of bytes, from the threads that hash to the fiber that draws */
};

/* Gathers the files, as memory of the scope. */
static nx_err list(const char *directory, struct job *job)
{
    NX_AUTO(nx_walk) *walk = NULL;
    nx_fs_entry entry;
    nx_err err;
    size_t room = 0;
    NX_TRY(nx_fs_walk(&walk, directory));
    while ((err = nx_walk_next(walk, &entry)) == NX_OK) {
        if (entry.type != NX_FILE_REGULAR) continue;
        if (job->count == room) {
            struct file *more = nx_alloc_zero(room = room ? 2 * room : 64, sizeof *more);
            if (!more) return NX_ENOMEM;
            if (job->count) memcpy(more, job->files, job->count * sizeof *more);
            job->files = more;
        }
        job->files[job->count].path = nx_copy(nx_str(entry.path));
        if (!job->files[job->count++].path) return NX_ENOMEM;
    }
    return err == NX_ECLOSED ? NX_OK : err;
}

/* FNV-1a: for finding what is the same, not for keeping anybody out. */
static uint64_t hash_more(uint64_t hash, const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) hash = (hash ^ data[i]) * 0x100000001b3u;
    return hash;
}

/* On any core: the files are nobody else's meanwhile, each has one that does it. */
static nx_err hash_file(size_t index, void *arg)
{
    struct job *job = arg;
    struct file *file = &job->files[index];
    NX_AUTO(nx_file) *in = NULL;
    unsigned char piece[PIECE]; /* a fiber has 256 KiB of stack */
    uint64_t hash = 0xcbf29ce484222325u;
    size_t got;
    NX_TRY(nx_fs_open(&in, file->path));
    do {
        NX_TRY(nx_file_read(in, piece, PIECE, &got));
        hash = hash_more(hash, piece, got);
        NX_TRY(nx_send(job->done, &got));
    } while (got);
    file->hash = hash;
    return NX_OK;
}

static nx_err draw(void *arg)
{
    struct job *job = arg;
    NX_AUTO(nx_progress) *progress = nx_progress_new("hashing", .unit = NX_UNIT_BYTES);
    size_t got;
    while (nx_recv(job->done, &got) == NX_OK) nx_progress_add(progress, got);
    nx_progress_end(progress);
    return NX_OK;
}

int main(int argc, char **argv)
{
    struct job job = {0};
    nx_fiber *drawer;
    NX_TRY(list(argc > 1 ? argv[1] : ".", &job));
    NX_TRY(nx_channel_new_shared(&job.done, sizeof(size_t), 64));
    nx_err err = nx_spawn(&drawer, draw, &job);
    if (!err) {
        err = nx_parallel(job.count, hash_file, &job);
        nx_channel_close(job.done);
        NX_IGNORE(nx_join(drawer));
    }
    nx_channel_free(job.done);
    NX_TRY(err);
    for (size_t i = 0; i < job.count; i++)
        printf("%016llx  %s\n", (unsigned long long)job.files[i].hash, job.files[i].path);
    return NX_OK;
}
