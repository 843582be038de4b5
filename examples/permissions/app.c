/* Greets, and keeps a book of visits where it may. What it may do says nexus.toml:
 *
 *     VISITOR=Ada nexus run
 *     VISITOR=Ada nexus run --permissions=quiet
 *     nexus permissions suggest app.c */
#include <nexus.h>
#include <stdio.h>

static nx_err greet(const char *visitor)
{
    nx_bytes text;
    NX_TRY(nx_fs_read_file("greetings/en.txt", &text));
    for (size_t i = 0; i < text.len; i++)
        if (i + 1 < text.len && text.data[i] == '%' && text.data[i + 1] == 's')
            printf("%s", visitor), i++;
        else
            putchar(text.data[i]);
    return NX_OK;
}

int main(void)
{
    const char *visitor = nx_env("VISITOR");
    NX_TRY(greet(visitor ? visitor : "whoever you are"));
    /* Nothing is read from here on: a mistake further down can't either. */
    NX_TRY(nx_permission_revoke(NX_PERMISSION_READ, NULL));
    if (nx_permission_query(NX_PERMISSION_WRITE, "visits/book") != NX_PERMISSION_GRANTED) {
        printf("(no book is kept)\n");
        return NX_OK;
    }
    return nx_fs_write_file("visits/book", nx_str(visitor ? visitor : "?"));
}
