/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "eventlog-files.h"

/**
 * log_archive() - put away into history/ what ends at event @covered or before; may be repeated
 * The folder of live segments is not synced: whatever comes back after a crash is put away again. 0 or -errno.
 */
int log_archive(const LogListing *l, uint64_t covered);
