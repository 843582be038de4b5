/* Landlock: what the kernel refuses a process, and all that it starts, from now on. System calls
 * alone, so that a forked child may use it. */
#ifndef NX__LANDLOCK_H
#define NX__LANDLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* From linux/landlock.h, which older systems lack in part. */
enum nx__landlock_files {
    NX__FILES_EXECUTE = 1 << 0,
    NX__FILES_READ = 1 << 2 | 1 << 3,     /* files, and what is in directories */
    NX__FILES_DEVICES = 1 << 6 | 1 << 11, /* making them, each a way to all that they have */
    NX__FILES_WRITE = 1 << 1              /* contents */
                      | 3 << 4            /* removing */
                      | 0xf << 7          /* making directories, files, sockets, pipes */
                      | 1 << 12           /* and links */
                      | 1 << 13           /* moving between directories */
                      | 1 << 14           /* truncating */
                      | 1 << 15,          /* ioctl of devices */
    NX__FILES_ALL = NX__FILES_EXECUTE | NX__FILES_READ | NX__FILES_WRITE | NX__FILES_DEVICES,
};
enum nx__landlock_ports { NX__PORTS_BIND = 1 << 0, NX__PORTS_CONNECT = 1 << 1 };
enum nx__landlock_scopes { NX__SCOPE_ABSTRACT = 1 << 0, NX__SCOPE_SIGNALS = 1 << 1 };

/* What is refused but for what is allowed; what the kernel does not know yet is left out. */
struct nx__landlock {
    uint64_t files;  /* of enum nx__landlock_files */
    uint64_t ports;  /* of TCP, of enum nx__landlock_ports */
    uint64_t scopes; /* towards processes outside, of enum nx__landlock_scopes */
    int rules;       /* a descriptor */
};

/* Which version of it the kernel has; 0: none, or none for us. */
int nx__landlock_version(void);

/* Begins with the rights in *landlock, of which those stay that the kernel knows. False where there
 * is no Landlock, or too little memory. */
bool nx__landlock_begin(struct nx__landlock *landlock);

/* Allows `files` at the path and all below it. What is not there, or can't be opened, is not
 * allowed. */
void nx__landlock_allow(const struct nx__landlock *landlock, const char *path, uint64_t files);
/* The same for what is open. */
void nx__landlock_allow_open(const struct nx__landlock *landlock, int fd, uint64_t files);
void nx__landlock_allow_port(const struct nx__landlock *landlock, uint16_t port, uint64_t ports);

/* From now on. False when the kernel refuses. Ends what nx__landlock_begin began in any case. */
bool nx__landlock_hold(struct nx__landlock *landlock);

#endif
