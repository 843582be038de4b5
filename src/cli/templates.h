/* The templates of `nexus init`. */
#ifndef NX__TEMPLATES_H
#define NX__TEMPLATES_H

enum { NX__TEMPLATE_FILES = 8 };

/* In the paths and texts "{{name}}" stands for the project's name, "{{ident}}" for what C can take
 * of it, "{{IDENT}}" for that in capitals, and "{{main}}" for the main file. */
struct nx__template {
    const char *name, *summary;
    const char *main; /* the program or, of a library, its source */
    const char *next; /* commands that show what it does, a line each */
    struct {
        const char *path, *text;
    } files[NX__TEMPLATE_FILES]; /* NULL behind the last */
};

/* The first is the default; a NULL name at the end. */
extern const struct nx__template nx__templates[];

#endif
