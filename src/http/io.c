/* The end of a connection, plain or through TLS. */
#include "http/io.h"

#include <unistd.h>

bool nx__io_end(const struct nx__http_io *io)
{
    if (io->tls) (void)nx__tls_end(io->tls);
    return shutdown(io->fd, SHUT_WR) == 0;
}

void nx__io_close(struct nx__http_io *io)
{
    nx__tls_free(io->tls);
    io->tls = NULL;
    if (io->fd >= 0) (void)close(io->fd);
    io->fd = -1;
}
