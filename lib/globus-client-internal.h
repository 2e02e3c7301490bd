/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of the client; see globus-client.h. */

#include "globus-client.h"

#include <curl/curl.h>

struct Globus {
        CURL *curl;
        char *auth_url, *flows_url; /* without a slash at the end */
        char *login_url, *verifier; /* of a login that has begun */
        char *pending_client;
        cJSON *login; /* as in the file; an empty object: none */
        char *dir;    /* where the file is */
};

#define GLOBUS_LOGIN_FILE "globus.json"

DEFINE_CLEANUP(struct curl_slist *, curl_slist_free_all)

/* ---- one request ---- */

typedef struct HttpRequest {
        const char *method, *url;
        const char *body;         /* or NULL */
        const char *content_type; /* of the body */
        const char *bearer;       /* token, or NULL */
        const char *user;         /* "id:secret" for Basic, or NULL */
        bool once;
} HttpRequest;

typedef struct HttpAnswer {
        long status;
        char *text;         /* of the body, NUL-terminated */
        cJSON *body;        /* NULL if it is no JSON */
        double retry_after; /* seconds; negative: not said */
} HttpAnswer;

void http_answer_done(HttpAnswer *a);

/**
 * http_request() - with the tries that the facts about the service allow 429, 500, 502, 503 and 504
 * are tried again, five times in all, with growing pauses or what Retry-After says, ten seconds at
 * most; with
 * @once only 429 and 503. 0 whatever the status; GLOBUS_E_UNREACHABLE; -ENOMEM.
 */
int http_request(Globus *g, const HttpRequest *rq, HttpAnswer *ret, Error *e);

/** http_check_url() - https, or http to this machine; without a slash at the end in @ret. */
int http_check_url(const char *what, const char *url, char **ret, Error *e);

/* ---- words ---- */

/**
 * globus_error() - what a status that is no success means, as GLOBUS_E_… with words; @flow: which
 * flow was concerned, or NULL.
 */
int globus_error(const HttpAnswer *a, const char *flow, Error *e);

/* ---- tokens ---- */

int login_load(Globus *g, Error *e);
int login_save(Globus *g, Error *e);
int login_remove(Globus *g, Error *e);

/** login_store_tokens() - those of a token answer, other_tokens included. */
int login_store_tokens(Globus *g, const cJSON *answer);

/**
 * token_get() - a token for @server that is good for a while yet, got or refreshed if need be
 * @scope: what to ask for if there is none and the login can ask by itself. @renew: the one there
 * is was not taken. Owned by the login. 0, GLOBUS_E_LOGIN, GLOBUS_E_CONSENT, …
 */
int token_get(
        Globus *g, const char *server, const char *scope, bool renew, const char **ret, Error *e);

/**
 * auth_post() - a form to Globus Auth; @form: key, value, …, NULL. Basic with @user if not NULL.
 */
int auth_post(Globus *g, const char *path, const char *const *form, const char *user, cJSON **ret,
        Error *e);

/** service_credentials() - "id:secret" of the service account, from its file or the environment. */
int service_credentials(const char *path, char **ret_user, char **ret_id, Error *e);
