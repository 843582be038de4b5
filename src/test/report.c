/* The results for people. */
#include "test/runner.h"

#include "base/clock.h"
#include "base/utf8.h"
#include <stdlib.h>

enum {
    EXCERPT_BEFORE = 2, /* lines around the one that failed */
    EXCERPT_AFTER = 1,
    LINE_MOST = 160,
    SLOWEST = 3,
};
#define SLOW NX_MS(50) /* worth a mention */

enum tone { PLAIN, GOOD, BAD, DIM, BOLD, WARN };

static bool color;

static const char *on(enum tone tone)
{
    static const char *const codes[] = {"",        "\033[32m", "\033[31m",
                                        "\033[2m", "\033[1m",  "\033[33m"};
    return color ? codes[tone] : "";
}

static const char *off(void)
{
    return color ? "\033[0m" : "";
}

/* ---- Text of others */

static void put_clean(FILE *to, const char *at, const char *end)
{
    while (at < end) {
        size_t len = nx__utf8_sequence(at, end);
        unsigned char c = (unsigned char)*at;
        /* C1 controls too, which some terminals obey. */
        bool control = len == 1 ? (c < ' ' && c != '\t') || c == 0x7f
                                : len == 2 && c == 0xc2 && (unsigned char)at[1] < 0xa0;
        if (len && !control)
            (void)fwrite(at, 1, len, to);
        else
            (void)fputc('?', to);
        at += len ? len : 1;
    }
}

static enum tone tone_of(const char *line, size_t len)
{
    if (len >= 4 && line[0] == ' ' && line[1] == ' ') {
        if (memcmp(line + 2, "- ", 2) == 0) return BAD;
        if (memcmp(line + 2, "+ ", 2) == 0) return GOOD;
        if (len > 9 && memcmp(line + 2, "found: ", 7) == 0) return BAD;
        if (len > 9 && memcmp(line + 2, "wanted:", 7) == 0) return GOOD;
    }
    return PLAIN;
}

void nx__report_text(FILE *to, const char *indent, const char *text, size_t len)
{
    const char *end = text + len;
    while (text < end) {
        const char *eol = memchr(text, '\n', (size_t)(end - text));
        if (!eol) eol = end;
        enum tone tone = to == stdout ? tone_of(text, (size_t)(eol - text)) : PLAIN;
        (void)fprintf(to, "%s%s", indent, on(tone));
        put_clean(to, text, eol);
        (void)fprintf(to, "%s\n", tone == PLAIN ? "" : off());
        text = eol + 1;
    }
}

static void put(const char *text)
{
    put_clean(stdout, text, text + strlen(text));
}

static void put_span(nx_duration span)
{
    if (span < NX_MS(1))
        (void)printf("%lld us", (long long)(span / 1000));
    else if (span < NX_S(1))
        (void)printf("%lld ms", (long long)(span / NX_MS(1)));
    else
        (void)printf("%.2f s", (double)span / 1e9);
}

/* ---- The source */

static void excerpt(const char *indent, const char *path, int line, bool around)
{
    FILE *file = fopen(path, "re");
    if (!file) return;
    char *text = NULL;
    size_t capacity = 0;
    ssize_t len;
    int first = around ? line - EXCERPT_BEFORE : line, end = around ? line + EXCERPT_AFTER : line;
    for (int n = 1; n <= end && (len = getline(&text, &capacity, file)) >= 0; n++) {
        if (n < first) continue;
        if (len && text[len - 1] == '\n') len--;
        bool cut = len > LINE_MOST;
        (void)printf("%s%s%s%5d | ", indent, n == line ? on(BOLD) : on(DIM), n == line ? ">" : " ",
                     n);
        put_clean(stdout, text, text + (cut ? LINE_MOST : len));
        (void)printf("%s%s\n", cut ? "..." : "", off());
    }
    free(text);
    (void)fclose(file);
}

/* ---- One test */

static void put_failures(const struct nx__case *c)
{
    const struct nx__note *inside = NULL, *last = NULL;
    for (size_t i = 0; i < c->note_count; i++) {
        const struct nx__note *note = &c->notes[i];
        if (note->subtest) continue;
        const struct nx__note *subtest = nx__note_subtest(c, note);
        if (subtest != inside && subtest) {
            (void)printf("      %sin %s", on(BAD), off());
            put(subtest->subtest);
            (void)printf("\n");
        }
        inside = subtest;
        (void)printf("      %s", on(BOLD));
        if (note->file) {
            put(note->file);
            (void)printf(":%d: ", note->line);
        }
        const char *text = note->text ? note->text : "failed", *eol = strchrnul(text, '\n');
        put_clean(stdout, text, eol);
        (void)printf("%s\n", off());
        if (*eol) nx__report_text(stdout, "      ", eol + 1, strlen(eol + 1));
        bool again =
            last && note->file && last->line == note->line && strcmp(last->file, note->file) == 0;
        /* Around the first only: the next is most likely near. */
        if (note->file && !again) excerpt("      ", note->file, note->line, !last);
        if (note->file) last = note;
    }
}

static void put_output(const struct nx__job *job)
{
    const struct nx__buffer *o = &job->output;
    if (!o->len) return;
    (void)printf("      %soutput:%s\n", on(DIM), off());
    size_t head = job->dropped ? job->output_head : o->len;
    nx__report_text(stdout, "        ", o->data, head);
    if (!job->dropped) return;
    (void)printf("        %s... %zu bytes are not shown%s\n", on(DIM), job->dropped, off());
    nx__report_text(stdout, "        ", o->data + head, o->len - head);
}

static void put_case(const struct nx__case *c, bool every)
{
    static const char *const marks[] = {"-", "✓", "✗", "-"};
    static const enum tone tones[] = {DIM, GOOD, BAD, WARN};
    if (!every && c->outcome != NX__TEST_FAILURE) return;
    (void)printf("  %s%s%s ", on(tones[c->outcome]), marks[c->outcome], off());
    put(c->name);
    if (c->outcome != NX__TEST_NONE) {
        (void)printf("  %s", on(DIM));
        put_span(c->took);
        (void)printf("%s", off());
    }
    if (c->outcome == NX__TEST_FAILURE) {
        (void)printf("  ");
        put(c->file);
        (void)printf(":%d", c->line);
    }
    if (c->outcome == NX__TEST_SKIPPED) {
        (void)printf("  skipped%s", c->reason ? ": " : "");
        if (c->reason) put(c->reason);
    }
    (void)printf("\n");
    for (size_t i = 0; every && i < c->note_count; i++) {
        const struct nx__note *n = &c->notes[i];
        if (!n->subtest || n->outcome != NX__TEST_SKIPPED) continue;
        (void)printf("      - ");
        put(n->subtest);
        (void)printf("  skipped: ");
        put(n->text ? n->text : "");
        (void)printf("\n");
    }
    if (c->outcome != NX__TEST_FAILURE) return;
    put_failures(c);
    if (c->reason) {
        (void)printf("      %s", on(BOLD));
        put(c->reason);
        (void)printf("%s\n", off());
    }
    if (c->seen_file && c->seen_line) {
        (void)printf("      the last check that it made:\n");
        excerpt("      ", c->seen_file, c->seen_line, true);
    }
    if (c->job.report.len) nx__report_text(stdout, "      ", c->job.report.data, c->job.report.len);
    put_output(&c->job);
}

/* ---- Files */

void nx__report_suite(const struct nx__run_of_tests *run, const struct nx__suite *suite)
{
    const struct nx__test_config *config = run->config;
    color = config->color;
    size_t counts[NX__TEST_OUTCOMES] = {0};
    for (size_t i = 0; i < suite->count; i++) counts[suite->cases[i].outcome]++;
    bool bad = suite->failure || counts[NX__TEST_FAILURE];
    if (!suite->count && !suite->failure) return;
    if (config->bench && !bad) return; /* the table follows */
    (void)printf("%s%s%s %s", on(bad ? BAD : GOOD), bad ? "✗" : "✓", off(), on(BOLD));
    put(suite->path);
    (void)printf("%s  ", off());
    if (suite->failure) {
        (void)printf("%s\n",
                     suite->failure_code == NX_ECOMPILE ? "does not compile" : "can't be run");
        nx__report_text(stdout, "      ", suite->failure, strlen(suite->failure));
    } else {
        (void)printf("%zu test%s", suite->count, suite->count == 1 ? "" : "s");
        if (counts[NX__TEST_FAILURE])
            (void)printf(", %s%zu failed%s", on(BAD), counts[NX__TEST_FAILURE], off());
        if (counts[NX__TEST_SKIPPED]) (void)printf(", %zu skipped", counts[NX__TEST_SKIPPED]);
        if (counts[NX__TEST_NONE]) (void)printf(", %zu not run", counts[NX__TEST_NONE]);
        (void)printf("  %s", on(DIM));
        put_span(suite->took);
        (void)printf("%s\n", off());
    }
    bool every = config->verbose || run->suite_count == 1;
    for (size_t i = 0; i < suite->count; i++) put_case(&suite->cases[i], every);
    (void)fflush(stdout);
}

void nx__report_list(const struct nx__run_of_tests *run)
{
    color = run->config->color;
    for (size_t i = 0; i < run->suite_count; i++) {
        const struct nx__suite *suite = &run->suites[i];
        if (suite->failure) nx__report_suite(run, suite);
        for (size_t k = 0; k < suite->count; k++) {
            put(suite->cases[k].file);
            (void)printf(":%d: ", suite->cases[k].line);
            put(suite->cases[k].name);
            (void)printf("\n");
        }
    }
}

static int slower_first(const void *a, const void *b)
{
    const struct nx__case *x = *(struct nx__case *const *)a, *y = *(struct nx__case *const *)b;
    return (x->took < y->took) - (x->took > y->took);
}

static void put_failed(const struct nx__run_of_tests *run)
{
    (void)printf("\n%sfailed:%s\n", on(BAD), off());
    for (size_t i = 0; i < run->suite_count; i++) {
        const struct nx__suite *suite = &run->suites[i];
        if (suite->failure) {
            (void)printf("  ");
            put(suite->path);
            (void)printf("\n");
        }
        for (size_t k = 0; k < suite->count; k++) {
            const struct nx__case *c = &suite->cases[k];
            if (c->outcome != NX__TEST_FAILURE) continue;
            (void)printf("  ");
            put(c->file);
            (void)printf(":%d: ", c->line);
            put(c->name);
            (void)printf("\n");
        }
    }
}

void nx__report_end(const struct nx__run_of_tests *run)
{
    const struct nx__test_config *config = run->config;
    color = config->color;
    size_t ran = run->passed + run->failed + run->skipped;
    if (run->failed + run->broken && (run->suite_count > 1 || ran > 10)) put_failed(run);
    qsort(run->order, run->order_count, sizeof *run->order, slower_first);
    bool head = false;
    for (size_t i = 0; i < SLOWEST && i < run->order_count && !config->bench; i++) {
        const struct nx__case *c = run->order[i];
        if (c->took < SLOW || run->order_count <= SLOWEST) break;
        if (!head) (void)printf("\n%sslowest:%s\n", on(DIM), off());
        head = true;
        (void)printf("  ");
        put_span(c->took);
        (void)printf("  ");
        put(c->name);
        (void)printf("\n");
    }
    (void)printf("\n%s%zu passed%s", on(run->passed ? GOOD : PLAIN), run->passed, off());
    if (run->failed) (void)printf(", %s%zu failed%s", on(BAD), run->failed, off());
    if (run->broken)
        (void)printf(", %s%zu file%s could not be run%s", on(BAD), run->broken,
                     run->broken == 1 ? "" : "s", off());
    if (run->skipped) (void)printf(", %s%zu skipped%s", on(WARN), run->skipped, off());
    if (ran < run->order_count) (void)printf(", %zu not run", run->order_count - ran);
    (void)printf(" in ");
    put_span(nx__clock_monotonic() - run->started);
    if (config->shuffle)
        (void)printf("; the order was --shuffle=%llu", (unsigned long long)config->seed);
    (void)printf("\n");
    (void)fflush(stdout);
}
