/* What console_test.py looks at: argv[1] says what to do. */
#include <nexus.h>
#include <signal.h>
#include <stdlib.h>

static int ticks;

static nx_err ticker(void *arg)
{
    for (;;) {
        if (++ticks == 11 && arg) nx_eprintln("11 ticks");
        NX_TRY(nx_sleep(NX_MS(5)));
    }
}

static nx_err styles(void)
{
    nx_println("%sred%s %sboth%s", nx_style(NX_RED | NX_BRIGHT | NX_BOLD), nx_style(NX_PLAIN),
               nx_style(NX_BLACK | NX_ON(NX_YELLOW)), nx_style(NX_PLAIN));
    nx_eprintln("%serr%s", nx_style_for(NX_STDERR, NX_UNDERLINE),
                nx_style_for(NX_STDERR, NX_PLAIN));
    nx_log_warn("warned", "key", 1);
    nx_println("%d %d %u", nx_is_terminal(NX_STDOUT), nx_is_terminal(NX_STDERR),
               nx_terminal_width(NX_STDOUT));
    return NX_OK;
}

static nx_err table(void)
{
    NX_AUTO(nx_table) *t = nx_table_new("name", "size", "remark");
    nx_table_row(t, "a.txt", 1234567, "the quick brown fox jumps over the lazy dog");
    nx_table_row(t, "日本語", 5, nx_null());
    nx_table_row(t, "né\x1b[31m", -7);
    return nx_table_print(t);
}

static nx_err tables(void)
{
    NX_AUTO(nx_table) *t = nx_table_new("one");
    nx_table_row(t, 1, 2);
    nx_table_row(t, 1);
    nx_err err = nx_table_print(t);
    nx_println("%s", nx_error_last()->message);
    NX_AUTO(nx_table) *empty = nx_table_new("nothing", "here");
    NX_TRY(nx_table_print(empty));
    NX_AUTO(nx_table) *kinds = nx_table_new("kind", "value");
    nx_table_row(kinds, "double", 0.5);
    nx_table_row(kinds, "bool", nx_bool(true));
    nx_table_row(kinds, "list", nx_arr(1, "a"));
    NX_TRY(nx_table_print(kinds));
    NX_AUTO(nx_table) *big = nx_table_new("i", "square");
    for (int i = 0; i < 5000; i++) nx_table_row(big, i, i * i);
    NX_TRY(nx_table_print(big));
    return err == NX_EINVAL ? NX_OK : NX_EFAILED;
}

/* Not by NX_AUTO, since not every compiler has it. */
static nx_err progress_run(nx_progress *p, nx_progress *second, bool whole)
{
    for (int i = 0; i < 10; i++) {
        NX_TRY(nx_sleep(NX_MS(60)));
        nx_progress_add(p, 1 << 20);
        nx_progress_add(second, 7);
        if (i % 3 == 1) nx_log_info("at", "i", i);
        if (i == 5) nx_println("printed");
        if (i == 6 && !whole) return NX_OK;
    }
    nx_progress_end(second);
    nx_progress_end(p);
    nx_progress_add(NULL, 1);
    nx_progress_end(NULL);
    nx_progress_free(NULL);
    return NX_OK;
}

static nx_err progress(bool whole)
{
    nx_progress *p = nx_progress_new("copying", .total = 10 << 20, .unit = NX_UNIT_BYTES);
    nx_progress *second = nx_progress_new("counting");
    nx_err err = progress_run(p, second, whole);
    nx_progress_free(second);
    nx_progress_free(p);
    return err;
}

/* The bar is there still when the program ends. */
static nx_err left(const char *way)
{
    nx_progress *p = nx_progress_new("copying", .total = 10);
    nx_progress_add(p, 5);
    NX_TRY(nx_sleep(NX_MS(120)));
    nx_progress_add(p, 1);
    if (strcmp(way, "abort") == 0) abort();
    return NX_OK;
}

static nx_err line(void)
{
    nx_bytes name, place;
    NX_TRY(nx_prompt(&name, "Your name"));
    NX_TRY(nx_prompt(&place, "From where?", .fallback = "nowhere"));
    nx_println("<%s> <%s>", name.data, place.data);
    return NX_OK;
}

static nx_err yes(void)
{
    bool sure, more;
    NX_TRY(nx_prompt_yes(&sure, "Sure?", .fallback = "no"));
    NX_TRY(nx_prompt_yes(&more, "More?"));
    nx_println("<%d> <%d>", sure, more);
    return NX_OK;
}

static nx_err choice(void)
{
    static const char *const colors[] = {"red", "green", "blue"};
    size_t index;
    NX_TRY(nx_prompt_choice(&index, "Which colour?", colors, 3, .fallback = "green"));
    nx_println("<%s>", colors[index]);
    return NX_OK;
}

static nx_err secret(void)
{
    nx_bytes word;
    NX_TRY(nx_prompt_secret(&word, "Password"));
    nx_println("<%zu>", word.len);
    return NX_OK;
}

static nx_err ask_in_fiber(void *arg)
{
    nx_bytes answer;
    return nx_prompt(&answer, (const char *)arg);
}

/* Two at a time; one that is cancelled. */
static nx_err fibers(void)
{
    nx_fiber *first, *second;
    NX_TRY(nx_spawn(&first, ask_in_fiber, (void *)(uintptr_t) "first"));
    NX_TRY(nx_sleep(NX_MS(20)));
    NX_TRY(nx_spawn(&second, ask_in_fiber, (void *)(uintptr_t) "second"));
    nx_err err = nx_join(second);
    nx_println("%s %s", nx_err_name(err), nx_error_last()->message);
    nx_cancel(first);
    err = nx_join(first);
    nx_println("%s", nx_err_name(err));
    nx_bytes answer;
    NX_TRY(nx_prompt(&answer, "third"));
    nx_println("<%s>", answer.data);
    return NX_OK;
}

static nx_err crash(void)
{
    nx_bytes word;
    nx_fiber *fiber;
    NX_TRY(nx_spawn(&fiber, ask_in_fiber, (void *)(uintptr_t) "unused"));
    nx_cancel(fiber);
    NX_IGNORE(nx_join(fiber));
    return nx_prompt_secret(&word, "Password");
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    nx_fiber *fiber;
    NX_TRY(nx_spawn(&fiber, ticker, argc > 2 && strcmp(argv[2], "tell") == 0 ? &ticks : NULL));
    nx_err err = strcmp(what, "styles") == 0     ? styles()
                 : strcmp(what, "table") == 0    ? table()
                 : strcmp(what, "tables") == 0   ? tables()
                 : strcmp(what, "progress") == 0 ? progress(true)
                 : strcmp(what, "stopped") == 0  ? progress(false)
                 : strcmp(what, "left") == 0     ? left(argc > 2 ? argv[2] : "")
                 : strcmp(what, "line") == 0     ? line()
                 : strcmp(what, "yes") == 0      ? yes()
                 : strcmp(what, "choice") == 0   ? choice()
                 : strcmp(what, "secret") == 0   ? secret()
                 : strcmp(what, "fibers") == 0   ? fibers()
                 : strcmp(what, "crash") == 0    ? crash()
                                                 : NX_EUSAGE;
    if (err) nx_eprintln("console.c: %s", nx_error_last()->message);
    nx_cancel(fiber);
    NX_IGNORE(nx_join(fiber));
    nx_eprintln("ticks %s", ticks > 10 ? "many" : "few");
    return err;
}
