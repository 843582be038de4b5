/* What a test's process tells the runner. */
#include "test/process.h"

#include <errno.h>
#include <sys/socket.h>

static int runner = -1;

/* Bytes of the text that go in, at most `room` with the NUL. */
static uint32_t put(char *to, size_t room, const char *text)
{
    if (!text || !room) return 0;
    size_t len = strnlen(text, room - 1);
    memcpy(to, text, len);
    to[len] = '\0';
    return (uint32_t)len + 1;
}

void nx__test_send(enum nx__test_packet_kind kind, int line, const char *first, const char *second,
                   const double *numbers, size_t count)
{
    struct nx__test_packet packet;
    memset(&packet, 0, offsetof(struct nx__test_packet, text));
    packet.magic = NX__TEST_MAGIC;
    packet.kind = kind;
    packet.line = line;
    packet.first_size = put(packet.text, sizeof packet.text / 2, first);
    packet.second_size =
        put(packet.text + packet.first_size, sizeof packet.text - packet.first_size, second);
    if (count) memcpy(packet.numbers, numbers, count * sizeof *numbers);
    size_t size = offsetof(struct nx__test_packet, text) + packet.first_size + packet.second_size;
    /* Without a runner there is nobody to tell, and one that has gone takes this process along. */
    while (send(runner, &packet, size, MSG_NOSIGNAL) < 0 && errno == EINTR) {}
}

void nx__test_send_to(int fd)
{
    runner = fd;
}

bool nx__test_packet_check(const struct nx__test_packet *packet, size_t len)
{
    size_t head = offsetof(struct nx__test_packet, text);
    if (len < head || packet->magic != NX__TEST_MAGIC) return false;
    uint64_t texts = (uint64_t)packet->first_size + packet->second_size;
    if (texts != len - head) return false;
    if (packet->first_size && packet->text[packet->first_size - 1]) return false;
    return !packet->second_size || !packet->text[texts - 1];
}
