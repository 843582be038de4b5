/* What packages may do, by [permissions.packages.NAME] of nexus.toml: no more than their program,
 * and no more than is named there. */
#ifndef NX__PACKAGE_H
#define NX__PACKAGE_H

#include "permission/permission.h"

enum { NX__PACKAGE_NAME_MOST = 128 };

struct nx__package {
    struct nx__package *next;
    struct nx__permissions permissions; /* its own, narrowed to the program's */
    bool isolate;                       /* it is loaded in workers of its own alone */
    char name[NX__PACKAGE_NAME_MOST];   /* "thumbnails", "@ann/thumbnails" */
};

/* What both grant, and neither denies, is added to `out`: rules of one that lie within those of the
 * other. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__permissions_narrow(struct nx__permissions *out,
                                            const struct nx__permissions *program,
                                            const struct nx__permissions *package);

/* Frees them, with their rules. */
void nx__packages_free(struct nx__package *first);

/* The package of that name, NULL: nothing is said of it. */
struct nx__package *nx__package_named(struct nx__package *first, const char *name);

/* The one that a module is of, by the name that it is imported by ("thumbnails", "@ann/thumbnails",
 * "thumbnails/part") or by its path in nexus_modules; NULL: of none that something is said of. */
struct nx__package *nx__package_of(struct nx__package *first, const char *module);

/* Those of the program that runs, which stay. Before any thread is started. */
extern struct nx__package *nx__packages;

/* May a module have this (of the network: connect to it)? What the program may is another question.
 * NX_EPERM, which names the package; NX_OK for one of no package. */
NX_MUST_CHECK nx_err nx__permit_package(const char *module, enum nx__permit_kind kind,
                                        const char *what);

#endif
