/* Intrusive lists. */
#include "base/list.h"

#include "base/compiler.h"
#include <nexus/test.h>

struct item {
    int number;
    struct nx__list link;
};

static int number_of(struct nx__list *link)
{
    return nx__container_of(link, struct item, link)->number;
}

NX_TEST("list keeps order")
{
    struct nx__list head;
    nx__list_init(&head);
    nx_expect(nx__list_empty(&head));
    nx_expect(!nx__list_pop(&head));
    struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    for (int i = 0; i < 3; i++) nx__list_insert(&head, &items[i].link);
    nx_expect(!nx__list_empty(&head));
    for (int i = 0; i < 3; i++) nx_expect_eq(number_of(nx__list_pop(&head)), i);
    nx_expect(nx__list_empty(&head));
}

NX_TEST("list inserts before a place")
{
    struct nx__list head;
    nx__list_init(&head);
    struct item last = {.number = 2}, first = {.number = 1};
    nx__list_insert(&head, &last.link);
    nx__list_insert(&last.link, &first.link);
    nx_expect_eq(number_of(head.next), 1);
    nx_expect_eq(number_of(head.prev), 2);
}

NX_TEST("list removes from the middle and twice")
{
    struct nx__list head;
    nx__list_init(&head);
    struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    for (int i = 0; i < 3; i++) nx__list_insert(&head, &items[i].link);
    nx__list_remove(&items[1].link);
    nx__list_remove(&items[1].link);
    nx_expect(nx__list_empty(&items[1].link));
    nx_expect_eq(number_of(nx__list_pop(&head)), 0);
    nx_expect_eq(number_of(nx__list_pop(&head)), 2);
    nx_expect(nx__list_empty(&head));
}
