/* SPDX-License-Identifier: Apache-2.0 */

/* The names of folders in Orders/, see order-folder.h. */

#include "order-folder.h"

#include <limits.h>
#include <string.h>

#include "board-entry.h"
#include "text.h"

#define DONE "done - "
#define REFUSED "refused - "

/* So much of an answer is for the order; the rest is for the reason. */
#define ORDER_MAX 120

static const char *const orders[] = { "retry", "cancel" };

/* Typed into a file manager: "Retry x" is an order as well. */
static const char *after_word(const char *name, const char *word) {
        size_t n = strlen(word);

        return strncasecmp(name, word, n) == 0 && name[n] == ' ' && name[n + 1] ? name + n + 1
                                                                                : NULL;
}

OrderFolder order_folder_parse(const char *name, const char **ret_order, const char **ret_what) {
        if (name[0] == '.')
                return ORDER_FOLDER_NONE;
        if (startswith(name, DONE) || startswith(name, REFUSED))
                return ORDER_FOLDER_ANSWERED;
        for (size_t i = 0; i < ELEMENTSOF(orders); i++) {
                const char *what = after_word(name, orders[i]);

                if (!what)
                        continue;
                *ret_order = orders[i];
                *ret_what = what;
                return ORDER_FOLDER_ASKS;
        }
        return ORDER_FOLDER_UNKNOWN;
}

bool order_folder_is_over(time_t changed, usec_t now) {
        usec_t at = changed > 0 ? (usec_t)changed * USEC_PER_SEC : 0;

        return (at > now ? at - now : now - at) > ORDER_ANSWER_KEPT;
}

char *order_folder_answer(const char *name, const char *refused, unsigned nth) {
        _cleanup_free_ char *order = board_name(name, refused ? ORDER_MAX : NAME_MAX - 32),
                            *why = NULL, *answer = NULL;
        char suffix[16] = "";

        if (!order)
                return NULL;
        if (nth > 1)
                snprintf(suffix, sizeof(suffix), " (%u)", nth);
        if (!refused)
                return xasprintf(DONE "%s%s", order, suffix);
        why = board_name(refused, 0);
        answer = why ? xasprintf(REFUSED "%s - %s", order, why) : NULL;
        if (!answer)
                return NULL;
        free(why);
        why = board_name(answer, NAME_MAX - strlen(suffix));
        return why ? xasprintf("%s%s", why, suffix) : NULL;
}
