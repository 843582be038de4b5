/* A library that crashes in several ways; built by each compiler that an app may be built by. */
#include <stdlib.h>
#include <string.h>

int null_write_line = __LINE__ + 4;
void null_write(void);
void null_write(void)
{
    *(volatile int *)8 = 1;
}

int aborts_line = __LINE__ + 4;
void aborts(void);
void aborts(void)
{
    abort();
}

int divides_line = __LINE__ + 4;
int divides(volatile int by);
int divides(volatile int by)
{
    return 100 / by;
}

int in_library_line = __LINE__ + 4;
void in_library(char *volatile to);
void in_library(char *volatile to)
{
    memset(to, 1, 100000);
    to[0] = 2;
}

int overflows(volatile int depth);
int overflows(volatile int depth)
{
    volatile char page[2048];
    page[0] = (char)depth;
    return overflows(depth + 1) + page[0];
}
