/* SPDX-License-Identifier: Apache-2.0 */

/*
 * scancel. As with the real one, a job that nobody knows is no error unless -v is given.
 */
#include "standin.h"

#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Request {
        bool verbose;
        const JobName *name;
        size_t alive;
        bool part_alone;
        int rc;
} Request;

static void cancel_one(Job *j, void *arg) {
        Request *r = arg;
        bool leader = j->kind != JK_HET || j->task == 0;

        if (state_over(j->state))
                return;
        r->alive++;
        /* The leader's cancellation takes the parts along. */
        if (!leader && r->name->id != j->group_id)
                r->part_alone = true;
        else if (leader)
                job_cancel(j, getuid(), r->name->kind == 3 ? r->name->tasks : NULL);
}

static void cancel_task(Job *j, void *arg) {
        Request *r = arg;
        uint64_t one[ARRAY_TASKS_MAX / 64] = {};

        if (state_over(j->state))
                return;
        r->alive++;
        if (j->kind != JK_ARRAY) {
                job_cancel(j, getuid(), NULL);
                return;
        }
        one[r->name->sub / 64] = (uint64_t)1 << (r->name->sub % 64);
        job_cancel(j, getuid(), one);
}

static void cancel_named(const char *arg, Request *r) {
        JobName name = job_name_parse(arg, strlen(arg));
        size_t known;

        r->name = &name;
        r->alive = 0;
        r->part_alone = false;
        if (r->verbose)
                fprintf(stderr, "scancel: Terminating job %s\n", arg);
        known = job_name_each(&name, name.kind == 2 ? cancel_task : cancel_one, r);
        if (r->part_alone) {
                fprintf(stderr,
                        "scancel: error: Kill job error on job id %s: Operation not permitted on "
                        "individual component of heterogeneous job\n",
                        arg);
                r->rc = 1;
        } else if (r->verbose && (!known || !r->alive))
                fprintf(stderr, "scancel: error: Kill job error on job id %s: %s\n", arg,
                        known ? "Job/step already completing or completed"
                              : "Invalid job id specified");
}

static void cancel_all_of(uint32_t uid, const char *job_name, Request *r) {
        for (Job *j = job_at(db->active_head); j; j = job_at(j->active_next))
                if (j->uid == uid && (!job_name || !strcmp(job_name, str_get(j, JS_NAME)))) {
                        JobName name = { .kind = 1, .id = j->id };

                        r->name = &name;
                        cancel_one(j, r);
                }
}

static const struct option longs[] = {
        { "account", required_argument, NULL, 'A' },
        { "batch", no_argument, NULL, 'b' },
        { "full", no_argument, NULL, 'f' },
        { "hurry", no_argument, NULL, 'H' },
        { "interactive", no_argument, NULL, 'i' },
        { "clusters", required_argument, NULL, 'M' },
        { "name", required_argument, NULL, 'n' },
        { "partition", required_argument, NULL, 'p' },
        { "quiet", no_argument, NULL, 'Q' },
        { "qos", required_argument, NULL, 'q' },
        { "reservation", required_argument, NULL, 'R' },
        { "sibling", required_argument, NULL, 'z' },
        { "signal", required_argument, NULL, 's' },
        { "state", required_argument, NULL, 't' },
        { "user", required_argument, NULL, 'u' },
        { "version", no_argument, NULL, 'V' },
        { "verbose", no_argument, NULL, 'v' },
        { "nodelist", required_argument, NULL, 'w' },
        { "wckey", required_argument, NULL, 'z' },
        {},
};

int main_scancel(int argc, char **argv) {
        const char *user = NULL, *job_name = NULL;
        Request r = {};
        int c;

        while ((c = getopt_long(argc, argv, "A:bfHiM:n:p:Qq:R:s:t:u:vVw:", longs, NULL)) != -1) {
                if (c == '?')
                        die(1, "Try \"scancel --help\" for more information");
                if (c == 'V') {
                        puts(SLURM_VERSION_TEXT);
                        return 0;
                }
                r.verbose |= c == 'v';
                user = c == 'u' ? optarg : user;
                job_name = c == 'n' ? optarg : job_name;
        }
        if (optind == argc && !user && !job_name)
                die(1, "scancel: error: No job identification provided");
        for (int i = optind; i < argc; i++)
                if (!job_name_parse(argv[i], strlen(argv[i])).kind)
                        die(1, "scancel: error: Invalid job id %s", argv[i]);
        call_jobs = argv + optind;
        faults_before("scancel");
        db_lock();
        jobs_settle();
        for (int i = optind; i < argc; i++)
                cancel_named(argv[i], &r);
        if (optind == argc) {
                const struct passwd *pw = user ? getpwnam(user) : NULL;

                cancel_all_of(pw ? pw->pw_uid : getuid(), job_name, &r);
        }
        schedule();
        db_unlock();
        answer("scancel", &(Text){}, r.rc);
}
