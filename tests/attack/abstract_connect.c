/* Connects to an abstract Unix socket.
 * stands for: abstract sockets
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(abstract_name);
    memcpy(to.sun_path + 1, abstract_name, len);
    return connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&to,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len));
}
