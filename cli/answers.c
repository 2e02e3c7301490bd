/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Answers from the daemon, or from the disk: see access.h.
 *
 * A reading order that loses the daemon on the way goes on from disk. A changing one does not: whether it was taken is then not known, and
 * giving it again is for the person to decide.
 */

#include "access.h"

#include <string.h>

#include "output.h"
#include "requests.h"
#include "text.h"
#include "uow-view.h"

#define ERROR_PREFIX "org.flowcron.Control."

/* ---- the daemon ---- */

static const struct {
        const char *error;
        int code;
        const char *word;
} known_errors[] = {
        { ERROR_PREFIX "NotFound", EXIT_NO_UOW, "not-found" },
        { ERROR_PREFIX "Ambiguous", EXIT_NO_UOW, "ambiguous" },
        { ERROR_PREFIX "WrongState", EXIT_STATE, "state" },
        { ERROR_PREFIX "ConfigInvalid", EXIT_FAILED, "config" },
        { ERROR_PREFIX "NotDurable", EXIT_FAILED, "not-durable" },
        { VARLINK_E_PERMISSION_DENIED, EXIT_FAILED, "permission" },
};

static int refuse_with(const VarlinkReply *reply, Refusal *f) {
        const char *message = json_str(reply->parameters, "message");

        for (size_t i = 0; i < ELEMENTSOF(known_errors); i++)
                if (streq(known_errors[i].error, reply->error))
                        return refusal_set(f, known_errors[i].code, known_errors[i].word, "%s",
                                message ?: "the daemon refused");
        return refusal_set(f, EXIT_FAILED, NULL, "flowcrond answered %s", reply->error);
}

/*
 * One call. Returns CLI_GO_ON if there is no daemon (any more), so that the disk has to answer; 0 with the reply; an
 * exit code for a refusal.
 */
static int ask(Cli *cli, const char *method, cJSON *parameters, VarlinkReply *ret, Refusal *f) {
        Client *c = access_client(cli);
        Error e = {};

        if (!c) {
                cJSON_Delete(parameters);
                return CLI_GO_ON;
        }
        if (client_call(c, method, parameters, ret, &e) < 0) {
                access_lose(cli, &e);
                return CLI_GO_ON;
        }
        return ret->error ? refuse_with(ret, f) : 0;
}

/* What a person typed is text if it can be, be it a name or its escaped form; the daemon knows both. */
static cJSON *uow_parameter(const char *what) {
        _cleanup_free_ char *text = utf8_valid(what) ? strdup(what) : text_escape(what);
        cJSON *o = cJSON_CreateObject();

        if (o && (!text || !cJSON_AddStringToObject(o, "uow", text))) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

static cJSON *take_member(VarlinkReply *reply, const char *key) {
        return cJSON_DetachItemFromObjectCaseSensitive(reply->parameters, key);
}

static int take_answer(VarlinkReply *reply, const char *key, cJSON **ret, Refusal *f) {
        *ret = take_member(reply, key);
        return *ret
                ? 0
                : refusal_set(f, EXIT_FAILED, NULL, "flowcrond gave an answer without \"%s\"", key);
}

/* ---- the disk ---- */

static void say_offline(Cli *cli) {
        if (cli->said_offline)
                return;
        cli->said_offline = true;
        if (cli->base)
                out_note("This is the state on disk, in %s.", cli->config->base);
        else
                out_note("flowcrond can't be reached (%s); this is the state on disk, in %s.",
                        cli->unreachable.text, cli->config->base);
}

int access_offline(Cli *cli, Refusal *f) {
        int r;

        if (cli->offline)
                return 0;
        r = access_config(cli, f);
        if (r != 0)
                return r;
        r = offline_open(cli->config, &cli->offline, &f->e);
        if (r < 0) {
                char why[sizeof(f->e.text)];

                memcpy(why, f->e.text, sizeof(why));
                return refusal_set(f, EXIT_FAILED, "unreadable",
                        "the state on disk can't be read: %s", why[0] ? why : strerror(-r));
        }
        say_offline(cli);
        return 0;
}

static int refuse_search(int r, const Error *e, Refusal *f) {
        if (r == UOW_E_NOT_FOUND || r == UOW_E_AMBIGUOUS)
                return refusal_set(f, EXIT_NO_UOW, r == UOW_E_AMBIGUOUS ? "ambiguous" : "not-found",
                        "%s", e->text);
        return refusal_set(f, EXIT_FAILED, NULL, "%s", e->text[0] ? e->text : strerror(-r));
}

static int no_memory(Refusal *f) {
        return refusal_set(f, EXIT_FAILED, NULL, "%s", strerror(ENOMEM));
}

/* ---- looking ---- */

int access_status(Cli *cli, cJSON **ret, Refusal *f) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        int r = ask(cli, "GetStatus", NULL, &reply, f);

        if (r == 0)
                return take_answer(&reply, "status", ret, f);
        if (r == CLI_GO_ON)
                r = access_offline(cli, f);
        if (r != 0)
                return r;
        *ret = offline_status(cli->offline);
        return *ret ? 0 : no_memory(f);
}

int access_show(Cli *cli, const char *what, cJSON **ret, Refusal *f) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        const cJSON *arriving = NULL;
        Error e = {};
        Uow *u = NULL;
        int r = ask(cli, "Show", uow_parameter(what), &reply, f);

        if (r == 0)
                return take_answer(&reply, "uow", ret, f);
        if (r == CLI_GO_ON)
                r = access_offline(cli, f);
        if (r != 0)
                return r;
        r = offline_find(cli->offline, what, &u, &arriving, &e);
        if (r != 0)
                return refuse_search(r, &e, f);
        *ret = arriving ? cJSON_Duplicate(arriving, true) : uow_view(u, cli->offline->layout);
        return *ret ? 0 : no_memory(f);
}

int access_history(Cli *cli, const char *what, cJSON **ret, Refusal *f) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        const cJSON *arriving = NULL;
        Error e = {};
        Uow *u = NULL;
        int r = ask(cli, "History", uow_parameter(what), &reply, f);

        if (r == 0) {
                if (json_bool(reply.parameters, "truncated", false))
                        out_note("The history is very long; its beginning is left out.");
                return take_answer(&reply, "events", ret, f);
        }
        if (r == CLI_GO_ON)
                r = access_offline(cli, f);
        if (r != 0)
                return r;
        r = uowset_find(cli->offline->uows, what, &u, &e);
        if (r == UOW_E_NOT_FOUND)
                r = offline_find(cli->offline, what, &u, &arriving, &e);
        if (r != 0)
                return refuse_search(r, &e, f);
        *ret = arriving ? cJSON_CreateArray() : offline_history(cli->offline, u, &e);
        return *ret ? 0 : refusal_set(f, EXIT_FAILED, NULL, "%s", e.text);
}

/* ---- list ---- */

static cJSON *filter_parameters(const ListFilter *filter) {
        cJSON *o = cJSON_CreateObject();
        int r;

        if (!o)
                return NULL;
        r = json_set_str(o, "state", state_to_string(filter->state));
        if (r >= 0)
                r = json_set_str(o, "outcome", outcome_to_string(filter->outcome));
        if (r >= 0 && filter->all)
                r = json_set_bool(o, "all", true);
        if (r < 0) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

static int take_part(VarlinkReply *reply, cJSON *array) {
        cJSON *part = cJSON_GetObjectItemCaseSensitive(reply->parameters, "uows"), *item;

        while (part && (item = part->child)) {
                cJSON_DetachItemViaPointer(part, item);
                if (!cJSON_AddItemToArray(array, item)) {
                        cJSON_Delete(item);
                        return -ENOMEM;
                }
        }
        return 0;
}

/* CLI_GO_ON: the disk has to answer. */
static int list_from_daemon(Cli *cli, const ListFilter *filter, cJSON *array, Refusal *f) {
        Client *c = access_client(cli);
        bool continues = true;
        Error e = {};
        int r;

        if (!c)
                return CLI_GO_ON;
        r = client_send(c, "List", filter_parameters(filter), true);
        while (r >= 0 && continues) {
                _cleanup_(varlink_reply_done) VarlinkReply reply = {};

                r = client_receive(c, CLIENT_DEADLINE, &reply, &e);
                if (r >= 0 && reply.error)
                        return refuse_with(&reply, f);
                if (r >= 0)
                        r = take_part(&reply, array);
                continues = reply.continues;
        }
        if (r < 0) {
                access_lose(cli, &e);
                return CLI_GO_ON;
        }
        return 0;
}

static bool is_wanted(const ListFilter *filter, const Uow *u) {
        if (filter->state != UOW_NEW && u->state != filter->state)
                return false;
        if (filter->outcome != OUTCOME_NONE && u->outcome != filter->outcome)
                return false;
        return filter->all || filter->state == UOW_PURGED || u->state != UOW_PURGED;
}

static int add_view(cJSON *array, cJSON *item) {
        if (item && cJSON_AddItemToArray(array, item))
                return 0;
        cJSON_Delete(item);
        return -ENOMEM;
}

static int list_from_disk(const Offline *o, const ListFilter *filter, cJSON *array) {
        const cJSON *a;
        int r = 0;

        if (filter->outcome == OUTCOME_NONE &&
                (filter->state == UOW_NEW || filter->state == UOW_ARRIVING))
                cJSON_ArrayForEach(a, o->arriving)
                        if (r >= 0)
                                r = add_view(array, cJSON_Duplicate(a, true));
        for (size_t i = uowset_size(o->uows); r >= 0 && i > 0; i--) {
                const Uow *u = uowset_at(o->uows, i - 1);

                if (is_wanted(filter, u))
                        r = add_view(array, uow_view(u, o->layout));
        }
        return r;
}

int access_list(Cli *cli, const ListFilter *filter, cJSON **ret, Refusal *f) {
        _cleanup_json_ cJSON *array = cJSON_CreateArray();
        int r;

        if (!array)
                return no_memory(f);
        r = list_from_daemon(cli, filter, array, f);
        if (r == CLI_GO_ON) {
                /* What came before the connection broke is not mixed with what the disk says. */
                cJSON_Delete(array);
                array = cJSON_CreateArray();
                r = access_offline(cli, f);
                if (r == 0 && (!array || list_from_disk(cli->offline, filter, array) < 0))
                        return no_memory(f);
        }
        if (r != 0)
                return r;
        *ret = TAKE_PTR(array);
        return 0;
}

/* ---- orders ---- */

static int find_for_order(Cli *cli, const char *order, const char *what, Uow **ret, Refusal *f) {
        const cJSON *arriving = NULL;
        Error e = {}, unused = {};
        int r = uowset_find(cli->offline->uows, what, ret, &e);

        if (r == UOW_E_NOT_FOUND && offline_find(cli->offline, what, ret, &arriving, &unused) == 0)
                return refusal_set(f, EXIT_STATE, "state",
                        "it is still arriving: there is nothing to %s before its upload is complete",
                        order);
        if (r != 0)
                return refuse_search(r, &e, f);
        r = offline_allows(*ret, order, &e);
        return r == 0 ? 0 : refusal_set(f, EXIT_STATE, "state", "%s", e.text);
}

static int leave_request(Cli *cli, const char *order, const Uow *u, cJSON **ret, Refusal *f) {
        const Layout *l = cli->offline->layout;
        _cleanup_json_ cJSON *o = NULL;
        Error e = {};
        int r;

        if (l->fd[PLACE_REQUESTS] < 0)
                return refusal_set(f, EXIT_FAILED, "permission",
                        "flowcrond can't be reached, and %s can't be written by you: only the owner of the instance gives "
                        "orders",
                        l->path[PLACE_REQUESTS]);
        /* By its id: a name may mean another one by the time this is read. */
        r = requests_write(l->fd[PLACE_REQUESTS], order, u->id, &e);
        if (r < 0)
                return refusal_set(f, EXIT_FAILED, NULL, "%s", e.text);
        o = uow_view(u, l);
        if (!o || json_set_bool(o, "deferred", true) < 0)
                return no_memory(f);
        *ret = TAKE_PTR(o);
        return 0;
}

int access_order(Cli *cli, const char *order, const char *what, cJSON **ret, Refusal *f) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        _cleanup_free_ char *method = strdup(order);
        Client *c = access_client(cli);
        Error e = {};
        Uow *u;
        int r;

        if (!method)
                return no_memory(f);
        method[0] = (char)(method[0] - 'a' + 'A');
        if (c) {
                if (client_call(c, method, uow_parameter(what), &reply, &e) < 0) {
                        access_lose(cli, &e);
                        return refusal_set(f, EXIT_FAILED, "no-answer",
                                "the order was sent, but %s: whether it was taken is not known. Look with "
                                "`flowcronctl status %s`",
                                e.text, what);
                }
                return reply.error ? refuse_with(&reply, f) : take_answer(&reply, "uow", ret, f);
        }
        r = access_offline(cli, f);
        if (r == 0)
                r = find_for_order(cli, order, what, &u, f);
        return r == 0 ? leave_request(cli, order, u, ret, f) : r;
}
