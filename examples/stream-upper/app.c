/* Reads input.txt, and writes it in capitals to output.txt:
 *
 *     nexus run app.c --allow-read=input.txt --allow-write=output.txt */
#include <nexus/fs.h>
#include <nexus/stream.h>

static void uppercase(void *arg, char *data, size_t len)
{
    (void)arg;
    for (size_t i = 0; i < len; i++)
        if (data[i] >= 'a' && data[i] <= 'z') data[i] = (char)(data[i] - 'a' + 'A');
}

int main(void)
{
    return nx_pipe(nx_fs_reader("input.txt"), nx_change(uppercase, NULL),
                   nx_fs_writer("output.txt"));
}
