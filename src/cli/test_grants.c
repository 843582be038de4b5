/* nexus test: what the tests of a project may do. */
#include "cli/test.h"

#include "cli/permission_sets.h"
#include "permission/permission.h"
#include <stdlib.h>
#include <string.h>

struct nx__test_project {
    struct nx__test_project *next;
    char root[NX__ROOT_MOST];
    struct nx__run run; /* what its tests are served by */
};

/* What the tests of every project have: its files to read, and loopback. */
static nx_err usual_grants(struct nx__permissions *p, const char *root)
{
    NX_TRY(nx__permissions_grant(p, NX__PERMIT_READ, root));
    NX_TRY(nx__permissions_grant(p, NX__PERMIT_NET, "127.0.0.1"));
    return nx__permissions_grant(p, NX__PERMIT_NET, "::1");
}

static nx_err grants_read(const struct nx__tester *t, struct nx__run *run, const char *root)
{
    for (size_t i = 0; i < t->grant_count; i++) {
        bool taken;
        NX_TRY(nx__permissions_parse(&run->permissions, t->grants[i], &taken));
    }
    NX_TRY(nx__permission_sets_read(run));
    return usual_grants(&run->permissions, root);
}

static nx_err project_of(struct nx__tester *t, struct nx__test_file *file)
{
    struct nx__test_project *project = t->projects;
    while (project && strcmp(project->root, file->root) != 0) project = project->next;
    if (!project) {
        project = calloc(1, sizeof *project);
        if (!project) return nx__error_set(NX_ENOMEM, "cannot run the tests: out of memory");
        project->next = t->projects;
        t->projects = project;
        memcpy(project->root, file->root, sizeof project->root);
        struct nx__run *run = &project->run;
        run->file = file->path;
        run->compiler = t->compiler;
        run->release = t->release;
        run->no_prompt = true;
        run->no_sets = t->sets.no_sets;
        run->sets_count = t->sets.sets_count;
        memcpy(run->sets, t->sets.sets, sizeof run->sets);
        NX_TRY(grants_read(t, run, file->root));
    }
    file->run = &project->run;
    return NX_OK;
}

nx_err nx__test_grants_read(struct nx__tester *t)
{
    for (size_t i = 0; i < t->file_count; i++) NX_TRY(project_of(t, &t->files[i]));
    return NX_OK;
}

void nx__test_grants_free(struct nx__tester *t)
{
    nx__permissions_seal(NULL);
    for (struct nx__test_project *project = t->projects, *next; project; project = next) {
        next = project->next;
        nx__permissions_free(&project->run.permissions);
        nx__packages_free(project->run.packages);
        free(project);
    }
    t->projects = NULL;
}
