/* Downloads: whole at once, in parts, and those that fail. */
#include "fetch_peer.h"
#include <nexus/fs.h>
#include <nexus/text.h>

static const char whole[] = "0123456789abcdefghijklmnopqrstuvwxyz";

static nx_err count_progress(void *arg, uint64_t done, int64_t total)
{
    nx_expect(total < 0 || done <= (uint64_t)total);
    ++*(int *)arg;
    return NX_OK;
}

static nx_err stop_it(void *arg, uint64_t done, int64_t total)
{
    (void)arg, (void)done, (void)total;
    return nx_fail(NX_EFAILED, "enough");
}

NX_TEST("a download goes on where it was cut off, and appears when it is whole")
{
    struct peer p = {0};
    int calls = 0;
    nx_bytes text;
    const char *path = nx_format("%s/file", nx_test_dir());
    peer_begin(&p,
               ANSWERS("HTTP/1.1 200 OK\r\netag: \"v1\"\r\ncontent-length: 36\r\n\r\n0123456789",
                       "HTTP/1.1 206 Part\r\netag: \"v1\"\r\ncontent-length: 26\r\n"
                       "content-range: bytes 10-35/36\r\n\r\nabcdefghij",
                       "HTTP/1.1 206 Part\r\netag: \"v1\"\r\ncontent-length: 16\r\n"
                       "content-range: bytes 20-35/36\r\n\r\nklmnopqrstuvwxyz"));
    nx_require_ok(nx_download(peer_url(&p, "/"), path, .progress = count_progress, .arg = &calls,
                              .progress_every = 1));
    nx_require_ok(nx_fs_read_file(path, &text));
    nx_expect_eq(text, whole);
    nx_expect(calls >= 3);
    nx_expect(strstr(p.asked, "range: bytes=20-\r\nif-range: \"v1\"\r\n") != NULL);
    nx_expect(!nx_fs_exists(nx_format("%s.part", path)));
    nx_expect(!nx_fs_exists(nx_format("%s.part.of", path)));
    peer_end(&p);
}

NX_TEST("a later call goes on, unless the file is another one by then")
{
    struct peer p = {0};
    nx_bytes text;
    const char *path = nx_format("%s/later", nx_test_dir());
    peer_begin(&p, ANSWERS("HTTP/1.1 200 OK\r\netag: \"v1\"\r\ncontent-length: 36\r\n\r\n01234",
                           "HTTP/1.1 200 OK\r\netag: \"v2\"\r\ncontent-length: 3\r\n\r\nnew"));
    nx_expect_err(NX_EFAILED,
                  nx_download(peer_url(&p, "/"), path, .progress = stop_it, .progress_every = 1));
    nx_expect(!nx_fs_exists(path));
    nx_expect(nx_fs_exists(nx_format("%s.part", path)));
    nx_require_ok(nx_download(peer_url(&p, "/"), path));
    nx_expect(strstr(p.asked, "range: bytes=5-\r\n") != NULL);
    nx_require_ok(nx_fs_read_file(path, &text));
    nx_expect_eq(text, "new");
    peer_end(&p);
}

NX_TEST("downloads that fail")
{
    struct peer p = {0};
    const char *path = nx_format("%s/none", nx_test_dir());
    peer_begin(&p, ANSWERS("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
                           "HTTP/1.1 200 OK\r\ncontent-length: 36\r\n\r\n0123456789",
                           "HTTP/1.1 200 OK\r\n\r\n0123456789",
                           "HTTP/1.1 200 OK\r\netag: \"v\"\r\ncontent-length: 36\r\n\r\n01234",
                           "HTTP/1.1 206 Part\r\ncontent-length: 2\r\n"
                           "content-range: bytes 3-4/36\r\n\r\nxx",
                           "HTTP/1.1 206 Part\r\ncontent-length: 2\r\n"
                           "content-range: bytes 5-6/*\r\n\r\nxx"));
    nx_expect_err(NX_ENOENT, nx_download(peer_url(&p, "/"), path));
    nx_expect_err(NX_ETOOBIG, nx_download(peer_url(&p, "/"), path, .max_size = 10));
    nx_expect_err(NX_ETOOBIG, nx_download(peer_url(&p, "/"), path, .max_size = 9));
    nx_expect_err(NX_EPROTO, nx_download(peer_url(&p, "/"), path));
    nx_expect(strstr(nx_error_last()->message, "another part") != NULL);
    nx_expect_err(NX_ETOOBIG, nx_download(peer_url(&p, "/"), path, .max_size = 4));
    nx_expect(!nx_fs_exists(path));
    peer_end(&p);
}
