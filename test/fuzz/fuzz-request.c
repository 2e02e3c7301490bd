/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Orders left on disk. A file is taken or set aside, and never both nor looked at twice; an order that is taken is
 * written again as the same.
 */

#include "place.h"
#include "requests.h"

#define NAME "00001795246091000000-7c1d9f8e-4a2b-4c3d-8e5f-0123456789ab.json"

static void read_all(int dir, size_t expected, size_t expected_bad, Requests *ret) {
        _cleanup_json_ cJSON *bad = NULL;
        Error e = {};

        PROMISE(requests_read(dir, ret, &bad, &e) == 0);
        PROMISE(ret->n == expected);
        PROMISE((size_t)cJSON_GetArraySize(bad) == expected_bad);
}

static void promise_same_order(int dir, const Request *q) {
        _cleanup_(requests_done) Requests again = {};
        Error e = {};

        PROMISE(requests_remove(dir, q->file) == 0);
        PROMISE(requests_write(dir, q->order, q->uow, &e) == 0);
        read_all(dir, 1, 0, &again);
        promise_same_text(q->order, again.items[0].order);
        /* No name is no Unit of Work, and is not written. */
        if (!isempty(q->uow))
                promise_same_text(q->uow, again.items[0].uow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(requests_done) Requests first = {}, second = {};
        _cleanup_json_ cJSON *bad = NULL;
        int dir = place_empty();
        Error e = {};

        put_file(dir, NAME, (const char *)data, size);
        PROMISE(requests_read(dir, &first, &bad, &e) == 0);
        PROMISE(first.n + (size_t)cJSON_GetArraySize(bad) == 1);
        if (first.n == 0) {
                read_all(dir, 0, 0, &second);
                return 0;
        }
        promise_same_text(first.items[0].file, NAME);
        promise_same_order(dir, &first.items[0]);
        return 0;
}
