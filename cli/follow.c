/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Following: see follow.h.
 *
 * Asks again and again, because that works with a daemon, without one, and across its restarts. The pause is a second at first and grows, since
 * reading the state from disk is not free and jobs last for hours.
 */

#include "follow.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "output.h"
#include "text.h"
#include "uow-text.h"

#define PAUSE_MIN USEC_PER_SEC
#define PAUSE_MAX_ONLINE (5 * USEC_PER_SEC)
#define PAUSE_MAX_OFFLINE (15 * USEC_PER_SEC)

/* Looks in a row at which neither folder nor record is there: it is being taken up just then, or was taken away. */
#define MISSING_MAX 5

static volatile sig_atomic_t interrupted;

static void on_signal(int signo _unused_) {
        interrupted = 1;
}

void follow_catch_interrupt(void) {
        struct sigaction sa = { .sa_handler = on_signal };

        sigemptyset(&sa.sa_mask);
        sigaction(SIGINT, &sa, NULL);
        sigaction(SIGTERM, &sa, NULL);
        sigaction(SIGHUP, &sa, NULL);
}

bool follow_interrupted(void) {
        return interrupted;
}

typedef struct Following {
        Cli *cli;
        const Follow *what;
        char *id;    /* once it has one */
        char *shown; /* the line that was printed last */
        int missing;
} Following;

/* A name leads to others too: to one whose name begins so, to an older one that had it. */
static bool is_the_one(const Following *g, const cJSON *uow) {
        _cleanup_free_ char *name = text_escape(g->what->name);
        const char *id = json_str(uow, "id");

        if (g->id)
                return true;
        if (!streq(json_str(uow, "name"), name) && !streq(json_str(uow, "arrived_as"), name))
                return false;
        return !id || !streq(id, g->what->before);
}

static bool folder_is_there(const Following *g) {
        struct stat st;

        return fstatat(g->what->uploaded, g->what->name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
                errno != ENOENT;
}

/* 0 with the UoW, or NULL while nobody has seen it; an exit code. */
static int look(Following *g, cJSON **ret, Refusal *f) {
        _cleanup_json_ cJSON *uow = NULL;
        int r;

        access_refresh(g->cli);
        r = access_show(g->cli, g->id ?: g->what->name, &uow, f);
        if (r != 0 && r != EXIT_NO_UOW)
                return r;
        if (r == 0 && is_the_one(g, uow)) {
                g->missing = 0;
                if (!g->id && json_str(uow, "id") && strdup_to(&g->id, json_str(uow, "id")) < 0)
                        return EXIT_FAILED;
                *ret = TAKE_PTR(uow);
                return 0;
        }
        if (folder_is_there(g) || ++g->missing < MISSING_MAX)
                return 0;
        return refusal_set(f, EXIT_FAILED, "gone",
                "%s is gone: somebody took it out of UploadedFiles", g->what->name);
}

static bool is_over(const cJSON *uow) {
        int s = uow ? state_from_string(json_str(uow, "state")) : -1;

        return s == UOW_FINISHED || s == UOW_SOFT_DELETED || s == UOW_PURGED;
}

/* ---- what is shown ---- */

static char *describe(const cJSON *uow, bool live) {
        char state[UOW_STATE_TEXT_MAX], elapsed[CLOCK_TEXT_MAX] = "";
        const char *job = json_str(uow, "job_id"), *reason = json_str(uow, "reason");
        usec_t since = uow ? uow_since(uow) : 0, now = clock_now();

        if (!uow)
                return strdup("uploaded; waits to be taken up");
        if (live && since && now >= since + USEC_PER_SEC)
                duration_words(elapsed, (now - since) / USEC_PER_SEC * USEC_PER_SEC);
        return xasprintf("%s%s%s%s%s%s%s", uow_state_text(uow, state, NULL),
                elapsed[0] ? " for " : "", elapsed, job ? ", job " : "", job ?: "",
                reason ? ", " : "", reason ?: "");
}

static void show_live(const Following *g, const cJSON *uow) {
        _cleanup_free_ char *text = describe(uow, true), *line = NULL, *cut = NULL;

        line = text ? xasprintf("%s: %s", g->what->name, text) : NULL;
        cut = line ? out_text(line, out_width() - 1) : NULL;
        if (cut)
                printf("\r%s\x1b[K", cut);
        fflush(stdout);
}

static void show_change(Following *g, const cJSON *uow) {
        _cleanup_free_ char *text = describe(uow, false), *line = NULL, *safe = NULL;

        if (!text || streq(text, g->shown) || strdup_to(&g->shown, text) < 0)
                return;
        line = xasprintf("%s: %s", g->what->name, text);
        safe = line ? out_text(line, SIZE_MAX) : NULL;
        if (safe)
                puts(safe);
        fflush(stdout);
}

static void show(Following *g, const cJSON *uow) {
        if (g->cli->json || is_over(uow))
                return;
        if (out_is_live())
                show_live(g, uow);
        else
                show_change(g, uow);
}

/* A live line's clock goes on between two looks. */
static void rest(const Following *g, usec_t pause, const cJSON *uow) {
        const struct timespec second = { .tv_sec = 1 };

        for (usec_t slept = 0; slept < pause && !interrupted; slept += USEC_PER_SEC) {
                nanosleep(&second, NULL);
                if (out_is_live() && !g->cli->json && uow)
                        show_live(g, uow);
        }
}

static usec_t longer(const Cli *cli, usec_t pause) {
        usec_t most = cli->client ? PAUSE_MAX_ONLINE : PAUSE_MAX_OFFLINE;

        pause += USEC_PER_SEC / 2;
        return pause < most ? pause : most;
}

int follow(Cli *cli, const Follow *what, cJSON **ret, Refusal *f) {
        Following g = { .cli = cli, .what = what };
        usec_t pause = PAUSE_MIN;
        int r = 0;

        while (r == 0) {
                _cleanup_json_ cJSON *uow = NULL;

                r = interrupted ? FOLLOW_INTERRUPTED : look(&g, &uow, f);
                if (r == 0 && is_over(uow)) {
                        *ret = TAKE_PTR(uow);
                        break;
                }
                if (r == 0) {
                        show(&g, uow);
                        rest(&g, pause, uow);
                        pause = longer(cli, pause);
                }
        }
        if (out_is_live() && !cli->json)
                printf("\r\x1b[K");
        free(g.id);
        free(g.shown);
        return interrupted ? FOLLOW_INTERRUPTED : r;
}
