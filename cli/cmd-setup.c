/* SPDX-License-Identifier: Apache-2.0 */

/* The order of things in a setup: see setup.h. */

#include "setup.h"

#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>

#include "access.h"
#include "environment.h"
#include "fileio.h"
#include "output.h"
#include "text.h"

static const char usage[] =
        "usage: flowcronctl [-i INSTANCE] setup [OPTION...]\n"
        "\n"
        "Sets an instance up: asks, checks the answers, shows what it is going to do, writes the configuration, makes the\n"
        "folders, and installs what keeps flowcrond running. Run again it shows today's values and changes what you change.\n"
        "Pointed at the base folder of a bash FlowCron it takes that over, with its results and its jobs.\n"
        "\n"
        "  -i, --instance NAME          the instance (default: default)\n"
        "      --base DIR               base folder\n"
        "      --scheduler KIND         slurm, or local: run jobs on this machine\n"
        "      --account NAME           Slurm account to charge; \"\" for Slurm's default\n"
        "      --qos NAME               QoS\n"
        "      --partition NAME         partition\n"
        "      --reservation NAME       reservation\n"
        "      --interval TIME          how often to look for uploads: auto, 30s, 5m …\n"
        "      --soft-delete-days N     days until a result goes to the recycling bin; 0: never\n"
        "      --purge-days N           days until it is removed from there for good; 0: never\n"
        "      --timestamp              add a timestamp to the name of each upload\n"
        "      --no-timestamp           only to names that are in use already\n"
        "      --service KIND           auto, systemd, scrontab, cron, or none\n"
        "      --no-start               enable the service of systemd, but do not start it\n"
        "      --remove-old-cron        take the bash FlowCron's line out of the crontab without asking\n"
        "  -y, --yes                    ask nothing: what is not given stays as it is, or is the default\n"
        "      --remove                 take it all back but the base folder\n"
        "      --json                   print an object at the end\n"
        "\n"
        "Without a terminal it needs --yes.\n";

static void setup_done(Setup *s) {
        for (int q = 0; q < _ASK_MAX; q++)
                free(s->answers[q]);
        free(s->config_path);
        free(s->home);
        free(s->login_home);
        free(s->flowcrond);
        free(s->flowcronctl);
        config_free(s->today);
        config_free(s->config);
        site_done(&s->site);
        legacy_settings_done(&s->legacy);
        layout_free(s->layout);
        cJSON_Delete(s->done);
        cJSON_Delete(s->warnings);
        cJSON_Delete(s->storage);
        cJSON_Delete(s->service);
        cJSON_Delete(s->takeover);
}

/* ---- where we are ---- */

/* flowcrond is beside flowcronctl, else in the PATH. */
static int find_programs(Setup *s, Error *e) {
        char self[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char *slash;

        if (n < 0)
                return error_set(e, -errno, "Where flowcronctl lies can't be told: %m");
        self[n] = 0;
        slash = strrchr(self, '/');
        s->flowcronctl = strdup(self);
        s->flowcrond = xasprintf("%.*s/flowcrond", (int)(slash - self), self);
        if (!s->flowcronctl || !s->flowcrond)
                return -ENOMEM;
        if (access(s->flowcrond, X_OK) == 0)
                return 0;
        free(TAKE_PTR(s->flowcrond));
        if (environment_find_program(environ, "flowcrond", &s->flowcrond) == 0)
                return 0;
        return error_set(e, -ENOENT, "flowcrond is neither beside flowcronctl nor in the PATH");
}

static int find_home(Setup *s) {
        const struct passwd *pw = getpwuid(getuid());
        LoginUser user = {};
        int r = login_user_get(&user);

        if (r == 0) {
                s->home = strdup(isempty(user.home) ? "/" : user.home);
                s->login_home = strdup(pw && pw->pw_dir ? pw->pw_dir : s->home ?: "/");
        }
        login_user_done(&user);
        return r < 0 || !s->home || !s->login_home ? -ENOMEM : 0;
}

static char *absolute_path(const char *path) {
        _cleanup_free_ char *cwd = *path == '/' ? NULL : getcwd(NULL, 0);

        if (*path == '/')
                return strdup(path);
        return cwd ? xasprintf("%s/%s", cwd, path) : NULL;
}

/* Cron and systemd look for it below the login's ~/.config, whatever $HOME and $XDG_CONFIG_HOME are here. */
static int find_config(Setup *s, Error *e) {
        _cleanup_free_ char *usual =
                xasprintf("%s/.config/flowcron/%s.yaml", s->login_home, s->instance);

        s->config_path = s->cli->config_path ? absolute_path(s->cli->config_path)
                                             : config_default_path(s->instance);
        if (!usual || !s->config_path)
                return -ENOMEM;
        s->elsewhere = !streq(usual, s->config_path);
        if (s->cli->config_path && s->cli->instance) {
                char named[INSTANCE_MAX];
                const Cli by_file = { .config_path = s->cli->config_path };

                if (!streq(access_instance(&by_file, named), s->cli->instance))
                        return error_set(e, UOW_E_INVALID,
                                "--config %s is of instance %s, not %s: an instance is named after its file",
                                s->cli->config_path, named, s->cli->instance);
        }
        return 0;
}

static int load_today(Setup *s, Error *e) {
        Error fault = {};
        int r;

        r = config_load(s->config_path, &s->today, &fault);
        if (r == 0)
                return config_load(s->config_path, &s->config, e);
        if (r == -ENOENT)
                return config_new(s->instance, &s->config) == 0
                        ? 0
                        : error_set(e, UOW_E_INVALID, "%s is no name for an instance", s->instance);
        if (!s->remove)
                return error_set(e, r < 0 ? r : -EINVAL,
                        "%s. Mend it, or move it away and run setup again", fault.text);
        return 0;
}

static int begin(Setup *s, Error *e) {
        int r;

        s->legacy.soft_delete_days = s->legacy.purge_days = s->legacy.add_timestamp = -1;
        s->done = cJSON_CreateArray();
        s->warnings = cJSON_CreateArray();
        s->service = cJSON_CreateObject();
        r = s->done && s->warnings && s->service ? find_home(s) : -ENOMEM;
        if (r == 0)
                r = find_config(s, e);
        if (r == 0)
                r = load_today(s, e);
        if (r == 0 && !s->remove)
                r = find_programs(s, e);
        return r;
}

/* ---- writing ---- */

/* Comments and the order of things in it are its author's. */
static void keep_former(Setup *s, int dir, const char *name) {
        _cleanup_free_ char *former = xasprintf("%s" CONFIG_FORMER, name);

        if (!former || (unlinkat(dir, former, 0) < 0 && errno != ENOENT) ||
                linkat(dir, name, dir, former, 0) < 0)
                return;
        setup_say_done(s, "Kept the former configuration as %s" CONFIG_FORMER ".", s->config_path);
}

static int write_config(Setup *s, Error *e) {
        _cleanup_free_ char *text = config_to_yaml(s->config), *old = NULL,
                            *dir = strdup(s->config_path);
        _cleanup_close_ int fd = -1;
        char *name;
        int r;

        if (!text || !dir)
                return -ENOMEM;
        name = strrchr(dir, '/');
        *name++ = 0;
        old = s->today ? config_to_yaml(s->today) : NULL;
        if (streq(old, text))
                return 0; /* as it is, comments included */
        r = dir_make_path(dir, 0755);
        fd = r < 0 ? r : dir_open_path(dir);
        if (fd >= 0 && s->today)
                keep_former(s, fd, name);
        r = fd < 0 ? fd : file_replace_at(fd, name, text, strlen(text), 0640);
        if (r < 0)
                return error_set(e, r, "%s can't be written: %s", s->config_path, strerror(-r));
        setup_say_done(s, "Wrote the configuration %s.", s->config_path);
        return 0;
}

static int carry_out(Setup *s, Error *e) {
        int r;

        r = setup_make_base(s, e);
        if (r == 0)
                r = write_config(s, e);
        if (r == 0 && s->is_legacy)
                r = setup_take_over(s, e);
        return r == 0 ? setup_install_service(s, e) : r;
}

static int set_up(Setup *s, Error *e) {
        int r;

        r = setup_ask_site(&s->site);
        if (r == 0)
                r = setup_ask_all(s, e);
        if (r == 0 && s->is_legacy)
                r = setup_agree_on_old_cron(s, e);
        if (r != 0)
                return r;
        setup_summary(s);
        if (!s->yes && !setup_agree("Set it up so?"))
                return error_set(e, -ECANCELED, "not agreed to");
        return carry_out(s, e);
}

static int take_back(Setup *s, Error *e) {
        if (!s->yes &&
                !cli_confirm(
                        "Remove the service and the configuration of instance %s? The base folder stays.",
                        s->instance))
                return error_set(e, -ECANCELED, "not agreed to");
        return setup_remove(s, e);
}

/* ---- the order ---- */

static int give_up(Setup *s, int r, const Error *e) {
        Refusal f = { .code = r == UOW_E_INVALID ? EXIT_USAGE : EXIT_FAILED, .e = *e };
        const char *after = cJSON_GetArraySize(s->done) > 0
                ? "; what was done is there, and setup run again goes on"
                : "; nothing was changed";

        if (!f.e.text[0])
                snprintf(f.e.text, sizeof(f.e.text), "%s", strerror(r < 0 ? -r : EINVAL));
        if (r != UOW_E_INVALID) {
                size_t n = strlen(f.e.text);

                snprintf(f.e.text + n, sizeof(f.e.text) - n, "%s", after);
        }
        return cli_refuse(s->cli, &f);
}

static int work(Setup *s) {
        Error e = {};
        int r = 0;

        access_instance(s->cli, s->instance);
        if (!s->yes && !s->cli->instance && !s->cli->config_path && !s->remove)
                r = setup_ask_name(s, &e);
        if (r == 0)
                r = begin(s, &e);
        if (r == 0)
                r = s->remove ? take_back(s, &e) : set_up(s, &e);
        return r == 0 ? setup_print(s, EXIT_DONE) : give_up(s, r, &e);
}

static int check_terminal(Setup *s) {
        if (s->yes || (out_can_ask() && !s->cli->json))
                return CLI_GO_ON;
        return cli_usage_error(s->cli,
                s->cli->json
                        ? "with --json nothing can be asked: give --yes, and a flag for each answer that is not to be the default"
                        : "setup asks questions, and there is no terminal: give --yes, and a flag for each answer that is not to be the default");
}

static int run(Cli *cli, char **args) {
        _cleanup_(setup_done) Setup s = { .cli = cli };
        bool timestamp = false, no_timestamp = false;
        const CliOption options[] = {
                { "base", 0, NULL, &s.given[ASK_BASE] },
                { "scheduler", 0, NULL, &s.given[ASK_SCHEDULER] },
                { "account", 0, NULL, &s.given[ASK_ACCOUNT] },
                { "qos", 0, NULL, &s.given[ASK_QOS] },
                { "partition", 0, NULL, &s.given[ASK_PARTITION] },
                { "reservation", 0, NULL, &s.given[ASK_RESERVATION] },
                { "interval", 0, NULL, &s.given[ASK_INTERVAL] },
                { "soft-delete-days", 0, NULL, &s.given[ASK_SOFT_DELETE] },
                { "purge-days", 0, NULL, &s.given[ASK_PURGE] },
                { "timestamp", 0, &timestamp, NULL },
                { "no-timestamp", 0, &no_timestamp, NULL },
                { "service", 0, NULL, &s.given[ASK_SERVICE] },
                { "no-start", 0, &s.no_start, NULL },
                { "remove-old-cron", 0, &s.remove_old_cron, NULL },
                { "yes", 'y', &s.yes, NULL },
                { "remove", 0, &s.remove, NULL },
                {},
        };
        size_t n;
        int r;

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 0, 0, NULL);
        if (r == CLI_GO_ON && timestamp && no_timestamp)
                r = cli_usage_error(cli, "--timestamp and --no-timestamp exclude each other");
        if (r != CLI_GO_ON)
                return r;
        if (timestamp || no_timestamp)
                s.given[ASK_TIMESTAMP] = timestamp ? "yes" : "no";
        r = check_terminal(&s);
        return r == CLI_GO_ON ? work(&s) : r;
}

const Order order_setup = { "setup", "set an instance up, change it, or remove it", usage, run };
