/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * CRC-32 as in zlib, PNG and Ethernet (ISO 3309): what the lines of the event log are sealed with.
 * It tells accidents (torn writes, bad blocks), not malice.
 */

#include <stddef.h>
#include <stdint.h>

/** crc32() - of @size bytes; for "123456789" it is 0xcbf43926. */
uint32_t crc32(const void *data, size_t size);
