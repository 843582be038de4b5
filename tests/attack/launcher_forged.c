/* Asks the launcher itself, past the check of the library, to listen.
 * stands for: a check that the program's own code can skip
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct {
        uint32_t magic, kind, backlog, mode, port, sockets, workers, wants;
        uint64_t drain;
        char text[16];
    } request = {.magic = 0x4e58424b, .kind = 1, .backlog = 1, .sockets = 1, .workers = 1};
    struct {
        int32_t code, system;
        uint32_t port;
        char message[4096];
    } answer = {.code = -1};
    strcpy(request.text, "127.0.0.2");
    if (send(3, &request, offsetof(__typeof__(request), text) + sizeof "127.0.0.2", 0) < 0)
        return -1;
    if (recv(3, &answer, sizeof answer, 0) < 8) return -1;
    errno = EACCES;
    return answer.code == 0 ? 0 : -1;
}
