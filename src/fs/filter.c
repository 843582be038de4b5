/* Which of the paths below a directory are asked for. */
#include "fs/filter.h"

#include "base/error.h"

static nx_err compile(struct nx__pattern *pattern, const char *text, bool hidden)
{
    pattern->name_only = !strchr(text, '/');
    return nx_glob_new(&pattern->glob, text, .hidden = hidden);
}

nx_err nx__filter_init(struct nx__filter *filter, const char *match, const char *const *ignore,
                       bool no_hidden)
{
    filter->no_hidden = no_hidden;
    if (match) NX_TRY(compile(&filter->match, match, !no_hidden));
    for (; ignore && *ignore; ignore++) {
        if (filter->ignored == NX__IGNORED_MOST)
            return nx__error_set(NX_ELIMIT, "at most %d patterns can be ignored", NX__IGNORED_MOST);
        NX_TRY(compile(&filter->ignore[filter->ignored], *ignore, true));
        filter->ignored++;
    }
    return NX_OK;
}

void nx__filter_free(struct nx__filter *filter)
{
    nx_glob_free(filter->match.glob);
    for (size_t i = 0; i < filter->ignored; i++) nx_glob_free(filter->ignore[i].glob);
}

static bool matches(const struct nx__pattern *pattern, const char *relative, const char *name)
{
    return nx_glob_matches(pattern->glob, nx_str(pattern->name_only ? name : relative));
}

bool nx__filter_ignores(const struct nx__filter *filter, const char *relative, const char *name)
{
    if (filter->no_hidden && name[0] == '.') return true;
    for (size_t i = 0; i < filter->ignored; i++)
        if (matches(&filter->ignore[i], relative, name)) return true;
    return false;
}

bool nx__filter_has(const struct nx__filter *filter, const char *relative, const char *name)
{
    return !filter->match.glob || matches(&filter->match, relative, name);
}

bool nx__filter_reaches(const struct nx__filter *filter, const char *relative)
{
    return !filter->match.glob || filter->match.name_only ||
           nx_glob_reaches(filter->match.glob, nx_str(relative));
}
