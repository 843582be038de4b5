/* Where names lead. */
#include "permission/leads.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <nexus/test.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct nx__permissions permissions;
static struct nx__leads leads;

static void grant(const char *flag)
{
    bool taken;
    nx_require_ok(nx__permissions_parse(&permissions, flag, &taken));
}

static bool granted(const char *ip, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool is_v4 = inet_pton(AF_INET, ip, &v4.sin_addr) == 1;
    if (!is_v4) nx_require(inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1);
    return nx__leads_grant(&leads, &permissions, is_v4 ? (const void *)&v4 : (const void *)&v6);
}

static void tell(int fd, const char *name, uint8_t last)
{
    struct nx__lead lead = {.address = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = last}};
    (void)snprintf(lead.name, sizeof lead.name, "%s", name);
    nx_require_eq(write(fd, &lead, sizeof lead), (long)sizeof lead);
}

NX_TEST("an address is granted by the names that lead to it")
{
    int told[2];
    nx_require(pipe2(told, O_CLOEXEC | O_NONBLOCK) == 0);
    grant("--allow-connect=db.example:5432,*.api.example:443");
    tell(told[1], "db.example", 1);
    tell(told[1], "eu.api.example", 2);
    tell(told[1], "other.example", 3);
    nx_expect(!granted("10.0.0.1", 5432));
    nx_expect(nx__leads_read(&leads, told[0]));
    nx_expect(granted("10.0.0.1", 5432));
    nx_expect(granted("::ffff:10.0.0.1", 5432));
    nx_expect(!granted("10.0.0.1", 443));
    nx_expect(granted("10.0.0.2", 443));
    nx_expect(!granted("10.0.0.3", 443));
    nx_expect(!granted("10.0.0.4", 443));
    nx_expect(!granted("::1", 443));
    /* What has led to one still does when it leads to another as well. */
    tell(told[1], "db.example", 4);
    nx_expect(nx__leads_read(&leads, told[0]));
    nx_expect(granted("10.0.0.1", 5432) && granted("10.0.0.4", 5432));
    (void)close(told[1]);
    nx_expect(!nx__leads_read(&leads, told[0]));
    (void)close(told[0]);
    nx__permissions_free(&permissions);
}

NX_TEST("the oldest make room, and what is told again is one")
{
    int told[2];
    nx_require(pipe2(told, O_CLOEXEC | O_NONBLOCK) == 0);
    grant("--allow-connect");
    leads = (struct nx__leads){0};
    for (int i = 0; i < NX__LEADS_MOST + 10; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "n%d.example", i);
        tell(told[1], name, (uint8_t)(i < 10 ? 1 : 2));
        tell(told[1], name, (uint8_t)(i < 10 ? 1 : 2));
        nx_require(nx__leads_read(&leads, told[0]));
        if (i == 9) nx_expect(granted("10.0.0.1", 80));
    }
    nx_expect_eq(leads.count, NX__LEADS_MOST);
    nx_expect(!granted("10.0.0.1", 80));
    nx_expect(granted("10.0.0.2", 80));
    (void)close(told[0]);
    (void)close(told[1]);
    nx__permissions_free(&permissions);
}

NX_TEST("a resolver tells the keeper first")
{
    int told[2] = {-1, -1}, out[2] = {-1, -1}, status = -1;
    struct nx__resolved resolved;
    struct nx__lead lead;
    nx_require(pipe2(told, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) nx__resolve_run("127.0.0.9", AF_INET, out[1], told[1], parent);
    nx_require(pid > 0);
    (void)close(told[1]);
    (void)close(out[1]);
    nx_expect_eq(read(out[0], &resolved, sizeof resolved), (long)sizeof resolved);
    nx_expect_eq(resolved.failed, 0);
    nx_expect_eq(resolved.count, 1);
    nx_expect(memcmp(resolved.items[0].address, (uint8_t[]){127, 0, 0, 9}, 4) == 0);
    nx_expect_eq(read(told[0], &lead, sizeof lead), (long)sizeof lead);
    nx_expect_eq(lead.name, "127.0.0.9");
    nx_expect_eq(read(told[0], &lead, sizeof lead), 0L);
    nx_expect_eq(waitpid(pid, &status, 0), pid);
    nx_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)close(told[0]);
    (void)close(out[0]);
}
