/* The program of the row cold_start_main: says that main runs. */
#include <nexus/base.h>
#include <unistd.h>

int main(void)
{
    return write(STDOUT_FILENO, "main\n", 5) == 5 ? NX_OK : NX_EIO;
}
