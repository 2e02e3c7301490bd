/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names of folders that others make, and that FlowCron makes from what others wrote: orders, their answers, the status board. Whatever
 * the bytes, an answer is a name that a folder can have and is never taken for an order again; an entry of the board keeps its form.
 *
 * The first line is the name, the second the reason, the third the name a Unit of Work has now.
 */

#include <limits.h>

#include "board-entry.h"
#include "fuzz.h"
#include "order-folder.h"

static void promise_name(const char *name, size_t max) {
        PROMISE(name && *name && strlen(name) <= max && utf8_valid(name) && !strchr(name, '/'));
        for (const char *c = name; *c; c++)
                PROMISE((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static void answer(const char *name, const char *why, unsigned nth) {
        _cleanup_free_ char *got = order_folder_answer(name, why, nth);
        const char *order, *what;

        promise_name(got, NAME_MAX);
        PROMISE(order_folder_parse(got, &order, &what) == ORDER_FOLDER_ANSWERED);
}

static void orders(const char *name, const char *why) {
        const char *order = NULL, *what = NULL;

        if (order_folder_parse(name, &order, &what) == ORDER_FOLDER_ASKS)
                PROMISE(order && *what && what > name && strlen(what) < strlen(name));
        answer(name, NULL, 1);
        answer(name, NULL, 9);
        answer(name, why, 1);
        answer(name, why, 9);
}

static void board(const char *name, const char *why, const char *folder, UowState state,
        UowPhase phase, bool ready) {
        Uow u = { .name = (char *)name,
                .folder = (char *)folder,
                .reason = (char *)why,
                .state = state,
                .phase = phase,
                .outcome = OUTCOME_FAILED };
        _cleanup_free_ char *entry = board_entry(
                &(BoardFacts){ .uow = &u, .waits_for = why, .ready = ready }, USEC_PER_DAY);
        const char *as;

        promise_name(entry, BOARD_ENTRY_MAX);
        PROMISE(board_is_entry(entry));
        as = strstr(entry, " - as ");
        PROMISE((as != NULL) == !streq(name, folder));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = input_text(data, size);
        char *save = NULL, *name = strtok_r(text, "\n", &save), *why = strtok_r(NULL, "\n", &save),
             *folder = strtok_r(NULL, "\n", &save);

        if (!name || !why)
                return 0;
        orders(name, why);
        if (!folder || strlen(folder) > NAME_MAX)
                folder = name;
        if (strlen(folder) > NAME_MAX)
                return 0;
        board(name, why, folder, UOW_UPLOADED, PHASE_NONE, false);
        board(name, why, folder, UOW_QUEUED, PHASE_RUNNING, false);
        board(name, why, folder, UOW_QUEUED, PHASE_SETTLING, false);
        board(name, why, folder, UOW_FINISHED, PHASE_NONE, false);
        board(name, why, folder, UOW_FINISHED, PHASE_NONE, true);
        board(name, why, folder, UOW_SOFT_DELETED, PHASE_NONE, true);
        return 0;
}
