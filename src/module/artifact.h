/* Compiled WebAssembly in a file of its own, x.cwasm: what `nexus compile` makes. It is machine
 * code, and is run as what it says it is. */
#ifndef NX__ARTIFACT_H
#define NX__ARTIFACT_H

#include "base/error.h"

enum {
    NX__ARTIFACT_TARGET = 40, /* bytes of a processor's name */
    NX__ARTIFACT_TAIL = 128,  /* bytes at the end of the file that describe it */
};

struct nx__artifact {
    bool current; /* this version can tell what is below */
    bool metered; /* it counts fuel */
    char target[NX__ARTIFACT_TARGET];
    char hash[65];
};

/* True for the name of one. */
bool nx__is_artifact(const char *name);

/* This machine's processor, as `target` has it. */
void nx__artifact_host(char out[NX__ARTIFACT_TARGET]);

/* Opens one for reading, checked: its owner, who may write it, that it is whole and unchanged, by
 * which version and for which processor it was made. `path` is for messages too. NX_ENOENT,
 * NX_EACCES, NX_EINVAL, recorded. */
NX_MUST_CHECK nx_err nx__artifact_open(const char *path, int *out);

/* What one that was checked says of itself. NX_EINVAL, recorded. */
NX_MUST_CHECK nx_err nx__artifact_read(int fd, const char *path, struct nx__artifact *out);

/* The same from its last bytes, whatever they are. False where they are of no such file. */
bool nx__artifact_parse(const char bytes[NX__ARTIFACT_TAIL], struct nx__artifact *out);

/* Writes machine code, which lies in the file `code`, with what it is, whole or not at all. NX_EIO
 * and others, recorded. */
NX_MUST_CHECK nx_err nx__artifact_write(const char *path, int code,
                                        const struct nx__artifact *what);

#endif
