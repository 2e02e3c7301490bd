/* SPDX-License-Identifier: Apache-2.0 */

/* A Globus, its calls, and who is meant by what is typed: see globus-client.h. */

#include "globus-client-internal.h"

#include <string.h>
#include <uuid.h>

#include "text.h"

#define AUTH_URL "https://auth.globus.org"
#define FLOWS_URL "https://flows.globus.org"

static int read_url(const char *variable, const char *fallback, char **ret, Error *e) {
        const char *given = getenv(variable);

        return http_check_url(variable, isempty(given) ? fallback : given, ret, e);
}

int globus_new(Globus **ret, Error *e) {
        _cleanup_(globus_freep) Globus *g = calloc(1, sizeof(*g));
        int r;

        if (!g)
                return -ENOMEM;
        /* Not thread-safe, but called once, before anything else. */
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(g->curl = curl_easy_init()))
                return error_set(e, -EIO, "libcurl can't be started");
        r = read_url("FLOWCRON_GLOBUS_AUTH_URL", AUTH_URL, &g->auth_url, e);
        if (r == 0)
                r = read_url("FLOWCRON_GLOBUS_FLOWS_URL", FLOWS_URL, &g->flows_url, e);
        if (r == 0)
                r = login_load(g, e);
        if (r == 0)
                *ret = TAKE_PTR(g);
        return r;
}

Globus *globus_free(Globus *g) {
        if (!g)
                return NULL;
        if (g->curl)
                curl_easy_cleanup(g->curl);
        free(g->auth_url);
        free(g->flows_url);
        free(g->login_url);
        free(g->verifier);
        free(g->pending_client);
        free(g->dir);
        cJSON_Delete(g->login);
        free(g);
        curl_global_cleanup();
        return NULL;
}

/* ---- calls ---- */

static int call_with(Globus *g, const GlobusRequest *rq, const char *body, const char *token,
        HttpAnswer *ret, Error *e) {
        _cleanup_free_ char *url = xasprintf("%s%s", g->flows_url, rq->path);

        if (!url)
                return -ENOMEM;
        return http_request(g,
                &(HttpRequest){ .method = rq->method,
                        .url = url,
                        .body = body,
                        .content_type = "application/json",
                        .bearer = token,
                        .once = rq->once },
                ret, e);
}

/* A token may have been revoked, or the clock may be wrong: once more with a new one. */
static int call(Globus *g, const GlobusRequest *rq, const char *body, HttpAnswer *ret, Error *e) {
        _cleanup_free_ char *scope =
                rq->flow ? globus_flow_scope(rq->flow, NULL) : strdup(GLOBUS_FLOWS_SCOPE);
        const char *server = rq->flow ?: GLOBUS_FLOWS_SERVER, *token;
        int r = scope ? 0 : -ENOMEM;

        for (int renew = 0; r == 0 && renew < 2; renew++) {
                r = token_get(g, server, scope, renew > 0, &token, e);
                if (r == 0)
                        r = call_with(g, rq, body, token, ret, e);
                if (r != 0 || ret->status != 401 || renew > 0)
                        return r;
                http_answer_done(ret);
        }
        return r;
}

int globus_call(Globus *g, const GlobusRequest *rq, cJSON **ret, Error *e) {
        _cleanup_free_ char *body = rq->body ? json_print(rq->body) : NULL;
        HttpAnswer a = {};
        int r;

        if (rq->body && !body)
                return -ENOMEM;
        r = call(g, rq, body, &a, e);
        if (r != 0)
                return r;
        *ret = NULL;
        if (a.status / 100 != 2) {
                r = globus_error(&a, rq->flow, e);
                if (r == GLOBUS_E_REFUSED)
                        *ret = TAKE_PTR(a.body);
        } else if (!cJSON_IsObject(a.body))
                r = error_set(
                        e, GLOBUS_E_SERVER, "Globus Flows answered with what is no JSON object");
        else
                *ret = TAKE_PTR(a.body);
        http_answer_done(&a);
        return r;
}

/* ---- people and groups ---- */

int globus_principal(const char *text, const char *everybody, char **ret, Error *e) {
        static const struct {
                const char *prefix, *urn;
        } kinds[] = {
                { "identity:", "urn:globus:auth:identity:" },
                { "group:", "urn:globus:groups:id:" },
                { "urn:globus:auth:identity:", "urn:globus:auth:identity:" },
                { "urn:globus:groups:id:", "urn:globus:groups:id:" },
        };
        uuid_t uuid;

        if (everybody && streq(text, everybody)) {
                *ret = strdup(text);
                return *ret ? 0 : -ENOMEM;
        }
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                const char *id = startswith(text, kinds[i].prefix);

                if (!id)
                        continue;
                if (strlen(id) != UUID_STR_LEN - 1 || uuid_parse(id, uuid) != 0)
                        return error_set(e, UOW_E_INVALID, "\"%s\": what follows %s is no UUID",
                                text, kinds[i].prefix);
                *ret = xasprintf("%s%s", kinds[i].urn, id);
                return *ret ? 0 : -ENOMEM;
        }
        return error_set(e, UOW_E_INVALID,
                "\"%s\": write group:UUID for a group, or identity:UUID for a person%s%s", text,
                everybody ? ", or " : "", everybody ?: "");
}
