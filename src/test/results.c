/* What tests tell, kept until it is reported. */
#include "test/runner.h"

#include <stdlib.h>
#include <sys/wait.h>

enum {
    CASES_MOST = 100000,
    NOTES_MOST = 20000, /* of one test */
};

/* A copy of the packet's first or second text, NULL where there is none (or no memory for it: then
 * the report says less). */
static char *text_of(const struct nx__test_packet *p, bool second)
{
    uint32_t size = second ? p->second_size : p->first_size;
    return size ? strdup(p->text + (second ? p->first_size : 0)) : NULL;
}

static nx_duration span_of(double ns)
{
    return ns >= 9e18 ? NX_FOREVER : ns > 0 ? (nx_duration)ns : 0;
}

static enum nx__test_outcome outcome_of(double number)
{
    return number > NX__TEST_NONE && number < NX__TEST_OUTCOMES ? (enum nx__test_outcome)(int)number
                                                                : NX__TEST_FAILURE;
}

nx_err nx__suite_add(struct nx__suite *suite, const struct nx__test_packet *packet, unsigned index)
{
    char *name = text_of(packet, false), *file = text_of(packet, true);
    struct nx__case *cases =
        suite->count < CASES_MOST
            ? reallocarray(suite->cases, suite->count + 1, sizeof *suite->cases)
            : NULL;
    if (!name || !file || !cases) {
        free(name);
        free(file);
        if (cases) suite->cases = cases;
        return nx__error_set(NX_ENOMEM, "cannot list the tests of \"%.150s\": out of memory",
                             suite->path);
    }
    suite->cases = cases;
    cases[suite->count++] = (struct nx__case){.index = index,
                                              .name = name,
                                              .file = file,
                                              .line = packet->line,
                                              .deadline = span_of(packet->numbers[0]),
                                              .serial = packet->numbers[1] > 0,
                                              .bench = packet->numbers[2] > 0};
    return NX_OK;
}

static void case_free(struct nx__case *c)
{
    nx__job_free(&c->job);
    for (size_t i = 0; i < c->note_count; i++) {
        free(c->notes[i].subtest);
        free(c->notes[i].file);
        free(c->notes[i].text);
    }
    free(c->notes);
    free(c->name);
    free(c->file);
    free(c->reason);
    free(c->seen_file);
    free(c->dir);
}

void nx__suite_free(struct nx__suite *suite)
{
    for (size_t i = 0; i < suite->count; i++) case_free(&suite->cases[i]);
    free(suite->cases);
    free(suite->path);
    free(suite->failure);
    *suite = (struct nx__suite){0};
}

static struct nx__note *note_add(struct nx__case *c)
{
    if (c->note_count == NOTES_MOST) return NULL;
    if ((c->note_count & (c->note_count - 1)) == 0) { /* at powers of two */
        size_t capacity = c->note_count ? c->note_count * 2 : 1;
        struct nx__note *notes = reallocarray(c->notes, capacity, sizeof *notes);
        if (!notes) return NULL;
        c->notes = notes;
    }
    struct nx__note *note = &c->notes[c->note_count++];
    *note = (struct nx__note){0};
    return note;
}

/* The innermost subtest of that name which has not ended. */
static struct nx__note *subtest_open(struct nx__case *c, const char *name)
{
    for (size_t i = c->note_count; name && i-- > 0;)
        if (c->notes[i].subtest && c->notes[i].outcome == NX__TEST_NONE &&
            strcmp(c->notes[i].subtest, name) == 0)
            return &c->notes[i];
    return NULL;
}

void nx__case_packet(struct nx__job *job, const struct nx__test_packet *p)
{
    struct nx__case *c = (struct nx__case *)job;
    struct nx__note *note;
    switch (p->kind) {
    case NX__TEST_FAILED:
        c->outcome = NX__TEST_FAILURE;
        if (!(note = note_add(c))) return;
        note->file = text_of(p, false);
        note->line = p->line;
        note->text = text_of(p, true);
        return;
    case NX__TEST_SUBTEST:
        if (!(note = note_add(c))) return;
        note->subtest = text_of(p, false);
        note->line = p->line;
        return;
    case NX__TEST_SUBTEST_DONE:
        note = subtest_open(c, p->first_size ? p->text : NULL);
        if (!note) return;
        note->outcome = outcome_of(p->numbers[0]);
        note->took = span_of(p->numbers[1]);
        note->text = text_of(p, true);
        note->inside = (unsigned)(&c->notes[c->note_count - 1] - note);
        return;
    case NX__TEST_SEEN:
        free(c->seen_file);
        c->seen_file = text_of(p, false);
        c->seen_line = p->line;
        return;
    case NX__TEST_MEASURED:
        c->measured = true;
        memcpy(&c->bench_result, p->numbers, sizeof c->bench_result);
        return;
    case NX__TEST_DONE:
        c->done = true;
        if (c->outcome != NX__TEST_FAILURE) c->outcome = outcome_of(p->numbers[0]);
        c->took = span_of(p->numbers[1]);
        free(c->reason);
        c->reason = text_of(p, true);
        return;
    default: return;
    }
}

static void fail(struct nx__case *c, char *reason)
{
    c->outcome = NX__TEST_FAILURE;
    free(c->reason);
    c->reason = reason;
}

void nx__case_end(struct nx__case *c)
{
    int status = c->job.status;
    char *reason = NULL;
    if (!c->took) c->took = c->job.took;
    for (size_t i = 0; i < c->note_count; i++)
        if (c->notes[i].subtest && c->notes[i].outcome == NX__TEST_NONE) {
            c->notes[i].outcome = NX__TEST_FAILURE;
            c->notes[i].inside = (unsigned)(c->note_count - i - 1);
        }
    if (c->job.timed_out) {
        if (asprintf(&reason, "it has not given way %.3g s after its start, past its deadline: %s",
                     (double)c->job.took / 1e9,
                     c->job.killed ? "killed" : "ended where it was") < 0)
            reason = NULL;
        fail(c, reason);
    } else if (WIFSIGNALED(status)) {
        const char *what = sigdescr_np(WTERMSIG(status));
        if (asprintf(&reason, "crashed: %s", what ? what : "a signal") < 0) reason = NULL;
        fail(c, reason);
    } else if (WEXITSTATUS(status) == NX__TEST_SANITIZER) {
        fail(c, strdup("a sanitizer has found what its report below tells"));
    } else if (!c->done) {
        if (asprintf(&reason, "the test's process has ended with exit code %d in the middle of it",
                     WEXITSTATUS(status)) < 0)
            reason = NULL;
        fail(c, reason);
    } else if (WEXITSTATUS(status) != (c->outcome == NX__TEST_FAILURE)) {
        /* Found at the end: a leak, or what runs at exit. */
        if (asprintf(&reason, "the test's process has ended with exit code %d after it",
                     WEXITSTATUS(status)) < 0)
            reason = NULL;
        fail(c, reason);
    }
}

const struct nx__note *nx__note_subtest(const struct nx__case *c, const struct nx__note *note)
{
    for (const struct nx__note *n = note; n-- > c->notes;)
        if (n->subtest && n + n->inside >= note) return n;
    return NULL;
}
