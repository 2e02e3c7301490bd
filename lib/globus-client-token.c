/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The login on disk, and tokens that are good.
 *
 *      {"kind": "native" | "service", "client_id": UUID, "credentials": PATH,
 *       "tokens": {SERVER: {"access_token", "refresh_token", "expires", "scope"}}}
 *
 * The file is replaced as a whole, so two programs that refresh at the same time leave one of two
 * good files.
 */

#include "globus-client-internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "text.h"

/* A token that ends so soon may end on its way. */
#define MARGIN (60 * USEC_PER_SEC)
#define FILE_MAX (1U << 20)

/* ---- the file ---- */

static int login_dir(char **ret, Error *e) {
        const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

        if (state && state[0] == '/')
                *ret = xasprintf("%s/flowcron", state);
        else if (home && home[0] == '/')
                *ret = xasprintf("%s/.local/state/flowcron", home);
        else
                return error_set(e, -ENOENT,
                        "neither XDG_STATE_HOME nor a home folder is known: there is no place for a login");
        return *ret ? 0 : -ENOMEM;
}

/* Others could have read, or written, what is open to them. */
static int check_private(int dirfd, const char *dir, Error *e) {
        struct stat st;

        if (fstatat(dirfd, GLOBUS_LOGIN_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        if (st.st_uid != geteuid() || (st.st_mode & 077))
                return error_set(e, UOW_E_INVALID,
                        "%s/" GLOBUS_LOGIN_FILE
                        " holds a login, but is open to others, or another's. If nobody has read it: chmod 600 it; else remove it, and log in again",
                        dir);
        return 0;
}

static int parse_login(const char *data, size_t size, const char *dir, cJSON **ret, Error *e) {
        _cleanup_json_ cJSON *j = NULL;
        int r = json_parse(data, size, &j, e);

        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return error_prefix(e, UOW_E_INVALID, "%s/" GLOBUS_LOGIN_FILE, dir);
        if (!cJSON_IsObject(j))
                return error_set(e, UOW_E_INVALID,
                        "%s/" GLOBUS_LOGIN_FILE " holds no login. Remove it, and log in again",
                        dir);
        *ret = TAKE_PTR(j);
        return 0;
}

static int login_read(const char *dir, cJSON **ret, Error *e) {
        _cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r;

        if (fd < 0 && errno == ENOENT)
                return -ENOENT;
        if (fd < 0)
                return error_set(e, -errno, "can't open %s: %m", dir);
        r = check_private(fd, dir, e);
        if (r == 0)
                r = file_read_at(fd, GLOBUS_LOGIN_FILE, FILE_MAX, &data, &size);
        if (r < 0 && r != -ENOENT)
                return error_set(
                        e, r, "can't read %s/" GLOBUS_LOGIN_FILE ": %s", dir, strerror(-r));
        return r == 0 ? parse_login(data, size, dir, ret, e) : r;
}

int login_load(Globus *g, Error *e) {
        int r = login_dir(&g->dir, e);

        if (r == 0)
                r = login_read(g->dir, &g->login, e);
        if (r != -ENOENT || !g->dir)
                return r;
        g->login = cJSON_CreateObject();
        return g->login ? 0 : -ENOMEM;
}

int login_save(Globus *g, Error *e) {
        _cleanup_free_ char *text = json_print_pretty(g->login);
        _cleanup_close_ int fd = -1;
        int r;

        if (!text)
                return -ENOMEM;
        r = dir_make_path(g->dir, 0700);
        if (r == 0) {
                fd = open(g->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                r = fd < 0 ? -errno
                           : file_replace_at(fd, GLOBUS_LOGIN_FILE, text, strlen(text), 0600);
        }
        return r < 0 ? error_set(e, r, "can't write the login to %s: %s", g->dir, strerror(-r)) : 0;
}

int login_remove(Globus *g, Error *e) {
        _cleanup_free_ char *path = xasprintf("%s/" GLOBUS_LOGIN_FILE, g->dir);

        if (!path)
                return -ENOMEM;
        if (unlink(path) < 0 && errno != ENOENT)
                return error_set(e, -errno, "can't remove %s: %m", path);
        return 0;
}

/* ---- tokens ---- */

static cJSON *tokens(Globus *g) {
        cJSON *t = cJSON_GetObjectItemCaseSensitive(g->login, "tokens");

        if (!cJSON_IsObject(t) && json_set_item(g->login, "tokens", cJSON_CreateObject()) == 0)
                t = cJSON_GetObjectItemCaseSensitive(g->login, "tokens");
        return t;
}

static int store_one(cJSON *all, const cJSON *answer) {
        const char *server = json_str(answer, "resource_server"),
                   *refresh = json_str(answer, "refresh_token");
        int64_t seconds = json_int(answer, "expires_in", 0);
        cJSON *t;
        int r;

        if (!server || !json_str(answer, "access_token"))
                return 0;
        /* A refresh may answer without a new refresh token; then the old one stays good. */
        refresh = refresh ?: json_str(json_object(all, server), "refresh_token");
        t = cJSON_CreateObject();
        r = json_set_str(t, "access_token", json_str(answer, "access_token"));
        if (r >= 0)
                r = json_set_str(t, "refresh_token", refresh);
        if (r >= 0)
                r = json_set_time(t, "expires",
                        clock_now() + (usec_t)(seconds > 0 ? seconds : 0) * USEC_PER_SEC);
        if (r >= 0)
                r = json_set_str(t, "scope", json_str(answer, "scope"));
        if (r < 0) {
                cJSON_Delete(t);
                return r;
        }
        return json_set_item(all, server, t);
}

int login_store_tokens(Globus *g, const cJSON *answer) {
        cJSON *all = tokens(g);
        const cJSON *other;
        int r = all ? store_one(all, answer) : -ENOMEM;

        cJSON_ArrayForEach(other, json_array(answer, "other_tokens"))
                if (r >= 0)
                        r = store_one(all, other);
        return r;
}

static int refresh(Globus *g, const char *server, Error *e) {
        const char *token = json_str(json_object(tokens(g), server), "refresh_token");
        const char *const form[] = { "grant_type", "refresh_token", "refresh_token", token,
                "client_id", globus_client_id(g), NULL };
        _cleanup_json_ cJSON *answer = NULL;
        int r;

        r = auth_post(g, "/v2/oauth2/token", form, NULL, &answer, e);
        if (r == GLOBUS_E_REFUSED || r == GLOBUS_E_LOGIN)
                return error_set(e, GLOBUS_E_LOGIN,
                        "the login is not valid any more. Log in again: flowcronctl flow login");
        if (r == 0)
                r = login_store_tokens(g, answer);
        return r == 0 ? login_save(g, e) : r;
}

static int ask_as_service(Globus *g, const char *scope, Error *e) {
        _cleanup_free_ char *user = NULL, *id = NULL;
        const char *const form[] = { "grant_type", "client_credentials", "scope", scope, NULL };
        _cleanup_json_ cJSON *answer = NULL;
        int r;

        r = service_credentials(json_str(g->login, "credentials"), &user, &id, e);
        if (r == 0)
                r = auth_post(g, "/v2/oauth2/token", form, user, &answer, e);
        if (r == GLOBUS_E_REFUSED || r == GLOBUS_E_LOGIN)
                return error_prefix(e, GLOBUS_E_LOGIN, "the service account's credentials");
        if (r == 0)
                r = login_store_tokens(g, answer);
        return r == 0 ? login_save(g, e) : r;
}

static int no_token(const char *server, Error *e) {
        if (streq(server, GLOBUS_FLOWS_SERVER))
                return error_set(e, GLOBUS_E_LOGIN,
                        "there is no login. Log in first: flowcronctl flow login");
        return error_set(e, GLOBUS_E_CONSENT,
                "your login does not let this program start the flow %s yet. Give it the consent: flowcronctl flow login --flow %s",
                server, server);
}

int token_get(
        Globus *g, const char *server, const char *scope, bool renew, const char **ret, Error *e) {
        const cJSON *t = json_object(tokens(g), server);
        bool good = t && json_time(t, "expires") > clock_now() + MARGIN;
        int r = 0;

        if (!good || renew) {
                if (globus_is_service(g))
                        r = ask_as_service(g, scope, e);
                else if (json_str(t, "refresh_token"))
                        r = refresh(g, server, e);
                else if (t)
                        r = error_set(e, GLOBUS_E_LOGIN,
                                "the login has ended. Log in again: flowcronctl flow login");
        }
        if (r != 0)
                return r;
        *ret = json_str(json_object(tokens(g), server), "access_token");
        return *ret ? 0 : no_token(server, e);
}
