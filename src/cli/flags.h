/* The flags and arguments of the commands: what they are parsed, suggested and completed by. */
#ifndef NX__FLAGS_H
#define NX__FLAGS_H

#include <nexus/base.h>

/* What a shell offers for a value or an argument. */
enum nx__offer {
    NX__OFFER_NOTHING,
    NX__OFFER_WORDS, /* a known set */
    NX__OFFER_PATHS,
    NX__OFFER_FOLDERS,
    NX__OFFER_SOURCES,  /* .c files, and folders on the way to them */
    NX__OFFER_PROGRAMS, /* of the PATH */
    NX__OFFER_VARIABLES /* of the environment */
};

/* A known set: its word number `index`, NULL past the end; `*summary` says what it means. */
typedef const char *nx__words(size_t index, const char **summary);

enum nx__takes {
    NX__TAKES_NOTHING,
    NX__TAKES_VALUE, /* --name=VALUE */
    NX__TAKES_EITHER /* --name, or --name=VALUE */
};

struct nx__flag {
    const char *name, *summary;
    enum nx__takes takes;
    enum nx__offer offer;
    nx__words *words; /* with NX__OFFER_WORDS */
    bool list;        /* values separated by commas; the flag may come again */
};

/* Tables of flags end with this. */
#define NX__FLAGS_END                                                                              \
    {                                                                                              \
        NULL, NULL, NX__TAKES_NOTHING, NX__OFFER_NOTHING, NULL, false                              \
    }

/* Entries that several tables have. */
#define NX__FLAG_HELP                                                                              \
    {                                                                                              \
        .name = "--help", .summary = "say what the command does"                                   \
    }
#define NX__FLAG_COMPILER                                                                          \
    {                                                                                              \
        .name = "--compiler", .summary = "the C compiler to take", .takes = NX__TAKES_VALUE,       \
        .offer = NX__OFFER_WORDS, .words = nx__compiler_words                                      \
    }
#define NX__FLAG_PERMISSION(flag, text, offers)                                                    \
    {                                                                                              \
        .name = (flag), .summary = (text), .takes = NX__TAKES_EITHER, .offer = (offers),           \
        .list = true                                                                               \
    }
#define NX__FLAG_FACTS(flag, text)                                                                 \
    {                                                                                              \
        .name = (flag), .summary = (text), .takes = NX__TAKES_EITHER, .offer = NX__OFFER_WORDS,    \
        .words = nx__fact_words, .list = true                                                      \
    }
/* clang-format off */
#define NX__FLAGS_PERMISSIONS                                                                      \
    NX__FLAG_PERMISSION("--allow-net", "listen and connect", NX__OFFER_NOTHING),                   \
    NX__FLAG_PERMISSION("--allow-listen", "listen on addresses", NX__OFFER_NOTHING),               \
    NX__FLAG_PERMISSION("--allow-connect", "connect to addresses", NX__OFFER_NOTHING),             \
    NX__FLAG_PERMISSION("--allow-read", "read files and folders", NX__OFFER_PATHS),                \
    NX__FLAG_PERMISSION("--allow-write", "write files and folders", NX__OFFER_PATHS),              \
    NX__FLAG_PERMISSION("--allow-env", "read environment variables", NX__OFFER_VARIABLES),         \
    NX__FLAG_PERMISSION("--allow-run", "start programs", NX__OFFER_PROGRAMS),                      \
    NX__FLAG_PERMISSION("--allow-ffi", "load native libraries", NX__OFFER_PATHS),                  \
    NX__FLAG_FACTS("--allow-sys", "see facts about the host"),                                     \
    NX__FLAG_PERMISSION("--allow-wasm", "load WebAssembly from elsewhere", NX__OFFER_PATHS),       \
    {.name = "--allow-all", .summary = "allow all of these"},                                      \
    NX__FLAG_PERMISSION("--deny-net", "never these addresses", NX__OFFER_NOTHING),                 \
    NX__FLAG_PERMISSION("--deny-listen", "never listen there", NX__OFFER_NOTHING),                 \
    NX__FLAG_PERMISSION("--deny-connect", "never connect there", NX__OFFER_NOTHING),               \
    NX__FLAG_PERMISSION("--deny-read", "never read these", NX__OFFER_PATHS),                       \
    NX__FLAG_PERMISSION("--deny-write", "never write these", NX__OFFER_PATHS),                     \
    NX__FLAG_PERMISSION("--deny-env", "never read these variables", NX__OFFER_VARIABLES),          \
    NX__FLAG_PERMISSION("--deny-run", "never start these programs", NX__OFFER_PROGRAMS),           \
    NX__FLAG_PERMISSION("--deny-ffi", "never load these libraries", NX__OFFER_PATHS),              \
    NX__FLAG_FACTS("--deny-sys", "never see these facts"),                                         \
    NX__FLAG_PERMISSION("--deny-wasm", "never load these modules", NX__OFFER_PATHS)
/* clang-format on */

/* The C compilers that `--compiler` knows by name. */
nx__words nx__compiler_words;

/* The facts about the host that --allow-sys knows. */
nx__words nx__fact_words;

/* The flags of `nexus run` and `nexus dev`, in options.c. */
extern const struct nx__flag nx__run_flags[], nx__dev_flags[], nx__serve_flags[];

/* The flag that an argument is ("--name" or "--name=VALUE"), NULL when the table has none such.
 * `*value` is what follows "=", NULL without one. */
const struct nx__flag *nx__flag_find(const struct nx__flag *flags, const char *argument,
                                     const char **value);

/* Records NX_EUSAGE for a flag that the table has not, with the one that may have been meant;
 * without such a one, `otherwise` says what to do. Returns the code. */
nx_err nx__flag_unknown(const struct nx__flag *flags, const char *argument, const char *otherwise);

#endif
