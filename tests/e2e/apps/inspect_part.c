/* What tests/e2e/apps/inspect.c imports. */

int twice(int n);

int twice(int n)
{
    int result = n * 2;
    return result; /* PART */
}
