/* SPDX-License-Identifier: Apache-2.0 */

/* On which file systems inotify tells the whole story: a pure look-up. */

#include "filesystem.h"

#include "cleanup.h"

/* f_type values: statfs(2), and the file systems' own headers for those not in the kernel. */
static const struct {
        long type;
        const char *name;
        bool sees_all;
} file_systems[] = {
        { 0xef53, "ext4", true },
        { 0x58465342, "xfs", true },
        { 0x9123683e, "btrfs", true },
        { 0x01021994, "tmpfs", true },
        { 0x2fc12fc1, "zfs", true },
        { 0x794c7630, "overlay", true },
        { 0xf2f52010, "f2fs", true },
        { 0xca451a4e, "bcachefs", true },
        { 0x6969, "nfs", false },
        { 0x0bd00bd0, "lustre", false },
        { 0x47504653, "gpfs", false },
        { 0x19830326, "beegfs", false },
        { 0x00c36400, "ceph", false },
        { 0x65735546, "fuse", false },
        { 0xff534d42, "cifs", false },
        { 0xfe534d42, "smb", false },
        { 0x5346414f, "afs", false },
        { 0xaad7aaea, "panfs", false },
        { 0x01021997, "9p", false },
        { 0x01161970, "gfs2", false },
        { 0x7461636f, "ocfs2", false },
        { 0x786f4256, "vboxsf", false },
        { 0x20030528, "orangefs", false },
};

bool file_system_sees_all(long f_type, const char **ret_name) {
        static char unknown[32];

        for (size_t i = 0; i < ELEMENTSOF(file_systems); i++)
                if ((file_systems[i].type & 0xffffffff) == (f_type & 0xffffffff)) {
                        *ret_name = file_systems[i].name;
                        return file_systems[i].sees_all;
                }
        /* What we do not know is taken for a shared one: that costs a few scans, the contrary hours. */
        snprintf(unknown, sizeof(unknown), "unknown (0x%lx)", (unsigned long)f_type & 0xffffffff);
        *ret_name = unknown;
        return false;
}
