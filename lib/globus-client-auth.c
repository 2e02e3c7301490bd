/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Logging in and out.
 *
 * A person: native app with PKCE (RFC 7636). There is no device code at Globus, and a browser on
 * the person's own machine can't reach a login node; so the code is shown there, and pasted here. A
 * service account: client credentials, the secret in a file of the owner's alone or in the
 * environment.
 */

#include "globus-client-internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "fileio.h"
#include "sha256.h"
#include "text.h"

#define REDIRECT "https://auth.globus.org/v2/web/auth-code"
/* 43 to 128 characters are wanted. */
#define VERIFIER_BYTES 48
#define CREDENTIALS_MAX 65536

const char *globus_client_id(const Globus *g) {
        return json_str(g->login, "client_id");
}

bool globus_is_service(const Globus *g) {
        return streq(json_str(g->login, "kind"), "service");
}

char *globus_escape(const char *text) {
        char *escaped = curl_easy_escape(NULL, text, 0), *copy = escaped ? strdup(escaped) : NULL;

        curl_free(escaped);
        return copy;
}

char *globus_flow_scope(const char *id, char *const *collections) {
        _cleanup_free_ char *under = strdup(id), *access = strdup("");
        char *scope;

        if (!under || !access)
                return NULL;
        for (char *c = under; *c; c++)
                *c = *c == '-' ? '_' : *c;
        for (; collections && *collections; collections++) {
                char *longer = xasprintf("%s%s*https://auth.globus.org/scopes/%s/data_access",
                        access, *access ? " " : "", *collections);

                free(access);
                access = longer;
                if (!access)
                        return NULL;
        }
        scope = xasprintf("https://auth.globus.org/scopes/%s/flow_%s_user%s%s%s", id, under,
                *access ? "[*urn:globus:auth:scope:transfer.api.globus.org:all[" : "", access,
                *access ? "]]" : "");
        return scope;
}

/* ---- forms ---- */

static char *form_text(const char *const *form) {
        _cleanup_free_ char *text = strdup("");

        for (; text && *form; form += 2) {
                _cleanup_free_ char *key = globus_escape(form[0]),
                                    *value = globus_escape(form[1] ?: "");
                char *longer = key && value
                        ? xasprintf("%s%s%s=%s", text, *text ? "&" : "", key, value)
                        : NULL;

                free(text);
                text = longer;
        }
        return TAKE_PTR(text);
}

int auth_post(Globus *g, const char *path, const char *const *form, const char *user, cJSON **ret,
        Error *e) {
        _cleanup_free_ char *url = xasprintf("%s%s", g->auth_url, path), *body = form_text(form);
        HttpAnswer a;
        int r;

        if (!url || !body)
                return -ENOMEM;
        r = http_request(g,
                &(HttpRequest){ .method = "POST",
                        .url = url,
                        .body = body,
                        .content_type = "application/x-www-form-urlencoded",
                        .user = user },
                &a, e);
        if (r != 0)
                return r;
        if (a.status / 100 != 2)
                r = globus_error(&a, NULL, e);
        else if (!cJSON_IsObject(a.body))
                r = error_set(e, GLOBUS_E_SERVER, "Globus Auth answered with what is no JSON");
        else
                *ret = TAKE_PTR(a.body);
        http_answer_done(&a);
        return r;
}

/* ---- a person ---- */

/* RFC 4648, for URLs, unpadded. */
static char *base64url(const uint8_t *data, size_t size) {
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        char *text = malloc(size * 4 / 3 + 4), *to = text;

        for (size_t i = 0; text && i < size; i += 3) {
                size_t n = size - i < 3 ? size - i : 3;
                uint32_t bits = (uint32_t)data[i] << 16 | (n > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                        (n > 2 ? data[i + 2] : 0);

                for (size_t d = 0; d <= n; d++)
                        *to++ = digits[bits >> (18 - 6 * d) & 63];
        }
        if (text)
                *to = 0;
        return text;
}

static char *random_text(size_t size) {
        uint8_t bytes[VERIFIER_BYTES];

        if (getrandom(bytes, size, 0) != (ssize_t)size)
                return NULL;
        return base64url(bytes, size);
}

static char *challenge_of(const char *verifier) {
        uint8_t digest[SHA256_SIZE];
        Sha256 h;

        sha256_init(&h);
        sha256_update(&h, verifier, strlen(verifier));
        sha256_final(&h, digest);
        return base64url(digest, sizeof(digest));
}

static char *join(char *const *words) {
        _cleanup_free_ char *text = strdup("");

        for (; text && *words; words++) {
                char *longer = xasprintf("%s%s%s", text, *text ? " " : "", *words);

                free(text);
                text = longer;
        }
        return TAKE_PTR(text);
}

int globus_login_url(
        Globus *g, const char *client_id, char *const *scopes, const char **ret, Error *e) {
        _cleanup_free_ char *state = random_text(16), *challenge = NULL, *scope = join(scopes),
                            *query = NULL;

        free(g->verifier);
        g->verifier = random_text(VERIFIER_BYTES);
        if (!state || !g->verifier || !scope)
                return error_set(e, -ENOMEM, "no random numbers, or no memory");
        challenge = challenge_of(g->verifier);
        query = form_text((const char *const[]){ "client_id", client_id, "redirect_uri", REDIRECT,
                "scope", scope, "state", state, "response_type", "code", "code_challenge",
                challenge, "code_challenge_method", "S256", "access_type", "offline", NULL });
        free(g->login_url);
        g->login_url = challenge && query
                ? xasprintf("%s/v2/oauth2/authorize?%s", g->auth_url, query)
                : NULL;
        if (!g->login_url || strdup_to(&g->pending_client, client_id) < 0)
                return -ENOMEM;
        *ret = g->login_url;
        return 0;
}

/*
 * A login of the same kind and client adds to what there is: a consent for one flow must not cost
 * that for another.
 */
static int login_begin(
        Globus *g, const char *kind, const char *client_id, const char *credentials) {
        bool same =
                streq(json_str(g->login, "kind"), kind) && streq(globus_client_id(g), client_id);
        cJSON *login = cJSON_CreateObject();
        int r = login ? json_set_str(login, "kind", kind) : -ENOMEM;

        if (r >= 0 && same && json_object(g->login, "tokens"))
                r = json_set_item(login, "tokens",
                        cJSON_DetachItemFromObjectCaseSensitive(g->login, "tokens"));
        if (r >= 0)
                r = json_set_str(login, "client_id", client_id);
        if (r >= 0)
                r = json_set_str(login, "credentials", credentials);
        if (r < 0) {
                cJSON_Delete(login);
                return r;
        }
        cJSON_Delete(g->login);
        g->login = login;
        return 0;
}

int globus_login_finish(Globus *g, const char *code, Error *e) {
        const char *const form[] = { "grant_type", "authorization_code", "client_id",
                g->pending_client, "code", code, "code_verifier", g->verifier, "redirect_uri",
                REDIRECT, NULL };
        _cleanup_json_ cJSON *answer = NULL;
        int r;

        r = auth_post(g, "/v2/oauth2/token", form, NULL, &answer, e);
        if (r == GLOBUS_E_REFUSED || r == GLOBUS_E_LOGIN)
                return error_prefix(e, GLOBUS_E_LOGIN,
                        "the code was not taken. It is good for one use, and for a few minutes; start anew");
        if (r == 0)
                r = login_begin(g, "native", g->pending_client, NULL);
        if (r == 0)
                r = login_store_tokens(g, answer);
        return r == 0 ? login_save(g, e) : r;
}

/* ---- a service account ---- */

static int read_credentials(const char *path, cJSON **ret, Error *e) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        _cleanup_free_ char *data = NULL;
        struct stat st;
        size_t size;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set(e, -errno, "can't open the credentials %s: %m", path);
        if (st.st_mode & 077)
                return error_set(e, UOW_E_INVALID,
                        "the credentials %s are open to others: chmod 600 the file first", path);
        r = fd_read_all(fd, CREDENTIALS_MAX, &data, &size);
        if (r < 0)
                return error_set(e, r, "can't read the credentials %s: %s", path, strerror(-r));
        r = json_parse(data, size, ret, e);
        return r < 0 ? error_prefix(e, UOW_E_INVALID, "%s", path) : 0;
}

int service_credentials(const char *path, char **ret_user, char **ret_id, Error *e) {
        const char *id = getenv("FLOWCRON_GLOBUS_CLIENT_ID"),
                   *secret = getenv("FLOWCRON_GLOBUS_CLIENT_SECRET");
        _cleanup_json_ cJSON *file = NULL;
        int r;

        if (path) {
                r = read_credentials(path, &file, e);
                if (r != 0)
                        return r;
                id = json_str(file, "client_id");
                secret = json_str(file, "client_secret");
        }
        if (isempty(id) || isempty(secret))
                return error_set(e, GLOBUS_E_LOGIN,
                        path ? "%s has no client_id and client_secret" : "%s are not both set",
                        path ?: "FLOWCRON_GLOBUS_CLIENT_ID and FLOWCRON_GLOBUS_CLIENT_SECRET");
        *ret_user = xasprintf("%s:%s", id, secret);
        *ret_id = strdup(id);
        return *ret_user && *ret_id ? 0 : -ENOMEM;
}

int globus_login_service(Globus *g, const char *path, Error *e) {
        _cleanup_free_ char *absolute = path ? realpath(path, NULL) : NULL, *user = NULL,
                            *id = NULL;
        const char *token;
        int r;

        if (path && !absolute)
                return error_set(e, -errno, "can't open the credentials %s: %m", path);
        r = service_credentials(absolute, &user, &id, e);
        if (r == 0)
                r = login_begin(g, "service", id, absolute);
        return r == 0 ? token_get(g, GLOBUS_FLOWS_SERVER, GLOBUS_FLOWS_SCOPE, true, &token, e) : r;
}

/* ---- out ---- */

static int revoke_token(Globus *g, const char *token, const char *user, Error *e) {
        const char *const form[] = { "token", token, user ? NULL : "client_id", globus_client_id(g),
                NULL };
        _cleanup_json_ cJSON *answer = NULL;

        return token ? auth_post(g, "/v2/oauth2/token/revoke", form, user, &answer, e) : 0;
}

int globus_logout(Globus *g, Error *e) {
        _cleanup_free_ char *user = NULL, *id = NULL;
        const cJSON *t;
        Error unused;
        int r = 0, removed;

        if (globus_is_service(g) &&
                service_credentials(json_str(g->login, "credentials"), &user, &id, &unused) != 0)
                user = NULL;
        cJSON_ArrayForEach(t, json_object(g->login, "tokens")) {
                if (r == 0)
                        r = revoke_token(g, json_str(t, "refresh_token"), user, e);
                if (r == 0)
                        r = revoke_token(g, json_str(t, "access_token"), user, e);
        }
        removed = login_remove(g, r == 0 ? e : NULL);
        return r ?: removed;
}
