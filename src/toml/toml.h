/* What the parser makes, and the pieces that it is made of. */
#ifndef NX__TOML_H
#define NX__TOML_H

#include <nexus/toml.h>

/* How a table came to be, which says who may still add to it. */
enum nx__toml_made {
    NX__TOML_IMPLIED, /* by a header of a table in it: may get a header of its own, once */
    NX__TOML_HEADER,  /* by its header */
    NX__TOML_DOTTED,  /* by a dotted name, in `section`: may get more by others there */
    NX__TOML_CLOSED   /* in one piece: an array, or a table in braces */
};

struct nx__toml_value {
    nx_toml_kind kind;
    enum nx__toml_made made;
    uint32_t offset; /* where it stands in the text */
    uint32_t section, depth, count;
    nx_bytes name; /* in its table */
    struct nx__toml_value *next, *first, *last;
    union {
        bool boolean;
        int64_t integer;
        double real;
        nx_bytes string;
        const nx_toml_date *date;
    } as;
};

struct nx__toml_doc {
    nx_bytes text;
    const char *name;
    struct nx__toml_value *root;
};

/* The members of all tables, by table and name. */
struct nx__toml_index {
    struct nx__toml_value **slots, **tables; /* a member, and the table that it is in */
    size_t count, capacity;
};

struct nx__toml_parser {
    struct nx__toml_doc *doc;
    const char *at, *end;
    struct nx__toml_index index;
    uint32_t max_depth;
    uint32_t section, sections;
};

/* Records that the text is wrong at `at`, and returns NX_EINVAL. */
nx_err nx__toml_wrong(const struct nx__toml_doc *doc, const char *at, const char *format, ...)
    NX_PRINTF(3, 4);

/* ---- scalar.c: all but arrays and tables. Each reads what begins at parser->at. */

/* A string with either quote, of one line or, if `lines`, of several too. */
nx_err nx__toml_string(struct nx__toml_parser *parser, bool lines, nx_bytes *out);
/* A bool, number, date or time. */
nx_err nx__toml_plain(struct nx__toml_parser *parser, struct nx__toml_value *value);

/* ---- index.c */

struct nx__toml_value *nx__toml_find(const struct nx__toml_index *index,
                                     const struct nx__toml_value *table, nx_bytes name);
/* Adds the value, named, behind the others of the table. NX_ENOMEM. */
nx_err nx__toml_add(struct nx__toml_index *index, struct nx__toml_value *table,
                    struct nx__toml_value *value);
/* Adds an item to an array. */
void nx__toml_append(struct nx__toml_value *list, struct nx__toml_value *value);

#endif
