/* What the tree and the reader share: where a text comes from, and places in it. */
#ifndef NX__JSON_TREE_H
#define NX__JSON_TREE_H

#include <nexus/json.h>

struct yyjson_doc;

struct nx__json_doc {
    struct yyjson_doc *tree;
    const char *what; /* "the JSON body", for messages; static */
    bool of_peer;     /* who sent it is to blame for what is wrong with it */
    nx_json_duplicates duplicates;
};

/* Reads the text into `doc`, whose other fields are set. Errors as nx__json_parse. Whatever it
 * returns, the tree is to be freed. Any thread. */
NX_MUST_CHECK nx_err nx__json_tree_read(struct nx__json_doc *doc, nx_bytes text,
                                        uint32_t max_depth);
void nx__json_tree_free(void *doc);
nx_json nx__json_root(const struct nx__json_doc *doc);

/* nx_json_parse for a text that is called `what`. With `of_peer`, NX_EPROTO stands for NX_EINVAL,
 * and errors are the peer's (nx__error_peer). */
NX_MUST_CHECK nx_err nx__json_parse(nx_bytes text, nx_json *out, const nx_json_options *options,
                                    const char *what, bool of_peer);

/* nx_json_reader_new for a text that is called `what`. */
NX_MUST_CHECK nx_err nx__json_reader_new(nx_json_reader **out, nx_json_source source, void *from,
                                         const nx_json_reader_options *options, const char *what,
                                         bool of_peer);

/* The number that the NUL-terminated text is, spelled as JSON has it, in every locale; false if it
 * is none or does not fit. */
bool nx__json_number(nx_bytes text, double *out);

/* Stores a whole number for NX__JSON_TYPE `type`; false if it does not fit. The value is `u`, or as
 * signed where `negative`. */
bool nx__json_store_int(void *out, int type, uint64_t u, bool negative);

/* What such a value has to be: "a whole number from 0 to 255". */
const char *nx__json_type_text(int type);

/* A line and a column as an editor counts them, from 1. */
struct nx__json_place {
    size_t line, column;
};

/* Moves the place behind `len` bytes. */
void nx__json_pass(struct nx__json_place *place, const char *data, size_t len);

/* Records that the text is wrong at the place and returns the error: `err`, or NX_EINVAL for
 * NX_EPROTO where no peer is to blame. `found` is the byte there, NUL for none. */
nx_err nx__json_error(const struct nx__json_doc *doc, nx_err err, struct nx__json_place place,
                      const char *reason, char found);

#endif
