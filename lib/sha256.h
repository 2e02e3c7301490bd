/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * SHA-256 after FIPS 180-4, for the digest of a script in the record.
 *
 * Written out here because none of the libraries we depend on offers it, and the kernel's AF_ALG is
 * often closed to containers. It says which script ran; it guards nothing, so it need not be fast.
 */

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define SHA256_HEX_MAX (2 * SHA256_SIZE + 1)

typedef struct Sha256 {
        uint32_t state[8];
        uint64_t size; /* bytes taken in so far */
        uint8_t block[64];
} Sha256;

void sha256_init(Sha256 *h);
void sha256_update(Sha256 *h, const void *data, size_t size);
void sha256_final(Sha256 *h, uint8_t ret[SHA256_SIZE]);

/** sha256_hex() - the digest of @size bytes at once: lower-case hex, NUL-terminated. */
void sha256_hex(const void *data, size_t size, char ret[SHA256_HEX_MAX]);
