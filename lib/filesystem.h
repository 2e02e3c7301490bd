/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What kind of file system a folder lies on, as far as that decides how uploads are noticed. */

#include <stdbool.h>

/**
 * file_system_sees_all() - whether inotify sees what every node writes to a file system of this type (statfs f_type)
 * @ret_name: "ext4", "nfs", "lustre" … or "unknown (0x…)"
 */
bool file_system_sees_all(long f_type, const char **ret_name);
