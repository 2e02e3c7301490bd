/* SPDX-License-Identifier: Apache-2.0 */

/*
 * standin-slurm under its own name: the test's hand in the state.
 *
 *     list [ID…]             every record, a JSON object a line
 *     set ID STATE [exit=N] [signal=N] [reason=R] [derived=N] [rss=KB] [steps=NAME:CODE,…]
 *     set-all STATE […]      all jobs that are not over
 *     next-id N              the next job's id, an earlier one's if so wished
 *     forget ID…             out of the controller's memory, as if long over
 *     stop                   kills all jobs that really run, cancels the others
 *     install BIN STATE      links to all commands in BIN, which then use STATE
 */
#include "standin.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void add_str(Text *t, const char *key, const char *value) {
        text_addf(t, ",\"%s\":", key);
        text_add_json(t, value);
}

static void list_job(Text *t, const Job *j) {
        text_addf(t, "{\"id\":%u", j->id);
        add_str(t, "name_id", job_name_id(j));
        add_str(t, "state", state_names[j->state]);
        text_addf(t, ",\"completing\":%s,\"held\":%s,\"current\":%s",
                j->flags & JF_COMPLETING ? "true" : "false", j->flags & JF_HELD ? "true" : "false",
                db_find(j->id) == j ? "true" : "false");
        if (j->group_id)
                text_addf(t, ",\"group\":%u", j->group_id);
        if (j->task != NO_VALUE)
                text_addf(t, ",\"task\":%u", j->task);
        text_addf(t, ",\"exit\":%d,\"signal\":%d,\"restarts\":%u,\"runner\":%d,\"session\":%d",
                j->exit_code, j->exit_signal, j->restarts, j->runner, j->session);
        text_addf(t, ",\"submit\":%.3f,\"start\":%.3f,\"end\":%.3f", (double)j->submit_ms / 1000,
                (double)j->start_ms / 1000, (double)j->end_ms / 1000);
        text_addf(t, ",\"limit\":%u", j->limit_min);
        add_str(t, "reason", str_get(j, JS_REASON));
        add_str(t, "name", str_get(j, JS_NAME));
        add_str(t, "comment", str_get(j, JS_COMMENT));
        add_str(t, "workdir", str_get(j, JS_WORKDIR));
        add_str(t, "stdout", str_get(j, JS_STDOUT));
        add_str(t, "stderr", str_get(j, JS_STDERR));
        add_str(t, "account", str_get(j, JS_ACCOUNT));
        add_str(t, "qos", str_get(j, JS_QOS));
        add_str(t, "partition", str_get(j, JS_PARTITION));
        add_str(t, "submit_line", str_get(j, JS_SUBMIT_LINE));
        text_add(t, "}\n");
}

static void list(int argc, char **argv) {
        Text t = {};

        for (uint32_t i = 1; i < db->count; i++) {
                bool named = argc == 0;

                for (int k = 0; k < argc && !named; k++) {
                        JobName n = job_name_parse(argv[k], strlen(argv[k]));

                        named = job_name_means(&n, job_at(i));
                }
                if (named)
                        list_job(&t, job_at(i));
        }
        fputs(text_str(&t), stdout);
}

/* ---- set ---- */

typedef struct Setting {
        int argc;
        char **argv;
        const JobName *name;
        JobState state;
} Setting;

static void set_detail(Job *j, const char *word) {
        const char *v = strchr(word, '=');
        size_t n = v ? (size_t)(v - word) : 0;
        int number = v ? (int)strtol(v + 1, NULL, 10) : 0;

        if (n == 4 && !strncmp(word, "exit", n))
                j->exit_code = number;
        else if (n == 6 && !strncmp(word, "signal", n))
                j->exit_signal = number;
        else if (n == 7 && !strncmp(word, "derived", n))
                j->derived_code = number;
        else if (n == 3 && !strncmp(word, "rss", n))
                j->max_rss_kb = (uint32_t)number;
        else if (n == 6 && !strncmp(word, "reason", n))
                str_set(j, JS_REASON, v + 1);
        else if (n == 5 && !strncmp(word, "steps", n)) {
                char *copy = xstrdup(v + 1);

                for (char *p = copy; *p; p++)
                        *p = *p == ',' ? ' ' : *p;
                str_set(j, JS_STEPS, copy);
                free(copy);
        } else
                die(2, "standin: no such setting: %s", word);
}

static void set_one(Job *j, const Setting *s) {
        int64_t now = now_ms();

        if (state_over(s->state) || s->state == JOB_PENDING)
                run_kill(j);
        if (s->state == JOB_PENDING && !j->start_ms)
                job_set_state(j, JOB_PENDING, now);
        else if (s->state == JOB_CANCELLED)
                job_cancel(j, getuid(), NULL);
        else if (state_over(s->state)) {
                job_start(j, now);
                job_end(j, s->state, s->state == JOB_FAILED,
                        s->state == JOB_OUT_OF_MEMORY ? 125 : 0, now);
        } else if (s->state == JOB_RUNNING && j->state == JOB_PENDING)
                job_start(j, now);
        else
                job_set_state(j, s->state, now);
        for (int i = 0; i < s->argc; i++)
                set_detail(j, s->argv[i]);
        truth_change(j, "set");
}

/* A state that a waiting task cannot have takes it out of its array first. */
static void set_named(Job *j, void *arg) {
        const Setting *s = arg;

        if (j->kind != JK_ARRAY || s->state == JOB_PENDING) {
                set_one(j, s);
                return;
        }
        for (uint32_t t = 0; t < ARRAY_TASKS_MAX; t++) {
                Job *task = j;

                if (s->name && s->name->kind == 2 && s->name->sub != t)
                        continue;
                if (s->name && s->name->kind == 3 && !task_in(s->name->tasks, t))
                        continue;
                task = job_split(j, t);
                if (task)
                        set_one(task, s);
        }
}

static Setting parse_setting(const char *word, int argc, char **argv) {
        int state = state_parse(word, strlen(word));

        if (state < 0)
                die(2, "standin: no such state: %s", word);
        return (Setting){ .argc = argc, .argv = argv, .state = (JobState)state };
}

static void set(int argc, char **argv) {
        Setting s = parse_setting(argv[1], argc - 2, argv + 2);
        JobName name = job_name_parse(argv[0], strlen(argv[0]));

        s.name = &name;
        if (!job_name_each(&name, set_named, &s))
                die(1, "standin: no such job: %s", argv[0]);
}

static void set_all(int argc, char **argv) {
        Setting s = parse_setting(argv[0], argc - 1, argv + 1);

        for (Job *j = job_at(db->active_head); j; j = job_at(j->active_next))
                if (!state_over(j->state))
                        set_named(j, &s);
}

/* ---- the rest ---- */

static void forget_one(Job *j, void *arg) {
        (void)arg;
        if (state_over(j->state))
                j->end_ms = 1;
}

static void stop(void) {
        for (Job *j = job_at(db->active_head); j; j = job_at(j->active_next)) {
                run_kill(j);
                job_cancel(j, getuid(), NULL);
        }
}

static void install(const char *self, const char *bin, const char *state) {
        static const char *const commands[] = { "sbatch", "squeue", "sacct", "scancel", "scontrol",
                "sinfo", "sacctmgr", "standin-slurm" };
        char path[4200], *real = realpath(self, NULL);

        if (!real)
                die(1, "standin: %s: %s", self, strerror(errno));
        mkdir(bin, 0777);
        mkdir(state, 0777);
        for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
                snprintf(path, sizeof(path), "%s/%s", bin, commands[i]);
                unlink(path);
                if (symlink(real, path) < 0)
                        die(1, "standin: %s: %s", path, strerror(errno));
        }
        free(real);
        real = realpath(state, NULL);
        snprintf(path, sizeof(path), "%s/STATE", bin);
        write_whole(path, real, strlen(real), 0644);
        free(real);
}

int main_ctl(int argc, char **argv) {
        const char *verb = argc > 1 ? argv[1] : "";

        argc -= 2;
        argv += 2;
        if (!strcmp(verb, "install") && argc == 2) {
                install("/proc/self/exe", argv[0], argv[1]);
                return 0;
        }
        db_lock();
        jobs_settle();
        if (!strcmp(verb, "list"))
                list(argc, argv);
        else if (!strcmp(verb, "set") && argc >= 2)
                set(argc, argv);
        else if (!strcmp(verb, "set-all") && argc >= 1)
                set_all(argc, argv);
        else if (!strcmp(verb, "next-id") && argc == 1)
                db->next_id = (uint32_t)strtoul(argv[0], NULL, 10);
        else if (!strcmp(verb, "forget"))
                for (int i = 0; i < argc; i++) {
                        JobName n = job_name_parse(argv[i], strlen(argv[i]));

                        job_name_each(&n, forget_one, NULL);
                }
        else if (!strcmp(verb, "stop"))
                stop();
        else
                die(2, "usage: standin-slurm list|set|set-all|next-id|forget|stop|install …");
        schedule();
        db_unlock();
        return 0;
}
