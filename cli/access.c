/* SPDX-License-Identifier: Apache-2.0 */

/* The ways to an answer, the configuration and the connection: see access.h. The answers are in answers.c. */

#include "access.h"

#include <string.h>

#include "text.h"

/* ---- configuration ---- */

const char *access_instance(const Cli *cli, char buf[static INSTANCE_MAX]) {
        const char *name = cli->instance ?: "default", *slash, *dot;

        if (!cli->instance && cli->config_path) {
                slash = strrchr(cli->config_path, '/');
                name = slash ? slash + 1 : cli->config_path;
                dot = strrchr(name, '.');
                if (dot && streq(dot, ".yaml")) {
                        snprintf(buf, INSTANCE_MAX, "%.*s", (int)(dot - name), name);
                        return buf;
                }
        }
        snprintf(buf, INSTANCE_MAX, "%s", name);
        return buf;
}

static int load_own(const Cli *cli, Config **ret, Error *e) {
        char instance[INSTANCE_MAX];
        _cleanup_free_ char *path = NULL;
        int r;

        access_instance(cli, instance);
        path = cli->config_path ? strdup(cli->config_path) : config_default_path(instance);
        if (!path)
                return error_set(e, -ENOENT,
                        "neither XDG_CONFIG_HOME nor a home folder is known; use --config FILE");
        r = cli->instance && cli->config_path ? config_load_named(cli->instance, path, ret, e)
                                              : config_load(path, ret, e);
        if (r == -ENOENT)
                return error_set(e, r,
                        "there is no configuration of instance %s: %s does not exist. Name another with --instance or "
                        "--config, or read one by its folder with --base",
                        instance, path);
        return r;
}

/* The daemon is there, but our own file is not readable, or at fault: the copy of what is in force will do. */
static int load_from_daemon(Cli *cli, Config **ret) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        _cleanup_free_ char *base = NULL;
        Client *c = access_client(cli);
        Error e = {};

        if (!c)
                return -ENOENT;
        if (client_call(c, "GetStatus", NULL, &reply, &e) < 0) {
                access_drop(cli);
                return -ENOENT;
        }
        if (json_get_name(json_object(reply.parameters, "status"), "base", &base) < 0)
                return -ENOENT;
        return config_load_copy(base, ret, &e);
}

int access_config(Cli *cli, Refusal *f) {
        int r;

        if (cli->config)
                return 0;
        if (cli->base) {
                r = config_load_copy(cli->base, &cli->config, &f->e);
        } else {
                r = load_own(cli, &cli->config, &f->e);
                if (r != 0 && load_from_daemon(cli, &cli->config) == 0)
                        r = 0;
        }
        if (r == 0)
                return 0;
        f->code = EXIT_FAILED;
        f->word = "config";
        return f->code;
}

/* ---- the daemon ---- */

static int check_base(Client *c, const Config *config, Error *e) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        _cleanup_free_ char *ours = text_escape(config->base);
        const char *theirs;
        int r;

        r = client_call(c, "GetStatus", NULL, &reply, e);
        if (r < 0)
                return r;
        theirs = json_str(json_object(reply.parameters, "status"), "base");
        if (reply.error || !theirs || !ours)
                return error_set(e, -EPROTO, "it answered \"%s\"", reply.error ?: "nothing");
        if (!streq(theirs, ours))
                return error_set(
                        e, -EXDEV, "flowcrond there serves %s, not %s", theirs, config->base);
        return 0;
}

static int connect_to_daemon(Cli *cli, const char *path, Error *e) {
        _cleanup_(client_freep) Client *c = NULL;
        Error unused;
        int r;

        r = client_open(path, &c, e);
        if (r < 0)
                return r;
        /* Without a readable configuration there is nothing to compare with. */
        if (cli->config || load_own(cli, &cli->config, &unused) == 0) {
                r = check_base(c, cli->config, e);
                if (r < 0)
                        return r;
        }
        cli->client = TAKE_PTR(c);
        return 0;
}

Client *access_client(Cli *cli) {
        _cleanup_free_ char *path = NULL, *other = NULL;
        char instance[INSTANCE_MAX];
        Error unused;

        if (cli->client || cli->client_tried || cli->base)
                return cli->client;
        cli->client_tried = true;
        path = config_socket_path(access_instance(cli, instance));
        if (!path || connect_to_daemon(cli, path, &cli->unreachable) >= 0)
                return cli->client;
        error_prefix(&cli->unreachable, 0, "%s", path);
        other = config_socket_path_else(instance);
        if (other)
                (void)connect_to_daemon(cli, other, &unused);
        return cli->client;
}

void access_drop(Cli *cli) {
        cli->client = client_free(cli->client);
        cli->client_tried = false;
}

void access_refresh(Cli *cli) {
        cli->offline = offline_free(cli->offline);
        if (!cli->client)
                cli->client_tried = false;
}

void access_lose(Cli *cli, const Error *why) {
        access_drop(cli);
        cli->client_tried = true;
        cli->unreachable = *why;
}

void access_done(Cli *cli) {
        cli->offline = offline_free(cli->offline);
        cli->client = client_free(cli->client);
        cli->config = config_free(cli->config);
}
