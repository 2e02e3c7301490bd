/* SPDX-License-Identifier: Apache-2.0 */

/* A configuration is taken whole, or refused with a place; what was taken is written and read back as the same. */

#include "config.h"
#include "fuzz.h"

#define PATH "/home/me/.config/flowcron/test.yaml"

static void promise_refused(int r, const Config *c, const Error *e) {
        PROMISE(r == UOW_E_INVALID);
        PROMISE(!c);
        promise_told(e);
        PROMISE(startswith(e->text, PATH));
}

static void promise_complete(const Config *c) {
        PROMISE(c->base && c->base[0] == '/');
        PROMISE(c->paths.uploaded && c->paths.work && c->paths.analysed && c->paths.failed &&
                c->paths.bin && c->paths.status && c->paths.orders && c->paths.logs);
        PROMISE(c->uow.script && c->uow.forbidden_variables);
        PROMISE(c->scheduler.account && c->scheduler.qos && c->scheduler.partition &&
                c->scheduler.reservation && c->scheduler.extra_args);
        PROMISE(c->scheduler.poll_interval >= USEC_PER_SEC && c->scheduler.slots > 0);
        PROMISE(c->retry.on && c->chain.to);
        PROMISE(c->globus.hpc_name && c->globus.collection_id && c->globus.collection_path);
}

static void promise_same_again(const Config *c) {
        _cleanup_free_ char *yaml = config_to_yaml(c), *again = NULL;
        _cleanup_(config_freep) Config *copy = NULL;
        Error e = {};

        PROMISE(yaml);
        if (config_parse(PATH, yaml, strlen(yaml), &copy, &e) != 0) {
                fprintf(stderr, "%s\n%s\n", e.text, yaml);
                abort();
        }
        again = config_to_yaml(copy);
        promise_same_text(yaml, again);
        PROMISE(!config_needs_restart(c, copy));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = input_text(data, size);
        _cleanup_(config_freep) Config *c = NULL;
        Error e = {};
        int r = config_parse(PATH, text, size, &c, &e);

        if (r != 0) {
                promise_refused(r, c, &e);
                return 0;
        }
        promise_complete(c);
        promise_same_again(c);
        return 0;
}
