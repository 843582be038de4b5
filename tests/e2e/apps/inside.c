/* A server that waits, blocks, spins and burns: what nexus dump and --profile look into. */
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static nx_channel *channel;
static nx_fiber *slow;

static nx_err sleeper(void *arg)
{
    (void)arg;
    return nx_sleep(NX_S(1000));
}

static nx_err receiver(void *arg)
{
    (void)arg;
    int value;
    return nx_recv(channel, &value);
}

static nx_err joiner(void *arg)
{
    (void)arg;
    return nx_join(slow);
}

static nx_err calling(void *arg)
{
    (void)arg;
    sleep(1000);
    return NX_OK;
}

static nx_err blocking(void *arg)
{
    (void)arg;
    return nx_blocking(calling, NULL);
}

static unsigned long hot_function(unsigned long n)
{
    volatile unsigned long sum = 0;
    for (unsigned long i = 0; i < n; i++) sum += i;
    return sum;
}

static nx_err hello(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_send(res, "hello");
}

static nx_err user(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("sum", (long)hot_function(2000000)));
}

static nx_err wait_here(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_sleep(NX_S(1000)));
    return nx_response_send(res, "waited");
}

/* Blocks the loop, and says how its calls went. */
static nx_err block(nx_request *req, nx_response *res)
{
    (void)req;
    struct timespec span = {.tv_sec = 8};
    int failed = nanosleep(&span, NULL);
    return nx_response_json(res, nx_obj("failed", failed));
}

static nx_err spin(nx_request *req, nx_response *res)
{
    (void)req;
    time_t until = time(NULL) + 6;
    while (time(NULL) < until) (void)hot_function(1000);
    return nx_response_send(res, "spun");
}

static nx_err crash(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    (void)hot_function(200000000);
    volatile int *nowhere = NULL;
    *nowhere = 1;
    return NX_OK;
}

int main(int argc, char **argv)
{
    int count = argc > 2 ? atoi(argv[2]) : 0;
    NX_TRY(nx_channel_new(&channel, sizeof(int), 2));
    if (count >= 0) {
        NX_TRY(nx_spawn(&slow, sleeper, NULL, .name = "slow"));
        NX_TRY(nx_spawn(NULL, joiner, NULL, .name = "joiner", .detached = true));
        NX_TRY(nx_spawn(NULL, receiver, NULL, .name = "receiver"));
        NX_TRY(nx_spawn(NULL, blocking, NULL, .name = "blocking"));
    }
    for (int i = 0; i < count; i++) NX_TRY(nx_spawn(NULL, sleeper, NULL, .name = "worker"));
    nx_http_server *server = nx_http_server_new(.port = (uint16_t)atoi(argv[1]));
    nx_http_route(server, "GET", "/", hello);
    nx_http_route(server, "GET", "/users/:id", user);
    nx_http_route(server, "GET", "/wait", wait_here);
    nx_http_route(server, "GET", "/block", block);
    nx_http_route(server, "GET", "/spin", spin);
    nx_http_route(server, "GET", "/crash", crash);
    return nx_http_listen(server);
}
