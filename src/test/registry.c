/* Which tests there are. */
#include "test/process.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

static nx_test *tests;

static bool before(const nx_test *a, const nx_test *b)
{
    int files = strcmp(a->file, b->file);
    return files < 0 || (files == 0 && a->line < b->line);
}

void nx_test_register(nx_test *test)
{
    nx_test **place = &tests;
    while (*place && !before(test, *place)) place = &(*place)->next;
    test->next = *place;
    *place = test;
}

nx_test *nx__tests(void)
{
    return tests;
}

/* What the dynamic section says of the tag; the loader has made addresses of offsets. */
static uintptr_t dynamic(const ElfW(Dyn) * section, ElfW(Sxword) tag)
{
    for (; section->d_tag != DT_NULL; section++)
        if (section->d_tag == tag) return section->d_un.d_ptr;
    return 0;
}

void nx__tests_find(void *handle)
{
    static const char prefix[] = "nx_test_record_";
    struct link_map *map;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) return;
    /* tcc writes the old hash table, whose second word is the number of symbols. */
    const uint32_t *hash = (const uint32_t *)dynamic(map->l_ld, DT_HASH);
    const ElfW(Sym) *symbols = (const ElfW(Sym) *)dynamic(map->l_ld, DT_SYMTAB);
    const char *names = (const char *)dynamic(map->l_ld, DT_STRTAB);
    if (!hash || !symbols || !names) return;
    for (uint32_t i = 0; i < hash[1]; i++)
        if (symbols[i].st_shndx != SHN_UNDEF && symbols[i].st_size == sizeof(nx_test) &&
            strncmp(names + symbols[i].st_name, prefix, sizeof prefix - 1) == 0)
            nx_test_register((nx_test *)(map->l_addr + symbols[i].st_value));
}
