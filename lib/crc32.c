/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Eight tables, eight bytes a step ("slicing by 8"): the plain method, a byte a step, would be the
 * largest part of a replay. Written here, for zlib is no library of ours and this is all that we would use of it.
 */

#include "crc32.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL 0xedb88320U

static uint32_t tables[8][256];

static void make_tables(void) {
        for (uint32_t i = 0; i < 256; i++) {
                uint32_t c = i;

                for (int bit = 0; bit < 8; bit++)
                        c = c & 1 ? c >> 1 ^ POLYNOMIAL : c >> 1;
                tables[0][i] = c;
        }
        for (int t = 1; t < 8; t++)
                for (uint32_t i = 0; i < 256; i++)
                        tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 0xff];
}

static uint32_t eight_bytes(uint32_t c, const unsigned char *p) {
        uint32_t low, high;

        memcpy(&low, p, 4);
        memcpy(&high, p + 4, 4);
        low = le32toh(low) ^ c;
        high = le32toh(high);
        return tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^
                tables[4][low >> 24] ^ tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^
                tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
}

uint32_t crc32(const void *data, size_t size) {
        static bool made;
        const unsigned char *p = data;
        uint32_t c = 0xffffffffU;

        if (!made) {
                make_tables();
                made = true;
        }
        for (; size >= 8; size -= 8, p += 8)
                c = eight_bytes(c, p);
        while (size-- > 0)
                c = c >> 8 ^ tables[0][(c ^ *p++) & 0xff];
        return ~c;
}
