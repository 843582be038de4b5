/* Members by name: one hash table for all tables of a text, so that no names make it slow. */
#include "base/siphash.h"
#include "toml/toml.h"
#include <sys/random.h>

static uint64_t hash(const struct nx__toml_value *table, nx_bytes name)
{
    static _Thread_local uint64_t key[2];
    static _Thread_local bool keyed;
    /* Without, names can be found that are slow: bounded by the size of the text. */
    if (!keyed) keyed = getrandom(key, sizeof key, 0) == sizeof key;
    return nx__siphash(key, name.data, name.len) ^
           (uint64_t)(uintptr_t)table / 16 * 0x9e3779b97f4a7c15u;
}

/* The slot that has the member, or is free for it. */
static size_t slot_of(const struct nx__toml_index *index, const struct nx__toml_value *table,
                      nx_bytes name)
{
    size_t mask = index->capacity - 1;
    uint64_t h = hash(table, name);
    size_t slot = (size_t)(h ^ h >> 32) & mask;
    while (index->slots[slot] &&
           (index->tables[slot] != table || !nx_bytes_eq(index->slots[slot]->name, name)))
        slot = (slot + 1) & mask;
    return slot;
}

struct nx__toml_value *nx__toml_find(const struct nx__toml_index *index,
                                     const struct nx__toml_value *table, nx_bytes name)
{
    return index->capacity ? index->slots[slot_of(index, table, name)] : NULL;
}

static nx_err grow(struct nx__toml_index *index)
{
    struct nx__toml_index larger = {.count = index->count,
                                    .capacity = index->capacity ? index->capacity * 2 : 64};
    larger.slots = nx_alloc_zero(larger.capacity, sizeof *larger.slots);
    larger.tables = nx_alloc_zero(larger.capacity, sizeof *larger.tables);
    if (!larger.slots || !larger.tables) return NX_ENOMEM;
    for (size_t i = 0; i < index->capacity; i++) {
        if (!index->slots[i]) continue;
        size_t slot = slot_of(&larger, index->tables[i], index->slots[i]->name);
        larger.slots[slot] = index->slots[i];
        larger.tables[slot] = index->tables[i];
    }
    *index = larger;
    return NX_OK;
}

nx_err nx__toml_add(struct nx__toml_index *index, struct nx__toml_value *table,
                    struct nx__toml_value *value)
{
    if (index->count * 2 >= index->capacity) NX_TRY(grow(index));
    size_t slot = slot_of(index, table, value->name);
    index->slots[slot] = value;
    index->tables[slot] = table;
    index->count++;
    nx__toml_append(table, value);
    return NX_OK;
}

void nx__toml_append(struct nx__toml_value *list, struct nx__toml_value *value)
{
    if (list->last)
        list->last->next = value;
    else
        list->first = value;
    list->last = value;
    list->count++;
}
