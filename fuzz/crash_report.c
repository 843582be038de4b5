/* Fuzzes the check of a report that an app has sent: what passes is safe to read and to show. */
#include "base/utf8.h"
#include "loop/crash.h"
#include <stdlib.h>

static void expect_text(const char *text, size_t size)
{
    if (!memchr(text, '\0', size)) abort();
    if (!nx__utf8_valid(text, strlen(text))) abort();
    for (; *text; text++) {
        unsigned char c = (unsigned char)text[0], next = (unsigned char)text[1];
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0)) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nx__crash_report report, packet;
    (void)nx__crash_check(data, size, &report); /* as it came */
    memset(&packet, 0, sizeof packet);
    memcpy(&packet, data, size < sizeof packet ? size : sizeof packet);
    packet.magic = NX__CRASH_MAGIC;
    if (!nx__crash_check(&packet, sizeof packet, &report)) return 0;
    if (report.kind >= NX__CRASH_KINDS || report.frame_count > NX__CRASH_FRAMES) abort();
    if (report.module_count > NX__CRASH_MODULES) abort();
    expect_text(report.fiber, sizeof report.fiber);
    expect_text(report.activity, sizeof report.activity);
    for (uint32_t i = 0; i < report.module_count; i++)
        expect_text(report.modules[i], NX__CRASH_PATH);
    return 0;
}
