/* What benchmarks have measured: shown, kept, compared. */
#include "test/runner.h"

#include <errno.h>
#include <stdlib.h>

enum { LINE_FIELDS = 4 };

/* A baseline is lines of file, name, median and MAD in ns a turn, with tabs between. */
struct kept {
    char *file, *name;
    double median, mad;
};

struct baseline {
    struct kept *items;
    size_t count;
};

static void baseline_free(struct baseline *b)
{
    for (size_t i = 0; i < b->count; i++) free(b->items[i].file); /* the line; the name is in it */
    free(b->items);
}

static nx_err baseline_read(struct baseline *b, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file && errno == ENOENT)
        return nx__error_set(
            NX_ENOENT,
            "cannot read the baseline \"%.100s\": no such file; --save-baseline=%.60s makes it",
            path, path);
    if (!file) return nx__error_system(errno, "cannot read the baseline \"%.150s\"", path);
    char *line = NULL;
    size_t capacity = 0;
    nx_err err = NX_OK;
    for (int n = 1; !err && getline(&line, &capacity, file) >= 0; n++) {
        if (line[0] == '#' || line[0] == '\n') continue;
        char *fields[LINE_FIELDS] = {line}, *at = line;
        size_t count = 1;
        while (count < LINE_FIELDS && (at = strchr(at, '\t')) != NULL) {
            *at++ = '\0';
            fields[count++] = at;
        }
        struct kept *items = reallocarray(b->items, b->count + 1, sizeof *items);
        if (items) b->items = items;
        if (count < LINE_FIELDS) {
            err = nx__error_set(NX_EINVAL, "cannot read line %d of \"%.150s\": it is no baseline",
                                n, path);
        } else if (!items) {
            err = nx__error_set(NX_ENOMEM, "cannot read the baseline: out of memory");
        } else {
            b->items[b->count++] = (struct kept){.file = line,
                                                 .name = fields[1],
                                                 .median = strtod(fields[2], NULL),
                                                 .mad = strtod(fields[3], NULL)};
            line = NULL;
            capacity = 0;
        }
    }
    free(line);
    (void)fclose(file);
    return err;
}

static const struct kept *baseline_find(const struct baseline *b, const struct nx__case *c)
{
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->items[i].file, c->suite->path) == 0 && strcmp(b->items[i].name, c->name) == 0)
            return &b->items[i];
    return NULL;
}

static nx_err baseline_write(const struct nx__run_of_tests *run, const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file) return nx__error_system(errno, "cannot write the baseline \"%.150s\"", path);
    (void)fprintf(file, "# file\tbenchmark\tmedian ns\tmad ns\n");
    for (size_t i = 0; i < run->suite_count; i++) {
        const struct nx__suite *suite = &run->suites[i];
        for (size_t k = 0; k < suite->count; k++) {
            const struct nx__case *c = &suite->cases[k];
            if (!c->measured || strpbrk(c->name, "\t\n") || strpbrk(suite->path, "\t\n")) continue;
            (void)fprintf(file, "%s\t%s\t%.4f\t%.4f\n", suite->path, c->name,
                          c->bench_result.median, c->bench_result.mad);
        }
    }
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        return nx__error_system(errno ? errno : EIO, "cannot write the baseline \"%.150s\"", path);
    return NX_OK;
}

/* "12.3 ns", in the largest unit that leaves a digit before the point; always 10 columns. */
static void put_ns(double ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s "};
    size_t unit = 0;
    for (; ns >= 1000 && unit < 3; unit++) ns /= 1000;
    (void)printf("%7.*f %s", ns < 10 ? 2 : ns < 100 ? 1 : 0, ns, units[unit]);
}

static void put_row(const struct nx__case *c)
{
    const struct nx__bench_result *r = &c->bench_result;
    (void)printf("  %-36s ", c->name);
    put_ns(r->median);
    (void)printf("  ");
    put_ns(r->mad);
    (void)printf("  ");
    put_ns(r->deviation);
    (void)printf("  ");
    put_ns(r->least);
    (void)printf("  %5.0f", r->samples);
    if (r->bytes > 0 && r->median > 0) (void)printf("  %8.0f MB/s", r->bytes / r->median * 1e3);
}

/* A difference within the noise of both is none. True when it is too slow. */
static bool put_change(const struct nx__run_of_tests *run, const struct nx__bench_result *r,
                       const struct kept *kept)
{
    const struct nx__test_config *config = run->config;
    double change = (r->median / kept->median - 1) * 100;
    double noise = 3 * (r->mad + kept->mad);
    bool same = r->median - kept->median < noise && kept->median - r->median < noise;
    bool slower = !same && change > 0;
    const char *tone = !config->color || same ? "" : slower ? "\033[31m" : "\033[32m";
    (void)printf("  %s%+.1f %%%s%s", tone, change,
                 same     ? ", within the noise"
                 : slower ? ", slower"
                          : ", faster",
                 *tone ? "\033[0m" : "");
    return slower && config->slower > 0 && change > config->slower;
}

nx_err nx__bench_report(const struct nx__run_of_tests *run, size_t *slower)
{
    const struct nx__test_config *config = run->config;
    struct baseline baseline = {0};
    nx_err err = config->baseline ? baseline_read(&baseline, config->baseline) : NX_OK;
    *slower = 0;
    bool head = false;
    for (size_t i = 0; i < run->suite_count && !err; i++) {
        const struct nx__suite *suite = &run->suites[i];
        bool named = false;
        for (size_t k = 0; k < suite->count; k++) {
            const struct nx__case *c = &suite->cases[k];
            if (!c->measured) continue;
            if (!head)
                (void)printf("  %-36s %10s  %10s  %10s  %10s  %5s\n", "a turn", "median", "mad",
                             "stddev", "min", "n");
            if (!named) (void)printf("%s\n", suite->path);
            head = named = true;
            put_row(c);
            const struct kept *kept = baseline_find(&baseline, c);
            if (kept && kept->median > 0)
                *slower += put_change(run, &c->bench_result, kept);
            else if (config->baseline)
                (void)printf("  not in the baseline");
            (void)printf("\n");
        }
    }
    baseline_free(&baseline);
    if (!err && *slower)
        (void)printf("\n%zu slower than the baseline by more than %g %%\n", *slower,
                     config->slower);
    if (!err && config->save_baseline) err = baseline_write(run, config->save_baseline);
    return err;
}
