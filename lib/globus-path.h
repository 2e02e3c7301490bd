/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * References into a run's data: "$", or "$.name", then ".name", "[0]" or "['name']" any number of
 * times.
 */

#include <stdbool.h>

/** globus_path_valid() - whether @path is one. */
bool globus_path_valid(const char *path);

/** globus_dotted_valid() - the same without "$.", as is_present() and getattr() take it. */
bool globus_dotted_valid(const char *path);
