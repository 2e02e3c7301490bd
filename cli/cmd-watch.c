/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The live view: the daemon sends all there is, then every change. On a terminal a table is drawn over itself, of what is under way and what
 * changed while one looked; elsewhere, and with --lines, each change is a line.
 */

#include <string.h>

#include "access.h"
#include "follow.h"
#include "output.h"
#include "text.h"
#include "uow-text.h"

static const char usage[] =
        "usage: flowcronctl watch [--lines]\n"
        "\n"
        "Shows changes as they happen, until Ctrl-C: on a terminal a table of what is under way and of what\n"
        "changed since, else a line for each change. Needs the daemon.\n"
        "\n"
        "      --lines  a line for each change on a terminal too\n"
        "      --json   a JSON object a line for each change, with \"uow\" and \"event\"\n";

/* A burst of changes is drawn once. */
#define DRAW_EVERY (200 * USEC_PER_MSEC)
#define TICK USEC_PER_SEC

/* Finished ones leave the table's memory beyond this. */
#define SHOWN_MAX 2000

typedef struct View {
        Cli *cli;
        bool table;
        bool caught_up;
        cJSON *uows; /* of the table, the one that changed last is last */
        usec_t drawn;
} View;

/* ---- the table ---- */

static void draw_table(const View *v, size_t room) {
        _cleanup_(table_freep) Table *t = uow_table();
        usec_t now = clock_now();

        for (int active = 1; t && active >= 0; active--)
                for (const cJSON *u = v->uows->child ? v->uows->child->prev : NULL; u;
                        u = u == v->uows->child ? NULL : u->prev)
                        if (uow_runs(u) == (active == 1) && table_rows(t) < room)
                                (void)uow_table_add(t, u, now);
        if (t && table_rows(t) > 0)
                table_print(t, room);
        else
                puts("Nothing is under way.");
}

static void draw(View *v) {
        char when[CLOCK_TEXT_MAX];
        size_t height = out_height();

        v->drawn = clock_boottime();
        if (!v->caught_up)
                return;
        printf("\x1b[H\x1b[J%s%s%s  %s   Ctrl-C ends\n\n", out_on(STYLE_BOLD), "flowcron watch",
                out_off(STYLE_BOLD), uow_time_text(when, clock_now()));
        draw_table(v, height > 6 ? height - 5 : 1);
        fflush(stdout);
}

static cJSON *find_uow(const View *v, const char *id) {
        cJSON *u;

        cJSON_ArrayForEach(u, v->uows)
                if (streq(json_str(u, "id"), id))
                        return u;
        return NULL;
}

static void forget_oldest(View *v) {
        cJSON *u;

        if (cJSON_GetArraySize(v->uows) <= SHOWN_MAX)
                return;
        cJSON_ArrayForEach(u, v->uows)
                if (!uow_runs(u)) {
                        cJSON_Delete(cJSON_DetachItemViaPointer(v->uows, u));
                        return;
                }
}

/* Takes @uow. What was finished before one looked is left out. */
static void note_uow(View *v, cJSON *uow, bool changed) {
        cJSON *old;

        if (!changed && !uow_runs(uow)) {
                cJSON_Delete(uow);
                return;
        }
        old = v->caught_up || changed ? find_uow(v, json_str(uow, "id")) : NULL;
        if (old)
                cJSON_Delete(cJSON_DetachItemViaPointer(v->uows, old));
        if (!cJSON_AddItemToArray(v->uows, uow))
                cJSON_Delete(uow);
        forget_oldest(v);
}

/* ---- lines ---- */

static void print_change(const cJSON *uow, const cJSON *event) {
        _cleanup_free_ char *label = uow_label(uow), *text = event_text(event), *safe = NULL;
        char when[CLOCK_TEXT_MAX];

        safe = out_text(text, SIZE_MAX);
        printf("%s  %s: %s\n", clock_format(when, json_time(event, "time")), label ?: "?",
                safe ?: "?");
        fflush(stdout);
}

/* ---- the stream ---- */

static void take_reply(View *v, VarlinkReply *reply) {
        const cJSON *event = json_object(reply->parameters, "event");
        cJSON *uow;

        if (json_bool(reply->parameters, "caught_up", false)) {
                v->caught_up = true;
                return;
        }
        if (v->cli->json && event)
                out_json_line(reply->parameters);
        else if (!v->table && event)
                print_change(json_object(reply->parameters, "uow"), event);
        if (!v->table)
                return;
        uow = cJSON_DetachItemFromObjectCaseSensitive(reply->parameters, "uow");
        if (uow)
                note_uow(v, uow, event != NULL);
}

static int lost(Cli *cli, const char *why) {
        Refusal f = {};

        refusal_set(&f, EXIT_UNREACHABLE, NULL, "the view ended: %s", why);
        return cli_refuse(cli, &f);
}

/* Until the daemon goes or Ctrl-C. @why says why it ended, if not by Ctrl-C. */
static int stream(View *v, Client *c, Error *why) {
        while (!follow_interrupted()) {
                _cleanup_(varlink_reply_done) VarlinkReply reply = {};
                Error e = {};
                int r = client_receive(c, TICK, &reply, &e);

                if (r == 0 && reply.error) {
                        error_set(why, -EIO, "%s",
                                streq(reply.error, "org.flowcron.Control.TooSlow")
                                        ? "more happened than could be shown"
                                        : reply.error);
                        return EXIT_UNREACHABLE;
                }
                if (r == 0)
                        take_reply(v, &reply);
                else if (r != -ETIMEDOUT && r != -EINTR) {
                        *why = e;
                        return EXIT_UNREACHABLE;
                }
                if (v->table && (r == -ETIMEDOUT || clock_boottime() > v->drawn + DRAW_EVERY))
                        draw(v);
        }
        return EXIT_DONE;
}

static int watch(View *v) {
        Client *c = access_client(v->cli);
        Error why = {};
        Refusal f = {};
        int r;

        if (!c || client_send(c, "Watch", NULL, true) < 0) {
                refusal_set(&f, EXIT_UNREACHABLE, NULL,
                        "flowcrond can't be reached (%s), and only it can tell what happens. See `flowcronctl list`",
                        v->cli->unreachable.text);
                return cli_refuse(v->cli, &f);
        }
        follow_catch_interrupt();
        if (v->table)
                printf("\x1b[?1049h\x1b[?25l");
        r = stream(v, c, &why);
        if (v->table) {
                printf("\x1b[?25h\x1b[?1049l");
                fflush(stdout);
        }
        return r == EXIT_DONE ? r : lost(v->cli, why.text);
}

static int run(Cli *cli, char **args) {
        View v = { .cli = cli };
        bool lines = false;
        size_t n;
        int r;
        const CliOption options[] = { { "lines", 0, &lines, NULL }, {} };

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 0, NULL);
        if (r == CLI_GO_ON && cli->base)
                r = cli_usage_error(cli, "watch asks the daemon, which --base keeps away from");
        if (r != CLI_GO_ON)
                return r;
        v.table = out_is_live() && !cli->json && !lines;
        v.uows = cJSON_CreateArray();
        r = v.uows ? watch(&v) : EXIT_FAILED;
        cJSON_Delete(v.uows);
        return r;
}

const Order order_watch = { "watch", "live view of changes", usage, run };
