/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Linear probing in a table that is at most half full, so that a run of taken slots is short; a removal closes the gap it
 * leaves, so that no marks of former items gather.
 *
 * SipHash-1-3 by Aumasson and Bernstein (https://www.aumasson.jp/siphash/siphash.pdf), the variant that language run-times use
 * for the same purpose.
 */

#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define ROOM_FIRST 64

/* ---- the hash ---- */

/* A secret that can't be had is no reason to fail: then the time will do. */
static const uint64_t *secret(void) {
        static uint64_t key[2];
        struct timespec now;

        if (key[0] || key[1])
                return key;
        if (getrandom(key, sizeof(key), GRND_NONBLOCK) != (ssize_t)sizeof(key)) {
                clock_gettime(CLOCK_MONOTONIC, &now);
                key[0] = (uint64_t)now.tv_nsec + 1;
                key[1] = (uint64_t)now.tv_sec;
        }
        return key;
}

static uint64_t rotate(uint64_t x, int bits) {
        return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[static 4]) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[static 4], uint64_t word) {
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
}

static uint32_t hash_of(const char *s) {
        const uint64_t *k = secret();
        uint64_t v[4] = { k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d,
                k[0] ^ 0x6c7967656e657261, k[1] ^ 0x7465646279746573 };
        size_t size = strlen(s), left = size;
        uint64_t word;

        for (; left >= sizeof(word); left -= sizeof(word), s += sizeof(word)) {
                memcpy(&word, s, sizeof(word));
                sip_word(v, word);
        }
        word = 0;
        memcpy(&word, s, left);
        sip_word(v, word | (uint64_t)size << 56);
        v[2] ^= 0xff;
        sip_round(v);
        sip_round(v);
        sip_round(v);
        return (uint32_t)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

/* ---- the table ---- */

/* The slot that has @key, or the free one where it belongs; there is one, as the table is never full. */
static IndexSlot *slot_for(const Index *x, const char *key, uint32_t hash) {
        size_t i = hash & (x->room - 1);

        while (x->slots[i].item &&
                (x->slots[i].hash != hash || strcmp(x->key(x->slots[i].item), key) != 0))
                i = (i + 1) & (x->room - 1);
        return &x->slots[i];
}

static int grow(Index *x) {
        Index larger = { .key = x->key, .n = x->n, .room = x->room ? x->room * 2 : ROOM_FIRST };

        larger.slots = calloc(larger.room, sizeof(*larger.slots));
        if (!larger.slots)
                return -ENOMEM;
        for (size_t i = 0; i < x->room; i++) {
                const IndexSlot *s = &x->slots[i];

                if (s->item)
                        *slot_for(&larger, x->key(s->item), s->hash) = *s;
        }
        free(x->slots);
        *x = larger;
        return 0;
}

void *index_get(const Index *x, const char *key) {
        return x->n ? slot_for(x, key, hash_of(key))->item : NULL;
}

int index_put(Index *x, void *item) {
        const char *key = x->key(item);
        uint32_t hash = hash_of(key);
        IndexSlot *s;

        if (x->n >= x->room / 2 && grow(x) < 0)
                return -ENOMEM;
        s = slot_for(x, key, hash);
        if (!s->item)
                x->n++;
        *s = (IndexSlot){ item, hash };
        return 0;
}

/* What stands behind the gap and would not be found any more moves into it. */
static void close_gap(Index *x, size_t gap) {
        size_t mask = x->room - 1;

        for (size_t i = (gap + 1) & mask; x->slots[i].item; i = (i + 1) & mask) {
                size_t home = x->slots[i].hash & mask;

                if (((i - home) & mask) < ((i - gap) & mask))
                        continue;
                x->slots[gap] = x->slots[i];
                gap = i;
        }
        x->slots[gap].item = NULL;
}

void index_remove(Index *x, const void *item) {
        const char *key = x->key(item);
        IndexSlot *s = x->n ? slot_for(x, key, hash_of(key)) : NULL;

        if (!s || s->item != item)
                return;
        x->n--;
        close_gap(x, (size_t)(s - x->slots));
}

void index_done(Index *x) {
        free(x->slots);
        x->slots = NULL;
        x->n = x->room = 0;
}
