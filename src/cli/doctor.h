/* nexus doctor: what its parts share. */
#ifndef NX__DOCTOR_H
#define NX__DOCTOR_H

#include "base/compiler.h"
#include <nexus/base.h>

enum nx__health { NX__HEALTH_OK, NX__HEALTH_NOTE, NX__HEALTH_PROBLEM };

/* What one probe has found. */
struct nx__finding {
    enum nx__health health;
    const char *group, *name; /* static */
    const char *why;          /* it matters; static */
    char what[256];           /* was found */
    char fix[256];            /* a command; empty where there is nothing to do */
};

enum { NX__FINDINGS_MOST = 64 };

struct nx__doctor {
    const char *group; /* of the findings that come */
    struct nx__finding findings[NX__FINDINGS_MOST];
    size_t count;
    const char *sudo; /* "sudo " where it takes one, else "" */
};

/* Adds a finding with what was found. Never NULL. */
struct nx__finding *nx__doctor_add(struct nx__doctor *doctor, enum nx__health health,
                                   const char *name, const char *why, const char *format, ...)
    NX_PRINTF(5, 6);

/* Says by what command it becomes better. */
void nx__doctor_fix(struct nx__finding *finding, const char *format, ...) NX_PRINTF(2, 3);

/* The command that installs packages here, by the names that they have there: Debian, Fedora,
 * Alpine, Arch, openSUSE. */
void nx__doctor_install(const struct nx__doctor *doctor, struct nx__finding *finding,
                        const char *const packages[5]);

/* The text of a small file of the system without the last newline; false where it can't be read.
 */
bool nx__doctor_read(const char *path, char *out, size_t size);

/* Finds a program on the PATH. */
bool nx__doctor_find(const char *name, char *out, size_t size);

/* ---- The probes: doctor_compilers.c, doctor_debugger.c, doctor_kernel.c, doctor_limits.c */
void nx__doctor_compilers(struct nx__doctor *doctor);
void nx__doctor_cache(struct nx__doctor *doctor);
void nx__doctor_building(struct nx__doctor *doctor);
void nx__doctor_debugger(struct nx__doctor *doctor);
void nx__doctor_kernel(struct nx__doctor *doctor);
void nx__doctor_limits(struct nx__doctor *doctor);

#endif
