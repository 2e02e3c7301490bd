/* SPDX-License-Identifier: Apache-2.0 */

/* The instance itself: its configuration, the daemon, who owns the folder, what is stuck, and the Globus side. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "config-key.h"
#include "doctor.h"
#include "lease-owner.h"
#include "shell-quote.h"
#include "text.h"

/* The owner renews its lease each LEASE_RENEW; a busy file server may make that late, but not by so much. */
#define LEASE_LATE (2 * LEASE_TERM)

/* Cron's passes are minutes apart; after so long something keeps it from making them. */
#define PASS_OVERDUE (30 * USEC_PER_MINUTE)

/* So many of a list are named. */
#define NAMES_SHOWN 5

/* ---- configuration ---- */

static int load_own(const Doctor *d, char **ret_path, Config **ret, Error *e) {
        const Cli *cli = d->cli;

        *ret_path = cli->config_path ? strdup(cli->config_path) : config_default_path(d->instance);
        if (!*ret_path)
                return error_set(e, -ENOENT, "neither XDG_CONFIG_HOME nor a home folder is known");
        return cli->instance && cli->config_path
                ? config_load_named(cli->instance, *ret_path, ret, e)
                : config_load(*ret_path, ret, e);
}

/* The keys in which they differ: "scheduler.account, retention.logs"; NULL if in none. */
static char *differences(const Config *a, const Config *b) {
        _cleanup_(strv_freep) char **names = NULL;
        size_t n;
        const ConfigKey *keys = config_keys(&n);

        for (size_t i = 0; i < n; i++)
                if (!streq(keys[i].name, "base") &&
                        !config_value_equal(&keys[i], config_key_slot(&keys[i], (Config *)a),
                                config_key_slot(&keys[i], (Config *)b)) &&
                        strv_add(&names, keys[i].name) < 0)
                        return NULL;
        return names ? strv_join(names, ", ") : NULL;
}

static void compare_with_copy(Doctor *d, const Config *own, const char *path) {
        _cleanup_(config_freep) Config *copy = NULL;
        _cleanup_free_ char *keys = NULL;
        Error e = {};

        if (!d->running || config_load_copy(own->base, &copy, &e) != 0) {
                doctor_find(d, "configuration", FINDING_OK, "%s is good", path);
                return;
        }
        keys = differences(own, copy);
        if (!keys) {
                doctor_find(d, "configuration", FINDING_OK, "%s is good, and in force", path);
                return;
        }
        doctor_find(
                d, "configuration", FINDING_WARNING, "%s is good, but not what is in force", path);
        doctor_why(d, "Changed since the daemon read it: %s.", keys);
        if (config_needs_restart(own, copy))
                doctor_advise(d, "systemctl --user restart %s", d->unit);
        else
                doctor_advise(d, "%s reload", d->ctl);
}

void doctor_check_configuration(Doctor *d) {
        _cleanup_(config_freep) Config *own = NULL;
        _cleanup_free_ char *path = NULL;
        Error e = {};
        int r;

        if (d->cli->base && d->config) {
                doctor_find(d, "configuration", FINDING_OK, "the copy in %s/.flowcron is good",
                        d->config->base);
                return;
        }
        if (d->cli->base) {
                r = config_load_copy(d->cli->base, &own, &e);
                doctor_find(d, "configuration", FINDING_FAULT,
                        "there is no copy of a configuration to be read in that folder");
                doctor_why(d, "%s", e.text[0] ? e.text : strerror(r < 0 ? -r : EINVAL));
                return;
        }
        r = load_own(d, &path, &own, &e);
        if (r == 0) {
                ASSUME(own);
                compare_with_copy(d, own, path);
                return;
        }
        doctor_find(d, "configuration", FINDING_FAULT,
                r == -ENOENT ? "there is no configuration of this instance"
                             : "the configuration is at fault");
        doctor_why(d, "%s%s", e.text[0] ? e.text : strerror(r < 0 ? -r : EINVAL),
                d->config ? " The one that is in force is another." : "");
        if (r == -ENOENT)
                doctor_advise(d, "%s setup", d->ctl);
        else if (path)
                doctor_advise_path(d, "${EDITOR:-vi}", path);
}

/* ---- the daemon ---- */

static void check_version(Doctor *d) {
        const char *version = json_str(json_object(d->status, "daemon"), "version");

        if (!d->running || !version)
                return;
        if (streq(version, FLOWCRON_VERSION)) {
                doctor_find(
                        d, "version", FINDING_OK, "flowcronctl and flowcrond are both %s", version);
                return;
        }
        doctor_find(d, "version", FINDING_WARNING, "flowcrond that runs is %s, flowcronctl %s",
                version, FLOWCRON_VERSION);
        doctor_why(d, "A daemon goes on as what it was started as until it is started anew.");
        doctor_advise(d, "systemctl --user restart %s", d->unit);
}

static void say_running(Doctor *d) {
        const cJSON *daemon = json_object(d->status, "daemon");
        char since[CLOCK_TEXT_MAX];

        doctor_find(d, "daemon", FINDING_OK, "flowcrond runs on %s, process %d, since %s",
                json_str(d->status, "host") ?: "this host", (int)json_int(daemon, "pid", 0),
                clock_format_short(since, json_time(daemon, "since"), clock_now()));
}

/* By cron, a pass at a time. */
static void say_passes(Doctor *d) {
        usec_t last = json_time(d->status, "time"), now = clock_now();
        char when[CLOCK_TEXT_MAX];

        clock_format_short(when, last, now);
        if (now < last + PASS_OVERDUE) {
                doctor_find(d, "daemon", FINDING_OK, "works in passes; the last was at %s", when);
                return;
        }
        doctor_find(d, "daemon", FINDING_FAULT, "works in passes, but the last was at %s", when);
        doctor_why(d, "Nothing is taken up, and no job is followed, until there is another.");
        doctor_advise(d, "%s", d->flowcrond);
}

static void say_not_running(Doctor *d) {
        doctor_find(d, "daemon", FINDING_FAULT, "flowcrond does not run%s",
                d->layout ? "" : ", and never did");
        doctor_why(d, "Nothing is taken up, and no job is followed.");
        if (d->unit_program)
                doctor_advise(d, "systemctl --user start %s", d->unit);
        else
                doctor_advise(d, "%s", d->flowcrond);
}

void doctor_check_daemon(Doctor *d) {
        const cJSON *daemon = json_object(d->status, "daemon"),
                    *owner = json_object(daemon, "owner");
        const char *host = json_str(owner, "host");

        if (d->running)
                say_running(d);
        else if (json_bool(owner, "alive", false) && json_bool(owner, "here", false)) {
                bool once = json_bool(daemon, "once", false);

                doctor_find(d, "daemon", d->cli->base || once ? FINDING_NOTE : FINDING_WARNING,
                        "flowcrond runs here (process %d), but was not asked",
                        (int)json_int(owner, "pid", 0));
                if (!d->cli->base)
                        doctor_why(d, "%s", d->cli->unreachable.text);
        } else if (json_bool(owner, "alive", false))
                doctor_find(d, "daemon", FINDING_NOTE,
                        "flowcrond runs on %s; what only it can tell is its last word on disk",
                        host ?: "another host");
        else if (json_bool(daemon, "once", false))
                say_passes(d);
        else
                say_not_running(d);
        check_version(d);
}

/* ---- the lease ---- */

/* When its owner last gave a sign of life, by the file server's clock; 0: not known. */
static usec_t last_sign(const Doctor *d, uint64_t fence) {
        char name[LEASE_NAME_MAX];
        struct stat st;

        if (fstatat(d->layout->fd[PLACE_STATE], lease_file_name(name, fence), &st,
                    AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        return (usec_t)st.st_mtim.tv_sec * USEC_PER_SEC;
}

static void judge_lease(Doctor *d, const LeaseOwner *owner) {
        usec_t now = clock_now(), sign = last_sign(d, owner->fence);
        usec_t age = sign && now > sign ? now - sign : 0;
        char since[CLOCK_TEXT_MAX], ago[CLOCK_TEXT_MAX];
        bool dead = owner->here && !owner->alive && !owner->released;

        clock_format_short(since, owner->since, now);
        duration_words(ago, age);
        if (owner->released || dead) {
                doctor_find(d, "lease", FINDING_OK,
                        "nobody owns the folder; the last was %s (%d)%s", owner->host, owner->pid,
                        dead ? ", which ended without giving it up" : "");
                return;
        }
        if (age < LEASE_LATE) {
                doctor_find(d, "lease", FINDING_OK, "%s (process %d) owns the folder since %s",
                        owner->host, owner->pid, since);
                return;
        }
        doctor_find(d, "lease", FINDING_WARNING,
                "%s (process %d) owns the folder since %s, but gave no sign of life for %s",
                owner->host, owner->pid, since, ago);
        doctor_why(d, "It is frozen, its host is gone, or it can't write there. %s",
                owner->here ? "It runs on this host."
                            : "A flowcrond elsewhere takes over from it.");
        if (owner->here)
                doctor_advise(d, "systemctl --user restart %s", d->unit);
        else
                doctor_advise(d, "systemctl --user start %s", d->unit);
}

void doctor_check_lease(Doctor *d) {
        LeaseOwner owner;
        int r;

        if (!d->layout)
                return;
        r = lease_read(d->layout->fd[PLACE_STATE], &owner);
        if (r == 0)
                judge_lease(d, &owner);
        else if (r == -ENOENT)
                doctor_find(d, "lease", FINDING_NOTE, "nobody has owned the folder yet");
        else {
                doctor_find(d, "lease", FINDING_FAULT, "it can't be told who owns the folder");
                doctor_why(d, "%s/lease-N: %s", d->layout->path[PLACE_STATE], strerror(-r));
        }
}

/* ---- work ---- */

static bool same_trouble(const cJSON *a, const cJSON *b) {
        return streq(json_str(a, "what"), json_str(b, "what")) && json_str(b, "uow");
}

/* Those that @first stands for: "a, b and 3 more"; new string or NULL. */
static char *names_of(const cJSON *first) {
        _cleanup_(strv_freep) char **names = NULL;
        _cleanup_free_ char *list = NULL;
        size_t n = 0;

        for (const cJSON *a = first; a; a = a->next)
                if (same_trouble(first, a) && n++ < NAMES_SHOWN &&
                        strv_add(&names, json_str(a, "uow")) < 0)
                        return NULL;
        list = strv_join(names, ", ");
        if (!list || n <= NAMES_SHOWN)
                return TAKE_PTR(list);
        return xasprintf("%s and %zu more", list, n - NAMES_SHOWN);
}

static bool was_said(const cJSON *array, const cJSON *a) {
        const cJSON *before;

        cJSON_ArrayForEach(before, array) {
                if (before == a)
                        return false;
                if (json_str(before, "uow") && same_trouble(before, a))
                        return true;
        }
        return false;
}

static void say_stuck(Doctor *d, const cJSON *a) {
        _cleanup_free_ char *names = names_of(a), *quoted = shell_quote(json_str(a, "uow"));

        if (!names || !quoted) {
                d->failed = true;
                return;
        }
        doctor_find(d, "work", FINDING_WARNING, "%s: %s", names, json_str(a, "what") ?: "?");
        if (json_str(a, "advice"))
                doctor_why(d, "%s", json_str(a, "advice"));
        doctor_advise(d, "%s show %s", d->ctl, quoted);
}

/* What the daemon itself is in trouble with. That it does not run is said elsewhere. */
static void say_trouble(Doctor *d, const cJSON *a) {
        doctor_find(d, "work", FINDING_WARNING, "%s", json_str(a, "what") ?: "?");
        if (json_str(a, "advice"))
                doctor_why(d, "%s", json_str(a, "advice"));
}

void doctor_check_work(Doctor *d) {
        const cJSON *array = json_array(d->status, "attention"), *a,
                    *counts = json_object(d->status, "counts");
        bool any = false;

        if (!d->status)
                return;
        cJSON_ArrayForEach(a, array) {
                if (json_str(a, "uow") && was_said(array, a))
                        continue;
                if (json_str(a, "uow"))
                        say_stuck(d, a);
                else if (d->running)
                        say_trouble(d, a);
                else
                        continue;
                any = true;
        }
        if (!any)
                doctor_find(d, "work", FINDING_OK,
                        "nothing is stuck; %d arriving, %d staged, %d queued",
                        (int)json_int(counts, "arriving", 0),
                        (int)(json_int(counts, "uploaded", 0) + json_int(counts, "staged", 0)),
                        (int)json_int(counts, "queued", 0));
}

/* ---- Globus ---- */

void doctor_check_globus(Doctor *d) {
        const Config *c = d->config;

        if (!c)
                return;
        if (*c->globus.collection_id) {
                doctor_find(d, "globus", FINDING_OK, "collection %s of %s, the base folder is %s",
                        c->globus.collection_id,
                        *c->globus.hpc_name ? c->globus.hpc_name : "the cluster",
                        *c->globus.collection_path ? c->globus.collection_path : "its own path");
                return;
        }
        doctor_find(d, "globus", FINDING_NOTE,
                "globus.collection_id is not set: no flow can be generated");
        doctor_why(d,
                "Without a flow, people upload with Globus's file manager and make sentinels/ last.");
        doctor_advise_edit(d);
}
