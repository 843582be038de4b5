/* The main of test programs that have none. */
#include <nexus/test.h>

int main(int argc, char **argv)
{
    return nx_test_main(argc, argv);
}
