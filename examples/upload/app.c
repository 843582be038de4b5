/* Keeps what is sent to it, compressed, and gives it back:
 *
 *     nexus run app.c --allow-net=:3000 --allow-read=store --allow-write=store
 *     curl -X PUT --data-binary hello localhost:3000/files/report.txt
 *     curl localhost:3000/files/report.txt */
#include <nexus/fs.h>
#include <nexus/http.h>

/* Where it is kept; NULL for a name that is none. */
static char *place(nx_request *req)
{
    nx_bytes name = nx_request_param(req, "name");
    bool good = name.len && name.len < 100 && name.data[0] != '.' &&
                !memchr(name.data, '/', name.len) && !memchr(name.data, '\0', name.len);
    return good ? nx_format("store/%.*s.gz", NX_FMT(name)) : NULL;
}

static nx_err put(nx_request *req, nx_response *res)
{
    char *path = place(req);
    if (!path) return nx_http_error(400, "that is no name");
    char *part = nx_format("%s.%p", path, (void *)req); /* until it is whole */
    nx_err err = nx_pipe(nx_http_body(req), nx_gzip(), nx_fs_writer(part));
    if (err) {
        NX_IGNORE(nx_fs_remove(part));
        return err;
    }
    NX_TRY(nx_fs_rename(part, path));
    nx_response_status(res, 201);
    return nx_response_send(res, "kept\n");
}

static nx_err get(nx_request *req, nx_response *res)
{
    char *path = place(req);
    if (!path || !nx_fs_exists(path)) return nx_http_error(404, "there is no such file");
    return nx_pipe(nx_fs_reader(path), nx_gunzip(), nx_http_sink(res));
}

int main(void)
{
    NX_TRY(nx_fs_mkdir("store", .parents = true));
    NX_AUTO(nx_http_server) *server = nx_http_server_new(.port = 3000, .max_body = 1 << 30);
    nx_http_put(server, "/files/:name", put);
    nx_http_get(server, "/files/:name", get);
    return nx_http_listen(server);
}
