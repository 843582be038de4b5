/* Fuzzes the readers of JSON: the tree and the events, in whatever pieces, must say the same. */
#include "../tests/unit/json/say.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MAX_DEPTH = 32 };
    const char *text = (const char *)data;
    struct said tree, events;
    say_by_tree(&tree, text, size, MAX_DEPTH);
    for (size_t step = 0; step < 4; step++) {
        say_by_events(&events, text, size, MAX_DEPTH, size / 2, step);
        if (!said_eq(&tree, &events)) {
            fprintf(stderr, "steps of %zu: \"%.*s\" (%s), the tree says \"%.*s\" (%s)\n", step,
                    (int)events.text.len, events.text.data, events.reason ? events.reason : "",
                    (int)tree.text.len, tree.text.data, tree.err ? nx_error_last()->message : "");
            abort();
        }
        nx__buffer_free(&events.text);
    }
    nx__buffer_free(&tree.text);
    return 0;
}
