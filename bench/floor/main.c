/* The floor of the start row: a program, linked statically, that does nothing but say that it runs.
 */
#include <unistd.h>

int main(void)
{
    return write(STDOUT_FILENO, "main\n", 5) != 5;
}
