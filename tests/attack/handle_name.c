/* Asks for the number of a file.
 * stands for: name_to_handle_at
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct {
        struct file_handle handle;
        unsigned char bytes[MAX_HANDLE_SZ];
    } file = {.handle = {.handle_bytes = MAX_HANDLE_SZ}};
    int mount;
    return name_to_handle_at(AT_FDCWD, closed("secret"), &file.handle, &mount, 0);
}
