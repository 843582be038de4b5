/* Answering with a file: which representation, which bytes of it, or that it has not changed. */
#include "http/files/files.h"

#include "base/arena.h"
#include "http/files/ranges.h"
#include "http/files/types.h"
#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>

enum { BOUNDARY_BYTES = 16, PART_HEAD_MOST = 256 };

void nx__file_cache_control(char *out, size_t size, nx_duration max_age, bool immutable)
{
    if (max_age < NX_S(1))
        (void)snprintf(out, size, "no-cache");
    else
        (void)snprintf(out, size, "max-age=%lld%s", (long long)(max_age / NX_S(1)),
                       immutable ? ", immutable" : "");
}

/* ---- Choosing a representation, RFC 9110 12.5.3 */

static const struct nx__file_variant *choose(const struct nx__file_entry *entry,
                                             nx_bytes accept_encoding)
{
    const struct nx__file_variant *best = entry->variants[NX__CODING_IDENTITY];
    if (!entry->precompressed || !accept_encoding.len) return best;
    uint16_t weight[NX__CODINGS];
    nx__accept_codings(accept_encoding, weight);
    unsigned best_weight = weight[NX__CODING_IDENTITY];
    for (int i = 1; i < NX__CODINGS; i++) {
        const struct nx__file_variant *v = entry->variants[i];
        if (!v || !weight[i] || weight[i] < best_weight) continue;
        if (weight[i] == best_weight && v->size >= best->size) continue;
        best = v;
        best_weight = weight[i];
    }
    return best;
}

/* ---- Fields */

static nx_err fields_add(nx_response *res, const struct nx__file_variant *v,
                         const struct nx__file_how *how)
{
    struct nx__fields *fields = &res->fields;
    uint32_t wanted = fields->count + v->field_count + 3;
    bool given = fields->count != 0;
    if (wanted > fields->capacity) {
        struct nx__field *items =
            nx__arena_alloc(&res->req->fiber->own.arena, wanted * sizeof *items);
        if (!items) return nx__error_set(NX_ENOMEM, "cannot answer with a file: out of memory");
        if (given) memcpy(items, fields->items, fields->count * sizeof *items);
        fields->items = items;
        fields->capacity = wanted;
    }
    uint32_t own = fields->count;
    for (uint32_t i = 0; i < v->field_count; i++) {
        const struct nx__field *field = &v->fields[i];
        /* Several vary fields add up. */
        if (given && strcmp(field->name.data, "vary") != 0 &&
            nx__response_has(res, field->name.data, own))
            continue;
        fields->items[fields->count] = *field;
        if (i == 0 && how->type.len) fields->items[fields->count].value = how->type;
        fields->count++;
    }
    if (how->cache_control.len && !(given && nx__response_has(res, "cache-control", own)))
        fields->items[fields->count++] =
            (struct nx__field){.name = nx_str("cache-control"), .value = how->cache_control};
    return NX_OK;
}

/* The value of the field, to be changed; NULL where there is none. */
static nx_bytes *field_value(nx_response *res, const char *name)
{
    for (uint32_t i = 0; i < res->fields.count; i++)
        if (strcasecmp(res->fields.items[i].name.data, name) == 0)
            return &res->fields.items[i].value;
    return NULL;
}

/* What a 304 and a 412 say of the file (RFC 9110 15.4.5): no more. */
static void fields_keep_validators(nx_response *res, uint32_t own)
{
    uint32_t count = own;
    for (uint32_t i = own; i < res->fields.count; i++) {
        const char *name = res->fields.items[i].name.data;
        if (strcmp(name, "etag") == 0 || strcmp(name, "vary") == 0 ||
            strcmp(name, "cache-control") == 0)
            res->fields.items[count++] = res->fields.items[i];
    }
    res->fields.count = count;
}

static nx_err range_field(nx_response *res, const struct nx__range *range, uint64_t size)
{
    char *text = range ? nx_format("bytes %llu-%llu/%llu", (unsigned long long)range->first,
                                   (unsigned long long)(range->first + range->len - 1),
                                   (unsigned long long)size)
                       : nx_format("bytes */%llu", (unsigned long long)size);
    if (!text) return NX_ENOMEM;
    return nx__response_field(res, nx_str("content-range"), nx_str(text));
}

/* ---- Bytes */

static nx_err send_pieces(nx_response *res, const struct nx__file_variant *v,
                          const struct nx__file_piece *pieces, size_t count)
{
    const struct nx__http_driver *driver = res->req->driver;
    if (!v->bytes) return driver->send_file(res, v->fd, pieces, count);
    if (count == 1 && !pieces->bytes.len)
        return driver->send(res, nx_slice(v->bytes + pieces->offset, (size_t)pieces->len));
    size_t size = 0;
    for (size_t i = 0; i < count; i++) size += pieces[i].bytes.len + (size_t)pieces[i].len;
    char *all = nx_alloc(size), *at = all;
    if (!all) return NX_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        memcpy(at, pieces[i].bytes.data, pieces[i].bytes.len);
        at += pieces[i].bytes.len;
        if (!pieces[i].len) continue;
        memcpy(at, v->bytes + pieces[i].offset, (size_t)pieces[i].len);
        at += pieces[i].len;
    }
    return driver->send(res, nx_slice(all, size));
}

/* Several ranges, RFC 9110 14.6. */
static nx_err send_parts(nx_response *res, const struct nx__file_variant *v,
                         const struct nx__range *ranges, size_t count)
{
    unsigned char random[BOUNDARY_BYTES];
    char boundary[2 * BOUNDARY_BYTES + 1];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return nx__error_system(errno, "cannot answer with parts of a file");
    for (int i = 0; i < BOUNDARY_BYTES; i++) (void)snprintf(boundary + 2 * i, 3, "%02x", random[i]);
    nx_bytes *type = field_value(res, "content-type");
    struct nx__file_piece *pieces = nx_alloc((count + 1) * sizeof *pieces);
    char *multipart = nx_format("multipart/byteranges; boundary=%s", boundary);
    if (!type || !pieces || !multipart) return NX_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        char *head = nx_format(
            "%s--%s\r\ncontent-type: %.*s\r\ncontent-range: bytes "
            "%llu-%llu/%llu\r\n\r\n",
            i ? "\r\n" : "", boundary, NX_FMT(*type), (unsigned long long)ranges[i].first,
            (unsigned long long)(ranges[i].first + ranges[i].len - 1), (unsigned long long)v->size);
        if (!head) return NX_ENOMEM;
        pieces[i] = (struct nx__file_piece){nx_str(head), ranges[i].first, ranges[i].len};
    }
    char *end = nx_format("\r\n--%s--\r\n", boundary);
    if (!end) return NX_ENOMEM;
    pieces[count] = (struct nx__file_piece){nx_str(end), 0, 0};
    *type = nx_str(multipart);
    res->status = 206;
    return send_pieces(res, v, pieces, count + 1);
}

static nx_err send_ranges(nx_response *res, const struct nx__file_variant *v, nx_bytes field,
                          uint32_t own, bool *all)
{
    struct nx__range ranges[NX__RANGES_MOST];
    size_t count;
    switch (nx__ranges_parse(field, v->size, ranges, &count)) {
    case NX__RANGES_NONE: *all = true; return NX_OK;
    case NX__RANGES_UNSATISFIABLE:
        res->fields.count = own;
        NX_TRY(range_field(res, NULL, v->size));
        return nx_response_error(res, 416, NULL);
    case NX__RANGES_SOME: break;
    }
    if (count > 1) return send_parts(res, v, ranges, count);
    NX_TRY(range_field(res, ranges, v->size));
    res->status = 206;
    struct nx__file_piece piece = {.offset = ranges->first, .len = ranges->len};
    return send_pieces(res, v, &piece, 1);
}

NX__HOT nx_err nx__file_answer(nx_response *res, const struct nx__file_entry *entry,
                               const struct nx__file_how *how)
{
    if (nx__unlikely(res->state != NX__RESPONSE_OPEN))
        return nx__error_set(NX_ESTATE, "cannot answer: this request has been answered already");
    const nx_request *req = res->req;
    bool get = nx_bytes_is(req->method, "GET");
    struct nx__conditions conditions;
    NX_TRY(nx__conditions_collect(req, &conditions));
    const struct nx__file_variant *v = choose(entry, conditions.accept_encoding);
    uint32_t own = res->fields.count;
    NX_TRY(fields_add(res, v, how));
    struct nx__file_piece whole = {.offset = 0, .len = v->size};
    /* Conditions are for what would be a success (RFC 9110 13.2.1). */
    if (res->status != 200 || !(get || nx_bytes_is(req->method, "HEAD")))
        return send_pieces(res, v, &whole, 1);
    switch (nx__conditions_weigh(&conditions, &v->validator, get)) {
    case NX__CONDITION_UNCHANGED:
        fields_keep_validators(res, own);
        res->status = 304;
        return res->req->driver->send(res, (nx_bytes){0});
    case NX__CONDITION_FAILED:
        fields_keep_validators(res, own);
        return nx_response_error(res, 412, NULL);
    case NX__CONDITION_RANGE: {
        bool all = false;
        nx_err err = send_ranges(res, v, conditions.range, own, &all);
        if (!all) return err;
        break;
    }
    case NX__CONDITION_SEND: break;
    }
    return send_pieces(res, v, &whole, 1);
}

/* ---- One file by its path */

nx_err nx__file_failed(int error, const char *path)
{
    unsigned status = 404;
    switch (-error) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EXDEV:
    case ENAMETOOLONG:
    case ENXIO:
    case ENODEV:
        (void)nx__error_set(NX_ENOENT, "cannot answer with \"%s\": no such file", path);
        return nx__error_status_set(status);
    case EPERM:
        /* Its message names the flag. */
        if (nx__permit(NX__PERMIT_READ, path) != NX_OK) return nx__error_status_set(status);
        break;
    case EACCES: break;
    case EMFILE:
    case ENFILE:
    case EAGAIN:
    case ECANCELED: status = 503; break;
    default: status = 500; break;
    }
    (void)nx__error_system(-error, "cannot answer with \"%s\"", path);
    return nx__error_status_set(status);
}

static nx_err answer_path(nx_response *res, const char *path, const nx_file_options *given)
{
    nx_file_options o = {0};
    memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
    static const struct nx__dir anywhere = {.fd = AT_FDCWD};
    const struct nx__dir *dir = &anywhere;
    if (o.root) {
        int error = nx__file_root(o.root, &dir);
        if (error) return nx__file_failed(error, o.root);
        while (*path == '/') path++;
    }
    char cache_control[64];
    nx__file_cache_control(cache_control, sizeof cache_control, o.max_age, o.immutable);
    struct nx__file_how how = {.cache_control = nx_str(cache_control), .type = nx_str(o.type)};
    struct nx__file_entry *entry;
    int error = nx__file_find(dir, path, o.precompressed, &entry);
    if (!error && !entry) error = -EISDIR;
    nx_err err;
    if (error) {
        const char *full = o.root ? nx_format("%s/%s", o.root, path) : path;
        err = nx__file_failed(error, full ? full : path);
    } else {
        err = nx__file_answer(res, entry, &how);
    }
    nx__file_release(entry);
    if (o.root) nx__file_root_release(dir);
    return err;
}

nx_err nx_response_file_with(nx_response *res, const char *path, const nx_file_options *options)
{
    if (res->failed) return nx_response_end(res); /* says which mistake it was */
    return answer_path(res, path, options);
}

/* RFC 6266: the name for everybody, and as it is. */
static nx_err disposition(nx_response *res, const char *name)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t len = strlen(name);
    char *text = nx_alloc(64 + len + 3 * len);
    if (!text) return NX_ENOMEM;
    char *at = text;
    const char *begin = "attachment; filename=\"";
    memcpy(at, begin, strlen(begin));
    at += strlen(begin);
    bool plain = true;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        bool good = c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '%' && c != '/';
        plain &= good;
        *at++ = good ? name[i] : '_';
    }
    *at++ = '"';
    if (!plain) {
        begin = "; filename*=UTF-8''";
        memcpy(at, begin, strlen(begin));
        at += strlen(begin);
        for (size_t i = 0; i < len; i++) {
            unsigned char c = (unsigned char)name[i];
            if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                (c && strchr("!#$&+-.^_`|~", c))) {
                *at++ = name[i];
                continue;
            }
            *at++ = '%';
            *at++ = hex[c >> 4];
            *at++ = hex[c & 15];
        }
    }
    *at = '\0';
    nx_response_header(res, "content-disposition", text);
    return NX_OK;
}

nx_err nx_response_file_as_download_with(nx_response *res, const char *path, const char *name,
                                         const nx_file_options *options)
{
    if (!name) {
        const char *slash = strrchr(path, '/');
        name = slash ? slash + 1 : path;
    }
    NX_TRY(disposition(res, name));
    return nx_response_file_with(res, path, options);
}
