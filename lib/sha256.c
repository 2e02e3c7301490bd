/* SPDX-License-Identifier: Apache-2.0 */

#include "sha256.h"

#include <string.h>

/* FIPS 180-4, 4.2.2. */
// clang-format off
static const uint32_t round_constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
// clang-format on

static uint32_t rotr(uint32_t x, unsigned n) {
        return x >> n | x << (32 - n);
}

static uint32_t load_be32(const uint8_t *p) {
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_be32(uint8_t *p, uint32_t x) {
        for (int i = 0; i < 4; i++)
                p[i] = (uint8_t)(x >> (24 - 8 * i));
}

/* FIPS 180-4, 6.2.2, step 1. */
static void schedule(const uint8_t *block, uint32_t w[64]) {
        for (int i = 0; i < 16; i++)
                w[i] = load_be32(block + 4 * i);
        for (int i = 16; i < 64; i++) {
                uint32_t s0 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
                uint32_t s1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10;

                w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
}

/* Steps 2 to 4. v holds the working variables a to h. */
static void compress(uint32_t state[8], const uint8_t *block) {
        uint32_t w[64], v[8];

        schedule(block, w);
        memcpy(v, state, sizeof(v));
        for (int i = 0; i < 64; i++) {
                uint32_t s1 = rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25);
                uint32_t ch = (v[4] & v[5]) ^ (~v[4] & v[6]);
                uint32_t t1 = v[7] + s1 + ch + round_constants[i] + w[i];
                uint32_t s0 = rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22);
                uint32_t maj = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

                memmove(v + 1, v, 7 * sizeof(*v));
                v[4] += t1;
                v[0] = t1 + s0 + maj;
        }
        for (int i = 0; i < 8; i++)
                state[i] += v[i];
}

void sha256_init(Sha256 *h) {
        *h = (Sha256){
                .state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                        0x1f83d9ab, 0x5be0cd19 },
        };
}

void sha256_update(Sha256 *h, const void *data, size_t size) {
        const uint8_t *p = data;

        while (size > 0) {
                size_t used = h->size % sizeof(h->block);
                size_t n = sizeof(h->block) - used < size ? sizeof(h->block) - used : size;

                memcpy(h->block + used, p, n);
                if (used + n == sizeof(h->block))
                        compress(h->state, h->block);
                h->size += n;
                p += n;
                size -= n;
        }
}

void sha256_final(Sha256 *h, uint8_t ret[SHA256_SIZE]) {
        uint64_t bits = h->size * 8;
        uint8_t length[8];

        store_be32(length, (uint32_t)(bits >> 32));
        store_be32(length + 4, (uint32_t)bits);
        sha256_update(h, "\x80", 1);
        while (h->size % sizeof(h->block) != sizeof(h->block) - sizeof(length))
                sha256_update(h, "", 1);
        sha256_update(h, length, sizeof(length));
        for (int i = 0; i < 8; i++)
                store_be32(ret + 4 * i, h->state[i]);
}

void sha256_hex(const void *data, size_t size, char ret[SHA256_HEX_MAX]) {
        static const char digits[] = "0123456789abcdef";
        uint8_t digest[SHA256_SIZE];
        Sha256 h;

        sha256_init(&h);
        sha256_update(&h, data, size);
        sha256_final(&h, digest);
        for (size_t i = 0; i < SHA256_SIZE; i++) {
                ret[2 * i] = digits[digest[i] >> 4];
                ret[2 * i + 1] = digits[digest[i] & 15];
        }
        ret[2 * SHA256_SIZE] = 0;
}
