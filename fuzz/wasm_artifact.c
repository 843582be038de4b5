/* The end of a compiled file: what it says of itself is text with an end. */
#include "module/artifact.h"

#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char tail[NX__ARTIFACT_TAIL] = {0};
    struct nx__artifact artifact;
    memory_begin();
    memcpy(tail, data, size < sizeof tail ? size : sizeof tail);
    if (nx__artifact_parse(tail, &artifact)) {
        check(memchr(artifact.target, '\0', sizeof artifact.target) != NULL);
        check(artifact.hash[sizeof artifact.hash - 1] == '\0');
        check(artifact.current || !artifact.metered);
    }
    memory_end();
    return 0;
}
