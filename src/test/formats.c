/* The results for machines: TAP 14 and JUnit XML. */
#include "test/runner.h"

#include "base/clock.h"
#include "base/markup.h"
#include "base/utf8.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* ---- TAP 14, https://testanything.org/tap-version-14-specification.html */

/* A description: '#' and '\' are escaped, and it is one line. */
static void tap_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '#' || *text == '\\') (void)putchar('\\');
        (void)putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
    }
}

static void tap_name(const struct nx__case *c)
{
    tap_text(c->suite->path);
    (void)printf(": ");
    tap_text(c->name);
}

/* A block of text in the YAML of a result. */
static void tap_block(const char *key, const char *text, size_t len)
{
    (void)printf("  %s: |-\n", key);
    nx__report_text(stdout, "    ", text, len);
}

void nx__tap_begin(const struct nx__run_of_tests *run)
{
    (void)printf("TAP version 14\n1..%zu\n", run->order_count + run->broken);
    size_t number = 0;
    for (size_t i = 0; i < run->suite_count; i++) {
        const struct nx__suite *suite = &run->suites[i];
        if (!suite->failure) continue;
        (void)printf("not ok %zu - ", ++number);
        tap_text(suite->path);
        (void)printf("\n  ---\n");
        tap_block("message", suite->failure, strlen(suite->failure));
        (void)printf("  ...\n");
    }
    (void)fflush(stdout);
}

/* What failed, in text. */
static void failures_put(FILE *to, const char *indent, const struct nx__case *c)
{
    for (size_t i = 0; i < c->note_count; i++) {
        const struct nx__note *n = &c->notes[i];
        if (n->subtest || !n->text) continue;
        const struct nx__note *subtest = nx__note_subtest(c, n);
        char *line = NULL;
        if (asprintf(&line, "%s%s%s:%d: %s", subtest ? subtest->subtest : "", subtest ? ": " : "",
                     n->file ? n->file : c->file, n->file ? n->line : c->line, n->text) < 0)
            continue;
        nx__report_text(to, indent, line, strlen(line));
        free(line);
    }
    if (c->reason) nx__report_text(to, indent, c->reason, strlen(c->reason));
    if (c->job.report.len) nx__report_text(to, indent, c->job.report.data, c->job.report.len);
}

void nx__tap_case(const struct nx__run_of_tests *run, const struct nx__case *c)
{
    size_t number = run->broken + run->passed + run->failed + run->skipped;
    (void)printf("%sok %zu - ", c->outcome == NX__TEST_FAILURE ? "not " : "", number);
    tap_name(c);
    if (c->outcome == NX__TEST_SKIPPED) {
        (void)printf(" # SKIP ");
        tap_text(c->reason ? c->reason : "");
    }
    (void)printf("\n  ---\n  duration_ms: %.3f\n", (double)c->took / 1e6);
    if (c->outcome == NX__TEST_FAILURE) {
        (void)printf("  at: \"");
        for (const char *at = c->file; *at; at++) {
            if (*at == '"' || *at == '\\') (void)putchar('\\');
            (void)putchar((unsigned char)*at < ' ' ? '?' : *at);
        }
        (void)printf(":%d\"\n  message: |-\n", c->line);
        failures_put(stdout, "    ", c);
        if (c->job.output.len) tap_block("output", c->job.output.data, c->job.output.len);
    }
    (void)printf("  ...\n");
    (void)fflush(stdout);
}

void nx__tap_end(const struct nx__run_of_tests *run)
{
    if (run->pool.stop) (void)printf("Bail out! stopped before the end\n");
    (void)fflush(stdout);
}

/* ---- JUnit */

/* Text in XML 1.0: what it can't hold becomes '?'. */
static void xml_text(FILE *to, const char *at, size_t len)
{
    for (const char *end = at + len; at < end;) {
        size_t n = nx__utf8_sequence(at, end);
        unsigned char c = (unsigned char)*at;
        bool noncharacter = n == 3 && c == 0xef && (unsigned char)at[1] == 0xbf &&
                            (unsigned char)at[2] >= 0xbe; /* U+FFFE, U+FFFF */
        const char *entity = nx__markup_entity(*at);
        if (!n || noncharacter || (c < ' ' && c != '\n' && c != '\t'))
            (void)fputc('?', to);
        else if (entity)
            (void)fputs(entity, to);
        else
            (void)fwrite(at, 1, n, to);
        at += n ? n : 1;
    }
}

static void xml_attribute(FILE *to, const char *name, const char *text, size_t len)
{
    (void)fprintf(to, " %s=\"", name);
    xml_text(to, text, len);
    (void)fputc('"', to);
}

static void xml_string(FILE *to, const char *name, const char *text)
{
    xml_attribute(to, name, text, strlen(text));
}

static void junit_failure(FILE *to, const struct nx__case *c)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (!memory) return;
    failures_put(memory, "", c);
    if (fclose(memory) == 0) {
        (void)fputs("      <failure", to);
        xml_attribute(to, "message", text, (size_t)(strchrnul(text, '\n') - text));
        xml_string(to, "type", c->done ? "failure" : "crash");
        (void)fputc('>', to);
        xml_text(to, text, size);
        (void)fputs("</failure>\n", to);
    }
    free(text);
}

static void junit_case(FILE *to, const struct nx__case *c)
{
    (void)fputs("    <testcase", to);
    xml_string(to, "name", c->name);
    xml_string(to, "classname", c->suite->path);
    xml_string(to, "file", c->file);
    (void)fprintf(to, " line=\"%d\" time=\"%.6f\">\n", c->line, (double)c->took / 1e9);
    if (c->outcome == NX__TEST_FAILURE) junit_failure(to, c);
    if (c->outcome == NX__TEST_SKIPPED || c->outcome == NX__TEST_NONE) {
        (void)fputs("      <skipped", to);
        xml_string(to, "message", c->reason ? c->reason : "not run");
        (void)fputs("/>\n", to);
    }
    if (c->job.output.len && c->outcome == NX__TEST_FAILURE) {
        (void)fputs("      <system-out>", to);
        xml_text(to, c->job.output.data, c->job.output.len);
        (void)fputs("</system-out>\n", to);
    }
    (void)fputs("    </testcase>\n", to);
}

static void junit_suite(FILE *to, const struct nx__suite *suite)
{
    size_t failed = 0, skipped = 0;
    for (size_t i = 0; i < suite->count; i++) {
        enum nx__test_outcome o = suite->cases[i].outcome;
        failed += o == NX__TEST_FAILURE;
        skipped += o == NX__TEST_SKIPPED || o == NX__TEST_NONE;
    }
    size_t broken = suite->failure != NULL;
    (void)fputs("  <testsuite", to);
    xml_string(to, "name", suite->path);
    (void)fprintf(to,
                  " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.6f\">\n",
                  suite->count + broken, failed, broken, skipped, (double)suite->took / 1e9);
    if (broken) {
        (void)fputs("    <testcase", to);
        xml_string(to, "name", suite->path);
        xml_string(to, "classname", suite->path);
        (void)fputs(">\n      <error message=\"the file can't be run\">", to);
        xml_text(to, suite->failure, strlen(suite->failure));
        (void)fputs("</error>\n    </testcase>\n", to);
    }
    for (size_t i = 0; i < suite->count; i++) junit_case(to, &suite->cases[i]);
    (void)fputs("  </testsuite>\n", to);
}

nx_err nx__junit_write(const struct nx__run_of_tests *run)
{
    const char *path = run->config->junit;
    FILE *to = fopen(path, "we");
    if (!to) return nx__error_system(errno, "cannot write \"%.150s\"", path);
    char stamp[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc)) (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)fprintf(
        to,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"nexus test\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.6f\" timestamp=\"%s\">\n",
        run->order_count + run->broken, run->failed, run->broken,
        run->order_count - run->passed - run->failed,
        (double)(nx__clock_monotonic() - run->started) / 1e9, stamp);
    for (size_t i = 0; i < run->suite_count; i++)
        if (run->suites[i].count || run->suites[i].failure) junit_suite(to, &run->suites[i]);
    (void)fputs("</testsuites>\n", to);
    bool failed = ferror(to) != 0;
    if (fclose(to) != 0 || failed)
        return nx__error_system(errno ? errno : EIO, "cannot write \"%.150s\"", path);
    return NX_OK;
}
