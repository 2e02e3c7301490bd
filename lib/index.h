/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Items by a string that each of them has: a hash table with open addressing.
 *
 * Keys come from users, who shall not be able to choose names that all fall into one place: they are hashed by SipHash with a
 * secret of this process. Items are not owned, and an item's key must not change while it is in here.
 */

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

typedef struct IndexSlot {
        void *item; /* NULL: free */
        uint32_t hash;
} IndexSlot;

typedef struct Index {
        const char *(*key)(const void *item);
        IndexSlot *slots;
        size_t n, room; /* room is 0 or a power of two */
} Index;

/** index_get() - the item with this key, or NULL. */
void *index_get(const Index *x, const char *key);

/** index_put() - @item takes the place of one with the same key. 0 or -ENOMEM. */
int index_put(Index *x, void *item);

/** index_remove() - take out @item; another with the same key stays. */
void index_remove(Index *x, const void *item);

/** index_done() - forget all; it may be used again. */
void index_done(Index *x);
