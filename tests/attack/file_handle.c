/* By the file's number instead of its name (needs root).
 * stands for: open_by_handle_at, "Shocker"
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct {
        struct file_handle handle;
        unsigned char bytes[MAX_HANDLE_SZ];
    } file = {.handle = {.handle_bytes = MAX_HANDLE_SZ}};
    int mount, at = open(open_folder, O_RDONLY | O_DIRECTORY);
    if (name_to_handle_at(AT_FDCWD, closed("secret"), &file.handle, &mount, 0) < 0) return -1;
    return read_it(open_by_handle_at(at, &file.handle, O_RDONLY));
}
