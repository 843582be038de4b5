/* The terminal: formatted output, styles, tables, progress, questions. */
#ifndef NEXUS_CONSOLE_H
#define NEXUS_CONSOLE_H

#include <nexus/base.h>
#include <nexus/json.h>
#include <nexus/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Output
 *
 * What is printed goes through a buffer that a thread of its own writes out within milliseconds, so
 * that a slow reader never blocks the loop; logs go the same way, and on one terminal (or pipe, or
 * file) both stay in order. All is out before the program ends, by exit, abort or a crash. */

typedef enum nx_standard { NX_STDIN, NX_STDOUT, NX_STDERR } nx_standard;

/* Prints formatted text to the standard output, or to the standard error; the `ln` ones add a
 * newline. Text of up to NX_PRINT_WHOLE bytes stays together. NX_OK; NX_ECANCELED (not printed);
 * NX_ECLOSED, NX_ERESET, NX_EIO, NX_ENOSPC (nobody gets what is printed any more); NX_ENOMEM.
 * Suspends while the reader is NX_PRINT_BUFFER bytes behind; outside of a fiber, blocks. Any
 * thread. A reader that is gone ends the program by SIGPIPE, as usual, unless that is ignored. */
NX_API nx_err nx_print(const char *format, ...) NX_PRINTF(1, 2);
NX_API nx_err nx_println(const char *format, ...) NX_PRINTF(1, 2);
NX_API nx_err nx_eprint(const char *format, ...) NX_PRINTF(1, 2);
NX_API nx_err nx_eprintln(const char *format, ...) NX_PRINTF(1, 2);
#define NX_PRINT_BUFFER ((size_t)1 << 20)
#define NX_PRINT_WHOLE  ((size_t)64 * 1024)

/* The same for bytes, as they are. NX_EINVAL for NX_STDIN. */
NX_API nx_err nx_print_bytes(nx_standard stream, nx_bytes bytes);

/* Waits until all that was printed and logged so far is written: before printf, before starting a
 * program that writes to the same terminal. Errors as nx_print. Suspends; outside of a fiber,
 * blocks. */
NX_API nx_err nx_flush(void);

/* ---- As streams (see <nexus/stream.h>) */

/* The standard input as a source, be it a terminal, a pipe or a file. Its descriptor is neither
 * closed nor changed, so a shell finds its terminal as it was. */
NX_API nx_stream *nx_stdin(void);

/* The standard output and error as sinks: in order with what is printed, and with the same errors.
 * Finishing waits until all is out. */
NX_API nx_stream *nx_stdout(void);
NX_API nx_stream *nx_stderr(void);

/* ---- The terminal */

/* Whether the stream is a terminal. */
NX_API bool nx_is_terminal(nx_standard stream);

/* Columns of the terminal that the stream is; 80 where it is none or doesn't say. */
NX_API unsigned nx_terminal_width(nx_standard stream);

/* Columns that the text takes: 0 for what combines with the letter before it, and for controls, 2
 * for wide letters and emoji; an invalid byte takes 1. */
NX_API size_t nx_text_width(nx_bytes text);

/* ---- Styles */

enum {
    NX_PLAIN = 0, /* back to normal */
    NX_BOLD = 1,
    NX_DIM = 2,
    NX_ITALIC = 4,
    NX_UNDERLINE = 8,
    NX_REVERSE = 16,
    NX_STRIKE = 32,
    NX_BLACK = 0x100,
    NX_RED = 0x200,
    NX_GREEN = 0x300,
    NX_YELLOW = 0x400,
    NX_BLUE = 0x500,
    NX_MAGENTA = 0x600,
    NX_CYAN = 0x700,
    NX_WHITE = 0x800,
    NX_BRIGHT = 0x1000 /* with a colour */
};
/* The colour of the background: NX_BLACK | NX_ON(NX_YELLOW) */
#define NX_ON(color) ((color) << 8)

/* What switches to the style, "" where the standard output is no terminal (or NO_COLOR is set, or
 * TERM is dumb): nx_println("%sfailed%s", nx_style(NX_RED | NX_BOLD), nx_style(NX_PLAIN)). The text
 * lasts until the thread's 16th call after this one. */
NX_API const char *nx_style(unsigned style);
/* The same for another stream. */
NX_API const char *nx_style_for(nx_standard stream, unsigned style);

/* ---- Tables */

typedef struct nx_table nx_table;
#define NX_TABLE_COLUMNS 32

/* Starts a table with these headings. NULL when memory is out, and the table's calls then do
 * nothing but say so: nx_table_print returns the first error. The caller frees it, or
 * NX_AUTO(nx_table) does. Does not suspend. nx_table_new("name", "size") */
NX_API nx_table *nx_table_new_with(const nx_value *headings, size_t count);
#define nx_table_new(...) nx_table_new_with(NX__ITEMS(0, __VA_ARGS__), NX__VALUES(0, __VA_ARGS__))

/* Adds a row: any values that nx_val takes, as many as there are headings or fewer. They are
 * copied. nx_table_row(t, file.name, file.size) */
NX_API void nx_table_row_with(nx_table *table, const nx_value *cells, size_t count);
#define nx_table_row(table, ...)                                                                   \
    nx_table_row_with((table), NX__ITEMS(0, __VA_ARGS__), NX__VALUES(0, __VA_ARGS__))

/* Prints it to the standard output: columns aligned, those of numbers to the right. On a terminal
 * the headings are bold and columns that don't fit are cut with "…"; elsewhere nothing is cut.
 * Control characters are shown, not sent. NX_ENOMEM, NX_EINVAL (too many columns or cells), errors
 * of nx_print. Suspends as nx_print. */
NX_API nx_err nx_table_print(nx_table *table);

/* Frees it; NULL is harmless. */
NX_API void nx_table_free(nx_table *table);
static inline void nx_table_auto(nx_table **table)
{
    nx_table_free(*table);
}

/* ---- Progress */

typedef struct nx_progress nx_progress;

typedef enum nx_unit { NX_UNIT_COUNT, NX_UNIT_BYTES } nx_unit;

typedef struct nx_progress_options {
    size_t size;
    uint64_t total; /* default: not known */
    nx_unit unit;   /* default NX_UNIT_COUNT */
} nx_progress_options;

/* Shows on the standard error how far something is: a bar on a terminal, drawn at most ten times a
 * second and kept below what is printed meanwhile; elsewhere (and beside another bar) a line at the
 * start and one at the end. NULL when memory is out; the other calls take that. The label is
 * copied. Does not suspend. The caller frees it, or NX_AUTO(nx_progress) does.
 * nx_progress_new("copying", .total = size, .unit = NX_UNIT_BYTES) */
NX_API nx_progress *nx_progress_new_with(const char *label, const nx_progress_options *options);
#define nx_progress_new(label, ...)                                                                \
    nx_progress_new_with((label),                                                                  \
                         &(nx_progress_options){.size = sizeof(nx_progress_options), __VA_ARGS__})

/* Says that `amount` more is done, or `done` in all. One thread at a time. Does not suspend. */
NX_API void nx_progress_add(nx_progress *progress, uint64_t amount);
NX_API void nx_progress_set(nx_progress *progress, uint64_t done);

/* It is finished: the last line, with what was done and the time it took. Freed before that, the
 * last line says that it stopped. */
NX_API void nx_progress_end(nx_progress *progress);
NX_API void nx_progress_free(nx_progress *progress);
static inline void nx_progress_auto(nx_progress **progress)
{
    nx_progress_free(*progress);
}

/* ---- Questions
 *
 * Asked on the terminal; the calling fiber alone waits for the answer. One question at a time.
 * NX_ENOTSUP (the standard input, or both outputs, are no terminal), NX_ECLOSED (the input has
 * ended: Ctrl-D), NX_ESTATE (another question is open, or the caller is no fiber), NX_ECANCELED,
 * NX_EIO, NX_ENOMEM, NX_EINVAL (three answers that are none). */

typedef struct nx_prompt_options {
    size_t size;
    const char *fallback; /* the answer that Enter alone gives; default: none */
} nx_prompt_options;
#define NX__PROMPT(...)                                                                            \
    &(nx_prompt_options)                                                                           \
    {                                                                                              \
        .size = sizeof(nx_prompt_options), __VA_ARGS__                                             \
    }

/* Asks for a line of up to NX_PROMPT_MOST bytes, without its newline, NUL-terminated, in memory of
 * the current scope. Without a fallback the answer may be empty.
 * nx_prompt(&name, "Your name", .fallback = "nobody") */
NX_API NX_MUST_CHECK nx_err nx_prompt_with(nx_bytes *answer, const char *question,
                                           const nx_prompt_options *options);
#define nx_prompt(answer, question, ...)                                                           \
    nx_prompt_with((answer), (question), NX__PROMPT(__VA_ARGS__))
#define NX_PROMPT_MOST 4095

/* Asks for yes or no; the fallback is "yes" or "no". */
NX_API NX_MUST_CHECK nx_err nx_prompt_yes_with(bool *yes, const char *question,
                                               const nx_prompt_options *options);
#define nx_prompt_yes(yes, question, ...)                                                          \
    nx_prompt_yes_with((yes), (question), NX__PROMPT(__VA_ARGS__))

/* Asks for a line that is not shown. The terminal shows what is typed again whatever happens. */
NX_API NX_MUST_CHECK nx_err nx_prompt_secret(nx_bytes *secret, const char *question);

/* Asks for one of the choices, by its number or its text; `*index` counts from 0. */
NX_API NX_MUST_CHECK nx_err nx_prompt_choice_with(size_t *index, const char *question,
                                                  const char *const *choices, size_t count,
                                                  const nx_prompt_options *options);
#define nx_prompt_choice(index, question, choices, count, ...)                                     \
    nx_prompt_choice_with((index), (question), (choices), (count), NX__PROMPT(__VA_ARGS__))

#ifdef __cplusplus
}
#endif

#endif
