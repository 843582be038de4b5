/* What a program asks its keeper: the program's side. */
#include "permission/keeper_ask.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool nx__keeper_is, nx__keeper_resolves;

void nx__keeper_revoke(const struct nx__permission_key *key, const char *text)
{
    struct nx__keeper_revoked revoked = {.kind = key->kind, .use = key->use};
    if (!nx__keeper_is) return;
    if (text) memcpy(revoked.text, text, strnlen(text, sizeof revoked.text - 1));
    int error = errno;
    (void)syscall(SYS_quotactl, NX__KEEPER_REVOKE, &revoked, 0, 0);
    errno = error;
}

int nx__keeper_resolve(struct nx__keeper_names *names)
{
    names->count = 0;
    long result = syscall(SYS_quotactl, NX__KEEPER_RESOLVE, names, 0, 0);
    return result < 0 ? EAI_SYSTEM : -(int)result;
}
