/* For fuzzers whose inputs are served by fibers. What ended fibers keep for the next request is
 * reached from their stacks alone, where LeakSanitizer does not look. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
