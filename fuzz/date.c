/* Text as a date of each form and as a span, and bytes as a file of a time zone: what is read is
 * written, and read again, as the same. The first byte says as what. */
#include "date/zone.h"

#include "memory.h"

static bool same(nx_date a, nx_date b)
{
    return nx_date_compare(a, b) == 0 && a.offset == b.offset && a.unknown_place == b.unknown_place;
}

static void date(nx_bytes text, nx_err (*parse)(nx_bytes, nx_date *),
                 nx_err (*write)(nx_date, nx_bytes *))
{
    nx_date d, back;
    nx_bytes out;
    nx_time time;
    if (parse(text, &d)) return;
    check(!nx__date_wrong(&d));
    if (!write(d, &out)) check(parse(out, &back) == NX_OK && same(d, back));
    check(nx_date_text(d, &out) == NX_OK && nx_date_parse(out, &back) == NX_OK && same(d, back));
    if (!nx_date_time(d, &time)) check(nx_date_utc(time).nanosecond == d.nanosecond);
}

static void span(nx_bytes text)
{
    nx_duration d, back;
    nx_bytes out;
    if (nx_duration_parse(text, &d)) return;
    check(nx_duration_text(d, &out) == NX_OK && nx_duration_parse(out, &back) == NX_OK &&
          d == back);
    check(nx_duration_text_iso(d, &out) == NX_OK && nx_duration_parse(out, &back) == NX_OK &&
          d == back);
}

static void zone(nx_bytes bytes)
{
    nx_zone z;
    if (!nx__zone_file_read(bytes, &z))
        for (int64_t at = INT64_MIN / NX_S(1); at < INT64_MAX / NX_S(1); at += 123456789) {
            nx_date d = nx_date_local(at * NX_S(1), &z);
            check(!nx__date_wrong(&d) && nx__date_seconds(&d) == at);
        }
    nx__zone_free(&z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    memory_begin();
    char *copy = malloc(size); /* of its own, so that a read past the end is seen */
    if (!copy) return 0;
    memcpy(copy, data + 1, size - 1);
    nx_bytes text = nx_slice(copy, size - 1);
    switch (data[0] % 5) {
    case 0: date(text, nx_date_parse, nx_date_text); break;
    case 1: date(text, nx_date_parse_http, nx_date_text_http); break;
    case 2: date(text, nx_date_parse_mail, nx_date_text_mail); break;
    case 3: span(text); break;
    default: zone(text); break;
    }
    memory_end();
    free(copy);
    return 0;
}
