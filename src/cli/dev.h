/* nexus dev: what is kept of what has gone wrong, and the pages that tell it. The launcher has a
 * `struct nx__dev` under `nexus dev` and none under `nexus run`. */
#ifndef NX__DEV_H
#define NX__DEV_H

#include "base/buffer.h"
#include "cli/dev_text.h"
#include "cli/launcher.h"
#include "http/dev.h"
#include "loop/crash.h"
#include "permission/broker.h"

enum {
    NX__DEV_SAID_MOST = 1 << 20,     /* bytes of a compiler's words that are kept */
    NX__DEV_ITEMS_MOST = 100,        /* errors, warnings and notes that a page shows */
    NX__DEV_TAIL_MOST = 32 * 1024,   /* bytes of what the program has written to stderr last */
    NX__DEV_TAIL_LINES = 20,         /* lines of it that a page shows */
    NX__DEV_PAGE_MOST = 4 << 20,     /* bytes of a page */
    NX__DEV_SOURCE_MOST = 8 << 20,   /* bytes of a file that an excerpt is taken from */
    NX__DEV_EXCERPT_LINES = 7,       /* lines in an excerpt */
    NX__DEV_EXCERPT_LINE_MOST = 400, /* bytes of one of them */
};

/* ---- dev_diagnostics.c: what a compiler has said. Pure. */

enum nx__dev_kind { NX__DEV_ERROR, NX__DEV_WARNING, NX__DEV_NOTE, NX__DEV_HINT };

struct nx__dev_item {
    enum nx__dev_kind kind;
    size_t head;             /* the error or warning that a note or hint belongs to: its index */
    nx_bytes text;           /* the message */
    nx_bytes file;           /* as the compiler names it; empty where it names none */
    nx_bytes function;       /* "In function 'x'"; may be empty */
    nx_bytes included;       /* "In file included from app.c:1:", in lines; may be empty */
    int line, column, width; /* 0: not told. The column as the compiler counts */
};

/* All zero is empty. */
struct nx__dev_diagnostics {
    char *text; /* what was said, without colours; the slices are of it */
    size_t len;
    struct nx__dev_item items[NX__DEV_ITEMS_MOST];
    size_t count;
    size_t errors, warnings; /* in all */
};

/* Takes apart what gcc, clang, tcc or a linker has said, whatever it is. False when memory is out.
 */
bool nx__dev_diagnostics(struct nx__dev_diagnostics *out, const char *said, size_t len);
void nx__dev_diagnostics_free(struct nx__dev_diagnostics *diagnostics);

/* Length of the escape sequence that begins the text. */
size_t nx__dev_escape_length(const char *s, size_t len);

/* ---- dev_source.c: lines of the program's source. */

struct nx__dev_excerpt {
    char path[NX__PATH_MAX]; /* absolute; empty where the file is not to be shown */
    char *source;            /* its text; NULL: nothing of it can be shown */
    struct {
        const char *text;
        size_t len;
    } lines[NX__DEV_EXCERPT_LINES];
    int first; /* number of the first line */
    size_t count;
    size_t at;             /* which is meant */
    size_t mark, mark_len; /* bytes of it that are meant, 0: all of it */
};

/* Finds the lines around `line` of a file that a compiler or debugger has named. Only of files
 * below `root`, in packages, and of the system's headers: what is said may name any. `display`
 * tells that columns are counted as a terminal does, else in bytes. Freed with
 * nx__dev_excerpt_free. */
void nx__dev_excerpt(struct nx__dev_excerpt *out, const char *root, nx_bytes file, int line,
                     int column, int width, bool display);
void nx__dev_excerpt_free(struct nx__dev_excerpt *excerpt);

/* True when the file is the program's own: below `root`, and in no package. */
bool nx__dev_is_own(const char *root, const char *path);

/* ---- dev_output.c: what the program writes to stderr, and its lines about requests. */

struct nx__dev_output {
    int from, to;         /* what is stderr to the program: a terminal where ours is, else a pipe */
    int log_from, log_to; /* lines about requests; -1: none */
    char tail[NX__DEV_TAIL_MOST];
    size_t tail_len;
};

NX_MUST_CHECK nx_err nx__dev_output_open(struct nx__dev_output *output, bool log);
/* Shows what has come. Does not wait for more. */
void nx__dev_output_relay(struct nx__dev_output *output);
/* The terminal has another size. */
void nx__dev_output_resize(const struct nx__dev_output *output);
/* The last lines that were written since the program started. */
nx_bytes nx__dev_output_last(const struct nx__dev_output *output);

/* ---- What goes wrong */

enum nx__dev_trouble {
    NX__DEV_UNCOMPILED, /* the program does not compile */
    NX__DEV_CRASHED,
    NX__DEV_ENDED,  /* it has returned from main, or was ended by a signal */
    NX__DEV_FAILED, /* a handler has returned an error */
};

struct nx__dev {
    uint64_t version;             /* grows with each change that a page wants to know of */
    bool pending;                 /* a changed program is starting */
    enum nx__dev_trouble trouble; /* why the program does not run, if it does not */
    struct nx__buffer said;       /* by the compiler, when it last refused something */
    bool display_columns;         /* it counts columns as a terminal does */
    char why[NX__ERROR_MESSAGE_MAX];
    char compiler[64];
    bool from_cache;
    nx_duration built; /* how long compiling took */
    int status;        /* NX__DEV_ENDED: as from waitpid */
    bool crash_known;
    uint32_t crash_of;             /* the number of the generation that it has ended */
    struct nx__crash_report crash; /* the last one */
    struct nx__crash_story story;
    struct nx__dev_output output;
    char root[NX__PATH_MAX]; /* the project's folder */
    bool banner;             /* said */
};

/* ---- dev_facts.c, dev_page.c, dev_plain.c */

/* What a page is about. */
struct nx__dev_page {
    const struct nx__launcher *launcher;
    enum nx__dev_trouble trouble;
    int status;
    bool of_request; /* it answers the very request that is to blame */
    nx_bytes method; /* of the request that is answered; empty where not known */
    const struct nx__crash_report *report; /* NX__DEV_CRASHED, NX__DEV_FAILED; else NULL */
    const struct nx__crash_story *story;
    char title[384];
    char lead[512]; /* what more there is to say at once; may be empty */
    char next[256]; /* what happens now */
    char nonce[NX__DEV_NONCE];
    struct nx__dev_diagnostics diagnostics;
};

/* Takes in what there is to say. */
void nx__dev_page_init(struct nx__dev_page *page, const struct nx__launcher *launcher,
                       enum nx__dev_trouble trouble, const struct nx__crash_report *report,
                       const struct nx__crash_story *story);
/* It answers the very request that has crashed the program. */
void nx__dev_page_of_request(struct nx__dev_page *page);
/* Why the program does not run now. */
void nx__dev_page_now(const struct nx__launcher *launcher, struct nx__dev_page *page);
void nx__dev_page_free(struct nx__dev_page *page);

/* What kind of page it is: "Does not compile", or the name of the status. */
nx_bytes nx__dev_kind_name(const struct nx__dev_page *page);

/* Tells the facts one by one. */
void nx__dev_facts(const struct nx__dev_page *page,
                   void (*tell)(const char *name, nx_bytes value, void *context), void *context);

/* The lines that the program has written to stderr last, where they may have to do with it. */
nx_bytes nx__dev_last_output(const struct nx__dev_page *page);

/* Puts text without its escape sequences. */
void nx__dev_uncolored(struct nx__dev_text *out, nx_bytes text, enum nx__text_for how);

void nx__dev_html(const struct nx__dev_page *page, struct nx__dev_text *out);
void nx__dev_plain(const struct nx__dev_page *page, struct nx__dev_text *out);
void nx__dev_json(const struct nx__dev_page *page, struct nx__dev_text *out);

/* The page as the client wants it. */
void nx__dev_render(const struct nx__dev_page *page, enum nx__broker_wants wants,
                    struct nx__dev_text *out);

#endif
