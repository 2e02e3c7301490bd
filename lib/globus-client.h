/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Talking to Globus Auth and Globus Flows over HTTPS.
 *
 * A Globus is one person's login (or a service account) and a connection. It is blocking, and only
 * flowcronctl uses it: the daemon never talks to Globus. A call takes the token that fits,
 * refreshes it if need be, and tries again where the service says that it is busy; what is left is
 * said in words, with the place in the input that the service complains about.
 *
 * The login is in $XDG_STATE_HOME/flowcron/globus.json (~/.local/state), mode 0600: client, tokens,
 * and when they expire. A service account's secret is never written there.
 *
 * Environment: FLOWCRON_GLOBUS_AUTH_URL and FLOWCRON_GLOBUS_FLOWS_URL replace the services'
 * addresses (tests; other deployments). They are https, or plain http to this machine itself.
 * Certificates are always verified. FLOWCRON_GLOBUS_CLIENT_ID and FLOWCRON_GLOBUS_CLIENT_SECRET are
 * a service account's.
 */

#include "json.h"

/* What a caller may want to tell apart; the Error says it in words in any case. */
enum {
        GLOBUS_E_LOGIN = 100, /* there is no login, or it is not valid any more */
        GLOBUS_E_CONSENT,     /* the login does not cover what was asked */
        GLOBUS_E_REFUSED,   /* the service does not take it (4xx); the Error says why, and where */
        GLOBUS_E_NOT_FOUND, /* 404 */
        GLOBUS_E_SERVER,    /* the service had trouble (5xx), also at the last try */
        GLOBUS_E_UNREACHABLE, /* no answer */
};

typedef struct Globus Globus;

/**
 * globus_new() - reads environment and login; talks to nobody. 0, UOW_E_INVALID (an address, a file
 * at fault), -errno.
 */
int globus_new(Globus **ret, Error *e);
Globus *globus_free(Globus *g);
DEFINE_CLEANUP(Globus *, globus_free)

/* ---- login ---- */

/* Scopes: all of Globus Flows, and what a flow's starter needs. */
#define GLOBUS_FLOWS_SERVER "flows.globus.org"
#define GLOBUS_FLOWS_SCOPE "https://auth.globus.org/scopes/eec9b274-0c81-4334-bdc2-54e90e689b9a/all"

/**
 * globus_flow_scope() - the scope for starting runs of flow @id
 * @collections: NULL, or mapped collections (UUIDs, NULL-terminated) whose data_access the runs
 * need. New string or NULL.
 */
char *globus_flow_scope(const char *id, char *const *collections);

/**
 * globus_login_url() - begin a login in the browser: where the person is to go. The URL is owned by
 * @g.
 */
int globus_login_url(
        Globus *g, const char *client_id, char *const *scopes, const char **ret, Error *e);

/** globus_login_finish() - end it with the code that was shown there. Writes the login. */
int globus_login_finish(Globus *g, const char *code, Error *e);

/**
 * globus_login_service() - as a service account, with credentials from @path (NULL: from the
 * environment). Writes the login.
 */
int globus_login_service(Globus *g, const char *path, Error *e);

/**
 * globus_logout() - revoke all tokens and remove the file. Without a login: 0. If the service can't
 * be reached, the file goes nevertheless.
 */
int globus_logout(Globus *g, Error *e);

/** globus_client_id() - of the login, or NULL if there is none. */
const char *globus_client_id(const Globus *g);
/** globus_is_service() - whether it is a service account's. */
bool globus_is_service(const Globus *g);

/* ---- calls ---- */

typedef struct GlobusRequest {
        const char *method; /* "GET", … */
        const char *path;   /* "/flows/…", with a query */
        const cJSON *body;  /* or NULL */
        const char *flow;   /* UUID: the call needs the scope of this flow */
        bool once; /* a second try could do it twice: only where the service says that it did nothing */
} GlobusRequest;

/**
 * globus_call() - to Globus Flows; 0 with the answer, GLOBUS_E_… with words in @e, -errno. With
 * GLOBUS_E_REFUSED @ret is what the service said, or NULL.
 */
int globus_call(Globus *g, const GlobusRequest *rq, cJSON **ret, Error *e);

/** globus_escape() - @text as part of a query or path. New string or NULL. */
char *globus_escape(const char *text);

/**
 * globus_principal() - a person or group as the service wants it: "group:UUID", "identity:UUID" or
 * a whole URN; also @everybody as it is A bare UUID is refused: the service would not take it, and
 * which of the two it is can't be told. New string in @ret; UOW_E_INVALID with @e.
 */
int globus_principal(const char *text, const char *everybody, char **ret, Error *e);
