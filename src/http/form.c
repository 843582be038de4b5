/* Forms: fields and files, of both kinds of body; and multipart bodies part by part. */
#include "http/data.h"
#include "http/multipart.h"
#include "http/spool.h"

#include "base/arena.h"
#include "base/utf8.h"
#include "fs/fs.h"
#include <stdlib.h>

enum { SAVE_PIECE = 64 * 1024 };

struct nx_multipart {
    nx_request *req;
    nx_form_options options;
    struct nx__multipart parser;
    nx_bytes input; /* not yet parsed */
    bool given;     /* a body that had been read before */
    bool in_part, done;
    uint64_t size;      /* of the body so far */
    uint64_t part_size; /* of the part so far */
    uint32_t fields, files;
    nx_err failed;
};

struct file {
    nx_upload upload;
    struct nx__spool spool;
    struct file *next;
};

struct nx_form {
    nx_form_options options;
    struct nx__params fields;
    size_t fields_size;
    struct file *files, **files_end;
};

/* ---- Options */

static nx_form_options options_of(const nx_request *req, const nx_form_options *given)
{
    nx_form_options o = {0};
    memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
    if (!o.max_size) o.max_size = req->server->options.max_body;
    if (!o.max_fields) o.max_fields = 1000;
    if (!o.max_fields_size) o.max_fields_size = 1 << 20;
    if (!o.max_files) o.max_files = 32;
    if (!o.max_file) o.max_file = o.max_size;
    if (!o.max_name) o.max_name = 255;
    if (!o.max_part_head) o.max_part_head = 4096;
    if (!o.file_memory) o.file_memory = 64 * 1024;
    return o;
}

static nx_err wrong(nx_err err, const char *reason)
{
    if (err == NX_ENOMEM)
        (void)nx__error_set(err, "cannot read the form: out of memory");
    else
        (void)nx__error_peer(err, "cannot read the form: %s", reason);
    return err;
}

static const char multipart_type[] = "multipart/form-data",
                  both_types[] = "multipart/form-data, application/x-www-form-urlencoded";

/* `types` are those that would do. */
static nx_err no_form(nx_request *req, nx_bytes type, const char *types)
{
    char quoted[NX__QUOTED];
    nx__response_accept(req, types);
    if (!type.data) return wrong(NX_ENOTSUP, "the request has no content-type");
    return nx__error_peer(NX_ENOTSUP, "cannot read the form: \"%s\" is none; send %s",
                          nx__quoted(quoted, type), types);
}

/* ---- Part by part */

static nx_err multipart_begin(nx_request *req, nx_multipart **out, const nx_form_options *options,
                              const char *types)
{
    *out = NULL;
    nx_form_options o = options_of(req, options);
    nx_multipart *m = nx__arena_alloc(nx__request_arena(req), sizeof *m);
    if (!m) return wrong(NX_ENOMEM, NULL);
    *m = (nx_multipart){.req = req, .options = o, .input = {"", 0}};
    nx_bytes type = nx_request_header(req, "content-type");
    nx_err err =
        nx__multipart_init(&m->parser, type, o.max_part_head, o.max_name, nx__request_arena(req));
    if (err == NX_ENOTSUP) return no_form(req, type, types);
    if (err) return wrong(err, m->parser.reason);
    *out = m;
    return NX_OK;
}

nx_err nx_request_multipart_with(nx_request *req, nx_multipart **out,
                                 const nx_form_options *options)
{
    return multipart_begin(req, out, options, multipart_type);
}

static nx_err input(nx_multipart *m)
{
    NX_TRY(nx__request_piece(m->req, &m->given, &m->input));
    if (!m->input.len) return wrong(NX_EPROTO, "it ends in the middle");
    m->size += m->input.len;
    if (m->size > m->options.max_size) return wrong(NX_ETOOBIG, "it is larger than max_size");
    return NX_OK;
}

/* Reads on to the next event that is none of the parser's own. */
static nx_err advance(nx_multipart *m, enum nx__multipart_event *event, nx_bytes *piece)
{
    for (;;) {
        size_t used;
        *event = nx__multipart_feed(&m->parser, m->input.data, m->input.len, &used, piece);
        m->input = nx_slice(m->input.data + used, m->input.len - used);
        if (*event == NX__MULTIPART_ERROR) return wrong(m->parser.err, m->parser.reason);
        if (*event != NX__MULTIPART_MORE) return NX_OK;
        NX_TRY(input(m));
    }
}

/* What follows the last boundary is read, so that the connection can be used again, and means
 * nothing. */
static nx_err epilogue(nx_multipart *m)
{
    m->done = true;
    for (;;) {
        nx_bytes piece;
        NX_TRY(nx__request_piece(m->req, &m->given, &piece));
        if (!piece.len) return NX_OK;
        m->size += piece.len;
        if (m->size > m->options.max_size) return wrong(NX_ETOOBIG, "it is larger than max_size");
    }
}

static nx_err part_begun(nx_multipart *m)
{
    m->in_part = true;
    m->part_size = 0;
    bool is_file = m->parser.part.filename.data != NULL;
    if (is_file && ++m->files > m->options.max_files)
        return wrong(NX_ETOOBIG, "it has more files than max_files");
    if (!is_file && ++m->fields > m->options.max_fields)
        return wrong(NX_ETOOBIG, "it has more fields than max_fields");
    return NX_OK;
}

static nx_err read_piece(nx_multipart *m, nx_bytes *piece)
{
    *piece = (nx_bytes){0};
    if (!m->in_part) return NX_OK;
    enum nx__multipart_event event;
    NX_TRY(advance(m, &event, piece));
    if (event == NX__MULTIPART_PART_END) {
        m->in_part = false;
        *piece = (nx_bytes){0};
        return NX_OK;
    }
    m->part_size += piece->len;
    if (m->part_size > m->options.max_file)
        return wrong(NX_ETOOBIG, "one part is larger than max_file");
    return NX_OK;
}

/* Once it has failed it goes on failing. */
static nx_err sticky(nx_multipart *m, nx_err err)
{
    if (err) m->failed = err;
    return err;
}

static nx_err failed_before(const nx_multipart *m)
{
    return nx__error_set(NX_ESTATE, "cannot read on: reading the form has failed (%s)",
                         nx_err_name(m->failed));
}

nx_err nx_multipart_read(nx_multipart *m, nx_bytes *piece)
{
    *piece = (nx_bytes){0};
    if (m->failed) return failed_before(m);
    return sticky(m, read_piece(m, piece));
}

static nx_err next_part(nx_multipart *m, const nx_part **part)
{
    nx_bytes piece;
    while (m->in_part) NX_TRY(read_piece(m, &piece));
    if (m->done) return NX_OK;
    enum nx__multipart_event event;
    NX_TRY(advance(m, &event, &piece));
    if (event == NX__MULTIPART_END) return epilogue(m);
    NX_TRY(part_begun(m));
    *part = &m->parser.part;
    return NX_OK;
}

nx_err nx_multipart_next(nx_multipart *m, const nx_part **part)
{
    *part = NULL;
    if (m->failed) return failed_before(m);
    return sticky(m, next_part(m, part));
}

/* ---- Whole forms */

static nx_err fields_grown(nx_form *form, size_t more)
{
    if (more > form->options.max_fields_size - form->fields_size)
        return wrong(NX_ETOOBIG, "its fields are larger than max_fields_size");
    form->fields_size += more;
    return NX_OK;
}

static char *copy(struct nx__arena *arena, nx_bytes text)
{
    char *out = nx__arena_alloc(arena, text.len + 1);
    if (!out) return NULL;
    if (text.len) memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return out;
}

/* Reads the rest of a part, or of the body, into `*out`. */
static nx_err read_text(nx_form *form, nx_request *req, nx_multipart *m, nx_bytes *out)
{
    struct nx__arena *arena = nx__request_arena(req);
    size_t capacity = 64, len = 0;
    char *data = nx__arena_alloc(arena, capacity);
    bool given = false;
    while (data) {
        nx_bytes piece;
        NX_TRY(m ? nx_multipart_read(m, &piece) : nx__request_piece(req, &given, &piece));
        if (!piece.len) {
            data[len] = '\0';
            *out = nx_slice(data, len);
            return NX_OK;
        }
        NX_TRY(fields_grown(form, piece.len));
        if (len + piece.len >= capacity) {
            size_t more = (len + piece.len + 1) * 2;
            data = nx__arena_grow(arena, data, capacity, more);
            capacity = more;
            if (!data) break;
        }
        memcpy(data + len, piece.data, piece.len);
        len += piece.len;
    }
    return wrong(NX_ENOMEM, NULL);
}

static nx_err read_field(nx_form *form, nx_multipart *m, const nx_part *part)
{
    struct nx__arena *arena = nx__request_arena(m->req);
    struct nx__param param = {.name = part->name};
    NX_TRY(fields_grown(form, part->name.len));
    const char *name = copy(arena, part->name);
    if (!name) return wrong(NX_ENOMEM, NULL);
    param.name.data = name;
    NX_TRY(read_text(form, m->req, m, &param.value));
    if (memchr(param.value.data, '\0', param.value.len) ||
        !nx__utf8_valid(param.value.data, param.value.len))
        return wrong(NX_EPROTO, "a field holds a NUL or text that is not UTF-8");
    return nx__params_add(&form->fields, param, arena) ? wrong(NX_ENOMEM, NULL) : NX_OK;
}

static void file_close(void *arg)
{
    nx__spool_close(&((struct file *)arg)->spool);
}

static nx_err read_file(nx_form *form, nx_multipart *m, const nx_part *part)
{
    struct nx__arena *arena = nx__request_arena(m->req);
    struct file *file = nx__arena_alloc(arena, sizeof *file);
    nx_bytes type = part->type.len ? part->type : nx_str("application/octet-stream");
    char *name = copy(arena, part->name), *filename = copy(arena, part->filename),
         *kind = copy(arena, type);
    if (!file || !name || !filename || !kind) return wrong(NX_ENOMEM, NULL);
    *file = (struct file){.upload = {.name = nx_slice(name, part->name.len),
                                     .filename = nx_slice(filename, part->filename.len),
                                     .type = nx_slice(kind, type.len),
                                     .spool = &file->spool}};
    nx__spool_init(&file->spool, arena, form->options.directory, form->options.file_memory);
    NX_TRY(nx__request_defer(m->req, file_close, file));
    for (;;) {
        nx_bytes piece;
        NX_TRY(nx_multipart_read(m, &piece));
        if (!piece.len) break;
        file->upload.size += piece.len;
        NX_TRY(nx__spool_add(&file->spool, piece));
    }
    NX_TRY(nx__spool_end(&file->spool));
    /* This is how a browser says that no file was chosen. */
    if (!filename[0] && !file->upload.size) return NX_OK;
    *form->files_end = file;
    form->files_end = &file->next;
    return NX_OK;
}

static nx_err read_multipart(nx_form *form, nx_request *req)
{
    nx_multipart *m;
    NX_TRY(multipart_begin(req, &m, &form->options, both_types));
    for (;;) {
        const nx_part *part;
        NX_TRY(nx_multipart_next(m, &part));
        if (!part) return NX_OK;
        NX_TRY(part->filename.data ? read_file(form, m, part) : read_field(form, m, part));
    }
}

static nx_err read_urlencoded(nx_form *form, nx_request *req)
{
    nx_bytes body;
    NX_TRY(read_text(form, req, NULL, &body));
    const char *reason = NULL;
    nx_err err = nx__params_parse(&form->fields, body, form->options.max_fields,
                                  nx__request_arena(req), &reason);
    return err ? wrong(err, err == NX_ETOOBIG ? "it has more fields than max_fields" : reason)
               : NX_OK;
}

nx_err nx_request_form_with(nx_request *req, nx_form **out, const nx_form_options *options)
{
    *out = NULL;
    struct nx__request_data *data = nx__request_data(req);
    if (!data) return NX_ENOMEM;
    if (!data->form) {
        nx_form *form = nx__arena_alloc(nx__request_arena(req), sizeof *form);
        if (!form) return wrong(NX_ENOMEM, NULL);
        *form = (nx_form){.options = options_of(req, options)};
        form->options.size = sizeof form->options;
        form->files_end = &form->files;
        nx_bytes type = nx_request_header(req, "content-type"), rest = type;
        bool urlencoded =
            nx__text_ieq(nx__attribute_head(&rest), "application/x-www-form-urlencoded");
        NX_TRY(urlencoded ? read_urlencoded(form, req) : read_multipart(form, req));
        data->form = form;
    }
    *out = data->form;
    return NX_OK;
}

/* ---- Fields */

nx_bytes nx_form_get(const nx_form *form, const char *name)
{
    size_t at = 0;
    const struct nx__param *param = nx__params_find(&form->fields, name, &at);
    return param ? param->value : (nx_bytes){0};
}

int64_t nx_form_int(const nx_form *form, const char *name, int64_t fallback)
{
    return nx__params_int(&form->fields, name, fallback);
}

double nx_form_double(const nx_form *form, const char *name, double fallback)
{
    return nx__params_double(&form->fields, name, fallback);
}

bool nx_form_bool(const nx_form *form, const char *name, bool fallback)
{
    return nx__params_bool(&form->fields, name, fallback);
}

bool nx_form_each(const nx_form *form, const char *name, size_t *at, nx_bytes *value)
{
    const struct nx__param *param = nx__params_find(&form->fields, name, at);
    *value = param ? param->value : (nx_bytes){0};
    return param != NULL;
}

bool nx_form_at(const nx_form *form, size_t index, nx_bytes *name, nx_bytes *value)
{
    if (index >= form->fields.count) return false;
    *name = form->fields.items[index].name;
    *value = form->fields.items[index].value;
    return true;
}

nx_err nx_form_take(const nx_form *form, const char *name, void *out, int type, bool needed)
{
    return nx__params_take(&form->fields, "field", name, out, type, needed);
}

/* ---- Files */

const nx_upload *nx_form_file(const nx_form *form, const char *name)
{
    for (const struct file *file = form->files; file; file = file->next)
        if (nx_bytes_is(file->upload.name, name)) return &file->upload;
    return NULL;
}

const nx_upload *nx_form_file_at(const nx_form *form, size_t index)
{
    const struct file *file = form->files;
    while (file && index--) file = file->next;
    return file ? &file->upload : NULL;
}

static nx_err read_failed(int64_t result)
{
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    return nx__error_system((int)-result, "cannot read a file of the form");
}

nx_err nx_upload_read(const nx_upload *upload, uint64_t offset, void *data, size_t size,
                      size_t *got)
{
    int64_t n = nx__spool_read(upload->spool, offset, data, size);
    *got = n > 0 ? (size_t)n : 0;
    return n < 0 ? read_failed(n) : NX_OK;
}

nx_err nx_upload_bytes(const nx_upload *upload, nx_bytes *out)
{
    const struct nx__spool *spool = upload->spool;
    *out = nx_slice(spool->memory ? spool->memory : "", spool->len);
    if (spool->fd < 0) return NX_OK;
    *out = (nx_bytes){0};
    if (upload->size >= SIZE_MAX)
        return nx__error_set(NX_ETOOBIG,
                             "cannot read a file of the form: it is too large for memory");
    size_t size = (size_t)upload->size, len = 0;
    char *data = nx_alloc(size + 1);
    if (!data) return NX_ENOMEM;
    while (len < size) {
        size_t got;
        NX_TRY(nx_upload_read(upload, len, data + len, size - len, &got));
        if (!got)
            return nx__error_set(NX_EIO, "cannot read a file of the form: it has become shorter");
        len += got;
    }
    data[len] = '\0';
    *out = nx_slice(data, len);
    return NX_OK;
}

struct saving {
    const nx_upload *upload;
    uint64_t offset;
    char *data;
};

static int64_t saving_next(void *from, nx_bytes *piece)
{
    struct saving *s = from;
    int64_t n = nx__spool_read(s->upload->spool, s->offset, s->data, SAVE_PIECE);
    *piece = nx_slice(s->data, n > 0 ? (size_t)n : 0);
    if (n > 0) s->offset += (uint64_t)n;
    return n < 0 ? n : 0;
}

nx_err nx_upload_save(const nx_upload *upload, const char *path)
{
    const struct nx__spool *spool = upload->spool;
    if (spool->fd < 0) return nx_fs_write_file(path, nx_slice(spool->memory, spool->len));
    struct saving saving = {.upload = upload, .data = nx_alloc(SAVE_PIECE)};
    if (!saving.data) return NX_ENOMEM;
    return nx__fs_write_from(path, saving_next, &saving);
}
