/* The main of test programs over <nexus/test.h>. */
#include <nexus/test.h>

int main(int argc, char **argv)
{
    return nx_test_main(argc, argv);
}
