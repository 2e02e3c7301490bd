/* SPDX-License-Identifier: Apache-2.0 */

/*
 * scontrol: show, hold, release, requeue, suspend, update of the partition, ping.
 */
#include "standin.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- show ---- */

typedef struct Show {
        Text *out;
        bool oneline;
        size_t shown;
} Show;

static void show_one(Job *j, void *arg) {
        Show *s = arg;

        if (job_forgotten(j))
                return;
        show_job(s->out, j, s->oneline);
        s->shown++;
}

static int show_jobs(Text *out, const char *which, bool oneline) {
        Show s = { .out = out, .oneline = oneline };
        JobName name = which ? job_name_parse(which, strlen(which)) : (JobName){};

        if (which && !name.kind) {
                fprintf(stderr, "scontrol_print_job error: Invalid job id specified\n");
                return 1;
        }
        if (which) {
                job_name_each(&name, show_one, &s);
                if (!s.shown) {
                        fprintf(stderr, "slurm_load_jobs error: Invalid job id specified\n");
                        return 1;
                }
                return 0;
        }
        for (Job *j = job_at(db->active_head); j; j = job_at(j->active_next))
                if (db_find(j->id) == j)
                        show_one(j, &s);
        if (!s.shown)
                text_add(out, "No jobs in the system\n");
        return 0;
}

static void show_partition(Text *out) {
        const char *list = knob("partitions", "debug"), *state = knob("partition_state", "up");

        for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
                text_addf(out,
                        "PartitionName=%.*s\n   AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL\n"
                        "   AllocNodes=ALL Default=%s QoS=N/A\n"
                        "   MaxNodes=UNLIMITED MaxTime=UNLIMITED MinNodes=0\n   Nodes=%s\n"
                        "   State=%s TotalCPUs=64 TotalNodes=1 SelectTypeParameters=NONE\n\n",
                        (int)strcspn(p, ","), p, p == list ? "YES" : "NO", node_name(),
                        strcmp(state, "up") ? "DOWN" : "UP");
}

static void show_reservations(Text *out) {
        const char *list = knob("reservations", "");

        if (!*list)
                text_add(out, "No reservations in the system\n");
        for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
                text_addf(out, "ReservationName=%.*s StartTime=%s Nodes=%s State=ACTIVE\n",
                        (int)strcspn(p, ","), p, time_iso(now_ms(), ""), node_name());
}

static int show(Text *out, int argc, char **argv, bool oneline) {
        const char *what = argc > 1 ? argv[1] : NULL;
        int rc = 0;

        if (!what)
                die(1, "too few arguments for keyword:show");
        db_lock();
        jobs_settle();
        if (!strncasecmp(what, "jobs", strlen(what) < 3 ? 3 : strlen(what)))
                rc = show_jobs(out, argc > 2 ? argv[2] : NULL, oneline);
        else if (!strncasecmp(what, "config", strlen(what)))
                show_config(out);
        else if (!strncasecmp(what, "partitions", strlen(what)))
                show_partition(out);
        else if (!strncasecmp(what, "reservations", strlen(what)))
                show_reservations(out);
        else {
                fprintf(stderr, "invalid entity:%s for keyword:show \n", what);
                rc = 1;
        }
        db_unlock();
        return rc;
}

/* ---- changes ---- */

typedef struct Change {
        const char *verb;
        const char *trouble;
} Change;

static void suspend(Job *j, bool on) {
        runner_signal(j, on ? SIGSTOP : SIGCONT);
        job_set_state(j, on ? JOB_SUSPENDED : JOB_RUNNING, now_ms());
}

static void change_one(Job *j, void *arg) {
        Change *c = arg;
        bool requeue = !strncmp(c->verb, "requeue", 7), over = state_over(j->state);

        if (job_forgotten(j))
                c->trouble = "Invalid job id specified";
        else if (requeue && j->state == JOB_PENDING)
                c->trouble = "Job is pending execution";
        else if (requeue)
                job_requeue(j, !strcmp(c->verb, "requeuehold"));
        else if (over)
                c->trouble = "Job has already finished";
        else if (!strcmp(c->verb, "release"))
                job_release(j);
        else if (!strcmp(c->verb, "hold"))
                job_hold(j, getuid() == 0);
        else if (!strcmp(c->verb, "uhold"))
                job_hold(j, false);
        else if (!strcmp(c->verb, "suspend") && j->state == JOB_RUNNING)
                suspend(j, true);
        else if (!strcmp(c->verb, "resume") && j->state == JOB_SUSPENDED)
                suspend(j, false);
        else
                c->trouble = "Requested operation not supported on this system";
}

static int change_jobs(const char *verb, char *list) {
        char *save = NULL;
        int rc = 0;

        db_lock();
        jobs_settle();
        for (char *id = strtok_r(list, ", ", &save); id; id = strtok_r(NULL, ", ", &save)) {
                JobName name = job_name_parse(id, strlen(id));
                Change c = { .verb = verb };

                if (!job_name_each(&name, change_one, &c))
                        c.trouble = "Invalid job id specified";
                if (!c.trouble)
                        continue;
                fprintf(stderr, "%s for job %s\n", c.trouble, id);
                if (strncmp(verb, "requeue", 7) != 0)
                        fprintf(stderr, "slurm_suspend error: %s\n", c.trouble);
                rc = 1;
        }
        schedule();
        db_unlock();
        return rc;
}

/* update partitionname=debug state=down|up */
static int update(int argc, char **argv) {
        const char *state = NULL;
        char *old = read_whole(state_path("knobs"), NULL);
        Text t = {};

        for (int i = 1; i < argc; i++)
                if (!strncasecmp(argv[i], "state=", 6))
                        state = argv[i] + 6;
        if (!state)
                die(1, "Update of this parameter is not supported: %s", argc > 1 ? argv[1] : "");
        db_lock();
        for (char *p = old; p && *p; p += strcspn(p, "\n"), p += *p == '\n')
                if (strncmp(p, "partition_state=", 16) != 0)
                        text_addf(&t, "%.*s\n", (int)strcspn(p, "\n"), p);
        text_addf(&t, "partition_state=%s\n", strcasecmp(state, "up") ? "down" : "up");
        write_whole(state_path("knobs"), t.s, t.n, 0644);
        knobs_reload();
        schedule();
        db_unlock();
        free(old);
        text_free(&t);
        return 0;
}

/* How the errors of this call are worded; see controller_error. */
static const char *kind_of_call(int argc, char **argv) {
        const char *what = argc > 1 ? argv[1] : "";

        if (!strcmp(argv[0], "ping") || !strcmp(argv[0], "update"))
                return argv[0];
        if (strcmp(argv[0], "show") != 0)
                return "change";
        return *what == 'c' ? "show config" : *what == 'p' ? "show partitions" : "show jobs";
}

static int change(int argc, char **argv) {
        static const char *const verbs[] = { "release", "hold", "uhold", "requeue", "requeuehold",
                "suspend", "resume" };
        int rc = 0;

        for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
                if (strcmp(argv[0], verbs[i]) != 0)
                        continue;
                if (argc < 2)
                        die(1, "too few arguments for keyword:%s", verbs[i]);
                for (int at = 1; at < argc; at++)
                        rc |= change_jobs(verbs[i], argv[at]);
                return rc;
        }
        die(1, "invalid keyword: %s ", argv[0]);
}

int main_scontrol(int argc, char **argv) {
        bool oneline = false;
        const char *kind;
        Text out = {};
        int at = 1, rc = 0;

        for (; at < argc && argv[at][0] == '-'; at++) {
                oneline |= !strcmp(argv[at], "-o") || !strcmp(argv[at], "--oneliner");
                if (strcmp(argv[at], "-V") && strcmp(argv[at], "--version"))
                        continue;
                puts(SLURM_VERSION_TEXT);
                return 0;
        }
        argc -= at;
        argv += at;
        if (!argc)
                return 0;
        for (int i = 1; i < argc; i++)
                oneline |= !strcmp(argv[i], "-o") || !strcmp(argv[i], "--oneliner");
        kind = kind_of_call(argc, argv);
        call_jobs = argv + 1;
        call_is_requeue = !strncmp(argv[0], "requeue", 7);
        faults_before(kind);
        if (!strcmp(argv[0], "show"))
                rc = show(&out, argc, argv, oneline);
        else if (!strcmp(argv[0], "update"))
                rc = update(argc, argv);
        else if (!strcmp(argv[0], "ping"))
                text_addf(&out, "Slurmctld(primary) at %s is UP\n", node_name());
        else
                rc = change(argc, argv);
        answer(kind, &out, rc);
}
