/* Shows the variables that it is told, as nx_env and as getenv have them. */
#define _GNU_SOURCE
#include <nexus.h>
#include <stdlib.h>

static void show(const char *name)
{
    const char *value = nx_env(name), *plain = getenv(name);
    const nx_error *error = nx_error_last();
    nx_println("%s: %s, %s", name, value ? value : error->message, plain ? plain : "none");
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) show(argv[i]);
    nx_env_variable *list;
    size_t count;
    NX_TRY(nx_env_list(&list, &count));
    nx_bytes whole;
    nx_err err = nx_fs_read_file("/proc/self/environ", &whole);
    bool secret = !err && memmem(whole.data, whole.len, "s3cret", 6);
    nx_println("%zu listed, the kernel's list: %s", count,
               err      ? nx_error_last()->message
               : secret ? "has the secret"
                        : "has no secret");
    return 0;
}
