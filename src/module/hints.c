/* What is added to the compilers' words. */
#include "module/compiler.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

bool nx__output_says(int output, const char *words)
{
    struct stat st;
    if (fstat(output, &st) != 0 || st.st_size <= 0) return false;
    size_t len = (size_t)st.st_size;
    void *text = mmap(NULL, len, PROT_READ, MAP_PRIVATE, output, 0);
    if (text == MAP_FAILED) return false;
    bool found = memmem(text, len, words, strlen(words)) != NULL;
    (void)munmap(text, len);
    return found;
}

/* A header with a folder in its name that the compiler has not found is most likely a package's:
 * says where those were looked for. */
static void package_hint(const char *main_path, int output)
{
    struct stat st;
    char folder[PATH_SIZE], folders[1024], name[128] = "";
    if (fstat(output, &st) != 0 || st.st_size <= 0) return;
    size_t len = (size_t)st.st_size;
    const char *text = mmap(NULL, len, PROT_READ, MAP_PRIVATE, output, 0);
    if (text == MAP_FAILED) return;
    /* gcc's words, and those of clang and tcc. */
    static const struct {
        const char *words;
        char quote; /* around the name, which is before the words */
    } forms[] = {
        {": No such file or directory", ' '}, {"' file not found", '\''}, {"' not found", '\''}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms && !name[0]; i++) {
        const char *words = memmem(text, len, forms[i].words, strlen(forms[i].words));
        const char *at = words;
        while (at && at > text && at[-1] != forms[i].quote && at[-1] != '\n') at--;
        if (at && at > text && (size_t)(words - at) < sizeof name)
            (void)snprintf(name, sizeof name, "%.*s", (int)(words - at), at);
    }
    (void)munmap((void *)(uintptr_t)text, len);
    if (!strchr(name, '/') || name[0] == '.' || name[0] == '/') return;
    (void)snprintf(folder, sizeof folder, "%s", main_path);
    *strrchr(folder, '/') = '\0';
    nx__modules_list(folder, folders, sizeof folders);
    (void)dprintf(output, "nexus: <%s> is in no package %s\n", name, folders);
}

void nx__compile_hints(const char *main_path, const char *root, int output)
{
    if (nx__output_says(output, "Permission denied"))
        (void)dprintf(
            output,
            "nexus: the compiler may read what lies below \"%s\", and packages; a nexus.toml in a folder above moves that up\n",
            root);
    package_hint(main_path, output);
}
