/* Functions that are to run before main or after it, which tcc takes for any others without a
 * word. */
#include "module/job.h"

#include <ctype.h>
#include <stdio.h>

/* Whether it is an attribute that ends in `tail` ("structor"): in "((constructor",
 * "((used, __destructor__(101)" or "[[gnu::constructor]]". A comment may look so too, and costs no
 * more than a slower compiler. */
static bool is_attribute(const char *begin, const char *tail)
{
    const char *word = tail;
    while (word > begin && (isalnum((unsigned char)word[-1]) || word[-1] == '_')) word--;
    const char *name = word;
    while (*name == '_') name++;
    if (!(tail - name == 3 && memcmp(name, "con", 3) == 0) &&
        !(tail - name == 2 && memcmp(name, "de", 2) == 0))
        return false;
    while (word > begin && isspace((unsigned char)word[-1])) word--;
    if (word - begin < 2) return false;
    return word[-1] == ',' || (word[-1] == '(' && word[-2] == '(') ||
           (word[-1] == ':' && word[-2] == ':');
}

static bool has_one(const struct nx__buffer *text)
{
    static const char tail[] = "structor";
    const char *end = text->data + text->len;
    if (!text->len) return false;
    for (const char *at = text->data; at < end; at++) {
        at = memmem(at, (size_t)(end - at), tail, sizeof tail - 1);
        if (!at) return false;
        if (is_attribute(text->data, at)) return true;
    }
    return false;
}

nx_err nx__constructors_check(const char *path, int output)
{
    struct nx__buffer text = {0};
    nx_err err = nx__read_small(path, NX__MANIFEST_MOST, &text);
    /* What is too long for that is no source of a person's. */
    bool found = !err && has_one(&text);
    nx__buffer_free(&text);
    if (!found) return NX_OK;
    (void)dprintf(output, "%s: error: tcc runs no constructors and destructors; gcc and clang do\n",
                  path);
    return NX_ECOMPILE;
}
