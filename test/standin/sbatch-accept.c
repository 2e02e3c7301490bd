/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The controller's part of a submission: whether the request is acceptable, and the records that
 * it becomes.
 */
#include "sbatch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPT_SIZE_MAX (4u << 20)

extern char **environ;

const char *sbatch_opt(const Submission *s, unsigned part, SbatchKey key, const char *dflt) {
        const char *v = s->o[part].v[key];

        return v ? v : dflt;
}

static void check_listed(
        const Submission *s, unsigned part, SbatchKey key, const char *list, const char *why) {
        const char *v = sbatch_opt(s, part, key, NULL);

        if (!v)
                return;
        for (const char *p = v; *p; p += strcspn(p, ","), p += *p == ',') {
                if (list_has(list, p, strcspn(p, ",")))
                        continue;
                if (key == SB_PARTITION)
                        fprintf(stderr, "sbatch: error: invalid partition specified: %s\n", v);
                controller_error("sbatch", why);
        }
}

void sbatch_check(const Submission *s) {
        uint64_t tasks[ARRAY_TASKS_MAX / 64];
        uint32_t throttle;

        if (s->script_size > SCRIPT_SIZE_MAX)
                controller_error(
                        "sbatch", "Pathname of a file, directory or other parameter too long");
        for (unsigned i = 0; i < s->parts; i++) {
                const char *array = sbatch_opt(s, i, SB_ARRAY, NULL);

                check_listed(s, i, SB_PARTITION, knob("partitions", "debug"),
                        "Invalid partition name specified");
                check_listed(s, i, SB_ACCOUNT, knob("accounts", "proj"),
                        "Invalid account or account/partition combination specified");
                check_listed(s, i, SB_QOS, knob("qos", "normal"), "Invalid qos specification");
                check_listed(s, i, SB_RESERVATION, knob("reservations", ""),
                        "Requested reservation is invalid");
                if (array && !tasks_parse(array, tasks, &throttle))
                        controller_error("sbatch", "Invalid job array specification");
        }
}

static void first_word(char *buf, size_t size, const char *list) {
        snprintf(buf, size, "%.*s", (int)strcspn(list, ","), list);
}

static void fill_strings(Job *j, const Submission *s, unsigned part) {
        char word[256];
        Text line = {}, command = {};
        const char *base = strrchr(s->path, '/');
        bool array = sbatch_opt(s, part, SB_ARRAY, NULL);

        text_add(&line, "sbatch");
        for (int i = 1; i < s->argc; i++)
                text_addf(&line, " %s", s->argv[i]);
        text_add(&command, s->path);
        for (int i = 0; i < s->nargs; i++)
                text_addf(&command, " %s", s->args[i]);
        str_set(j, JS_SUBMIT_LINE, text_str(&line));
        str_set(j, JS_COMMAND, text_str(&command));
        str_set(j, JS_NAME,
                sbatch_opt(s, part, SB_NAME,
                        base                                         ? base + 1
                                : sbatch_opt(s, part, SB_WRAP, NULL) ? "wrap"
                                                                     : "sbatch"));
        str_set(j, JS_COMMENT, sbatch_opt(s, part, SB_COMMENT, ""));
        str_set(j, JS_SUBMIT_DIR, s->cwd);
        str_set(j, JS_WORKDIR, sbatch_opt(s, part, SB_CHDIR, s->cwd));
        str_set(j, JS_STDOUT,
                sbatch_opt(s, part, SB_OUTPUT, array ? "slurm-%A_%a.out" : "slurm-%j.out"));
        str_set(j, JS_STDERR, sbatch_opt(s, part, SB_ERROR, ""));
        str_set(j, JS_STDIN, sbatch_opt(s, part, SB_INPUT, ""));
        first_word(word, sizeof(word), knob("partitions", "debug"));
        str_set(j, JS_PARTITION, sbatch_opt(s, part, SB_PARTITION, word));
        first_word(word, sizeof(word), knob("accounts", "proj"));
        str_set(j, JS_ACCOUNT, sbatch_opt(s, part, SB_ACCOUNT, word));
        first_word(word, sizeof(word), knob("qos", "normal"));
        str_set(j, JS_QOS, sbatch_opt(s, part, SB_QOS, word));
        str_set(j, JS_DEPEND, sbatch_opt(s, part, SB_DEPENDENCY, ""));
        str_set(j, JS_MEM, sbatch_opt(s, part, SB_MEM, ""));
        text_free(&line);
        text_free(&command);
}

static void fill_array(Job *j, const char *spec) {
        uint32_t first = NO_VALUE, second = NO_VALUE, last = 0;

        if (!spec || !tasks_parse(spec, j->tasks, &j->throttle))
                return;
        for (uint32_t t = 0; t < ARRAY_TASKS_MAX; t++) {
                if (!task_in(j->tasks, t))
                        continue;
                if (first == NO_VALUE)
                        first = t;
                else if (second == NO_VALUE)
                        second = t;
                last = t;
        }
        j->kind = JK_ARRAY;
        j->group_id = j->id;
        j->task_count = tasks_count(j->tasks);
        j->task_min = first;
        j->task_max = last;
        j->task_step = second == NO_VALUE ? 1 : second - first;
}

static void fill_times(Job *j, const Submission *s, unsigned part) {
        const char *begin = sbatch_opt(s, part, SB_BEGIN, NULL), *reason = "None";
        int64_t now = now_ms(), when = begin ? parse_when(begin) : now;

        j->submit_ms = now;
        j->eligible_ms = when > now ? when : now;
        if (when > now)
                reason = "BeginTime";
        if (!strcmp(knob("partition_state", "up"), "down"))
                reason = "PartitionDown";
        if (*str_get(j, JS_DEPEND)) {
                reason = "Dependency";
                j->eligible_ms = 0;
        }
        if (sbatch_opt(s, part, SB_HOLD, NULL)) {
                j->flags |= JF_HELD;
                reason = "JobHeldUser";
                j->eligible_ms = 0;
        }
        str_set(j, JS_REASON, reason);
}

static void fill_job(Job *j, const Submission *s, unsigned part, uint32_t leader) {
        uint32_t nodes = (uint32_t)strtoul(sbatch_opt(s, part, SB_NODES, "1"), NULL, 10);
        uint32_t tasks = (uint32_t)strtoul(sbatch_opt(s, part, SB_NTASKS, "1"), NULL, 10);
        uint32_t cpus = (uint32_t)strtoul(sbatch_opt(s, part, SB_CPUS, "1"), NULL, 10);
        mode_t mask = umask(0);

        umask(mask);
        fill_strings(j, s, part);
        fill_times(j, s, part);
        j->uid = getuid();
        j->umask = mask;
        j->spool_id = leader;
        j->nodes = nodes ? nodes : 1;
        j->cpus = (tasks ? tasks : 1) * (cpus ? cpus : 1);
        if (j->cpus < j->nodes)
                j->cpus = j->nodes;
        j->limit_min = (uint32_t)parse_limit(sbatch_opt(s, part, SB_TIME, "UNLIMITED"));
        j->flags |= strcmp(sbatch_opt(s, part, SB_OPEN_MODE, ""), "append") ? 0 : JF_APPEND;
        fill_array(j, sbatch_opt(s, part, SB_ARRAY, NULL));
        if (s->parts > 1) {
                j->kind = JK_HET;
                j->group_id = leader;
                j->task = part;
                j->task_count = s->parts;
        }
}

static bool exported(const char *list, const char *var) {
        size_t n = strcspn(var, "=");

        if (!list || !strncmp(list, "ALL", 3))
                return true;
        if (!strcmp(list, "NONE") || !strcmp(list, "NIL"))
                return !strncmp(var, "HOME=", 5) || !strncmp(var, "PATH=", 5) ||
                        !strncmp(var, "USER=", 5) || !strncmp(var, "LOGNAME=", 8) ||
                        !strncmp(var, "SHELL=", 6) || !strncmp(var, "STANDIN_STATE=", 14);
        return list_has(list, var, n) || !strncmp(var, "SLURM_", 6);
}

static size_t write_spool(const Submission *s, uint32_t id, bool keep) {
        const char *list = sbatch_opt(s, 0, SB_EXPORT, NULL);
        size_t count = 0;
        Text env = {}, args = {};

        for (int i = 0; i < s->nargs; i++)
                text_add_bytes(&args, s->args[i], strlen(s->args[i]) + 1);
        for (char **e = environ; *e; e++) {
                if (!exported(list, *e))
                        continue;
                text_add_bytes(&env, *e, strlen(*e) + 1);
                count++;
        }
        for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',')
                if (memchr(p, '=', strcspn(p, ","))) {
                        text_add_bytes(&env, p, strcspn(p, ","));
                        text_add_bytes(&env, "", 1);
                        count++;
                }
        if (keep) {
                mkdir(state_path("spool"), 0700);
                mkdir(state_path("spool/%u", id), 0700);
                write_whole(
                        state_path("spool/%u/slurm_script", id), s->script, s->script_size, 0700);
                write_whole(state_path("spool/%u/env", id), text_str(&env), env.n, 0600);
                write_whole(state_path("spool/%u/args", id), text_str(&args), args.n, 0600);
        }
        text_free(&env);
        text_free(&args);
        return count;
}

uint32_t sbatch_accept(const Submission *s) {
        bool run = strcmp(knob("mode", "run"), "norun") != 0;
        int64_t limit = knob_int("max_submit", 0);
        uint32_t leader = 0;
        size_t env_count;
        Job *first = NULL;

        db_lock();
        if (limit && db->unfinished >= (uint64_t)limit) {
                db_unlock();
                return 0;
        }
        leader = db->next_id;
        db->next_id += s->parts;
        env_count = write_spool(s, leader, run);
        for (unsigned i = 0; i < s->parts; i++) {
                Job *j = db_new_job(leader + i);

                fill_job(j, s, i, leader);
                if (i == 0)
                        truth_submit(j, s->argc, s->argv, s->cwd, env_count);
                db_commit_job(j);
                first = i ? first : j;
                if (j->group_id)
                        db_family_add(first, j);
        }
        if (run)
                schedule();
        db_unlock();
        return leader;
}
