/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sbatch. The client's part (options, the script, the answer) is this process; the controller's
 * part, which takes the job in, is a child in a session of its own, so that whoever kills sbatch
 * leaves either no job or a whole one, as with the real controller.
 */
#include "sbatch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the client ---- */

static void load_script(Submission *s, const char *name) {
        if (name && !(s->script = read_whole(name, &s->script_size)) && errno != EISDIR)
                die(1, "sbatch: error: Unable to open file %s", name);
        if (!name)
                s->script = read_whole("/dev/stdin", &s->script_size);
        if (!s->script || !s->script_size)
                die(1, "sbatch: error: Batch script is empty!");
        if (strspn(s->script, " \t\r\n") == s->script_size)
                die(1, "sbatch: error: Batch script contains only whitespace!");
        if (strncmp(s->script, "#!", 2) != 0)
                die(1,
                        "sbatch: error: This does not look like a batch script.  The first\n"
                        "sbatch: error: line must start with #! followed by the path to an "
                        "interpreter.\n"
                        "sbatch: error: For instance: #!/bin/sh");
        if (strlen(s->script) != s->script_size)
                die(1,
                        "sbatch: error: The Slurm controller does not allow scripts that\n"
                        "sbatch: error: contain a NULL character '\\0'.");
        if (strstr(s->script, "\r\n"))
                die(1,
                        "sbatch: error: Batch script contains DOS line breaks (\\r\\n)\n"
                        "sbatch: error: instead of expected UNIX line breaks (\\n).");
}

static void wrap_script(Submission *s, const char *command) {
        Text t = {};

        text_addf(&t, "#!/bin/sh\n\n# This script was created by sbatch --wrap.\n\n");
        text_add(&t, command);
        text_add(&t, "\n");
        s->script = t.s;
        s->script_size = t.n;
}

static void read_options(Submission *s) {
        static const SbatchKey shared[] = { SB_COMMENT, SB_NAME, SB_CHDIR, SB_OUTPUT, SB_ERROR };
        SbatchOptions given = {}, env = {};
        int at = sbatch_parse(s->argc, s->argv, &given);
        char *name = at < s->argc ? s->argv[at] : NULL;

        sbatch_environment(&env);
        s->path = xstrdup("");
        if (given.v[SB_WRAP]) {
                if (name)
                        die(1, "sbatch: fatal: Script arguments are not permitted with --wrap option");
                wrap_script(s, given.v[SB_WRAP]);
        } else {
                load_script(s, name);
                s->args = s->argv + at + 1;
                s->nargs = name ? s->argc - at - 1 : 0;
                if (name && !(s->path = realpath(name, NULL)))
                        s->path = xstrdup(name);
        }
        s->parts = sbatch_directives(s->script, s->o);
        /* What is said once holds for all parts of a heterogeneous job. */
        for (unsigned i = 1; i < s->parts; i++)
                for (size_t k = 0; k < sizeof(shared) / sizeof(*shared); k++)
                        if (!s->o[i].v[shared[k]])
                                s->o[i].v[shared[k]] = s->o[0].v[shared[k]];
        for (unsigned i = 0; i < s->parts; i++) {
                sbatch_overlay(&s->o[i], &env);
                sbatch_overlay(&s->o[i], &given);
        }
}

static void check_clusters(const Submission *s) {
        const char *c = sbatch_opt(s, 0, SB_CLUSTERS, NULL);

        if (!c || !strcmp(c, knob("cluster", "standin")))
                return;
        die(1,
                "sbatch: error: No cluster '%s' known by database.\n"
                "sbatch: error: '%s' can't be reached now, or it is an invalid entry for "
                "--cluster.  Use 'sacctmgr list clusters' to see available clusters.",
                c, c);
}

/* ---- to the controller and back ---- */

/* The controller takes the request from here; -1 when it is to come late. */
static int64_t submit(const Submission *s) {
        int64_t late = faults[F_LATE].set ? faults[F_LATE].ms : -1;
        uint32_t id = 0;
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                die(99, "standin: pipe: %s", strerror(errno));
        fflush(NULL);
        if (fork_detached() == 0) {
                ssize_t done;

                close(fds[0]);
                if (late >= 0)
                        close(fds[1]);
                sleep_ms(late);
                id = sbatch_accept(s);
                done = late >= 0 ? 0 : write(fds[1], &id, sizeof(id));
                _exit(done < 0);
        }
        close(fds[1]);
        if (late >= 0)
                return -1;
        if (read(fds[0], &id, sizeof(id)) != sizeof(id))
                die(99, "standin: the controller's part died");
        close(fds[0]);
        return id;
}

/* ---- the answer ---- */

static void die_late(void) {
        const char *how = faults[F_LATE].how;

        if (!strcmp(how, "timeout"))
                controller_error("sbatch", "Socket timed out on send/recv operation");
        while (!strcmp(how, "hang"))
                pause();
        raise(SIGKILL);
}

static int wait_for_end(uint32_t id) {
        for (;; sleep_ms(100)) {
                Job *j;
                int code;

                db_lock();
                j = db_find(id);
                code = !j ? 1 : state_over(j->state) ? j->exit_code : -1;
                db_unlock();
                if (code >= 0)
                        return code;
        }
}

static void test_only(void) {
        uint32_t id;

        db_lock();
        id = db->next_id++;
        db_unlock();
        fprintf(stderr,
                "sbatch: Job %u to start at %s using 1 processors on nodes %s in partition "
                "%.*s\n",
                id, time_iso(now_ms(), ""), node_name(),
                (int)strcspn(knob("partitions", "debug"), ","), knob("partitions", "debug"));
        exit(0);
}

int main_sbatch(int argc, char **argv) {
        Submission s = { .argc = argc, .argv = argv };
        Text out = {};
        int64_t id;

        if (!getcwd(s.cwd, sizeof(s.cwd)))
                die(1, "sbatch: error: getcwd failed: %s", strerror(errno));
        read_options(&s);
        check_clusters(&s);
        faults_before("sbatch");
        sbatch_check(&s);
        if (sbatch_opt(&s, 0, SB_TEST_ONLY, NULL))
                test_only();
        id = submit(&s);
        if (id < 0)
                die_late();
        if (id == 0)
                die(1,
                        "sbatch: error: AssocMaxSubmitJobLimit\n"
                        "sbatch: error: Batch job submission failed: Job violates accounting/QOS "
                        "policy (job submit limit, user's size and/or time limits)");
        if (!sbatch_opt(&s, 0, SB_PARSABLE, NULL))
                text_addf(&out, "Submitted batch job %lld", (long long)id);
        else
                text_addf(&out, "%lld", (long long)id);
        if (sbatch_opt(&s, 0, SB_CLUSTERS, NULL))
                text_addf(&out, sbatch_opt(&s, 0, SB_PARSABLE, NULL) ? ";%s" : " on cluster %s",
                        sbatch_opt(&s, 0, SB_CLUSTERS, ""));
        text_add(&out, "\n");
        if (sbatch_opt(&s, 0, SB_WAIT, NULL)) {
                printf("%s", out.s);
                fflush(stdout);
                exit(wait_for_end((uint32_t)id));
        }
        answer("sbatch", &out, 0);
}
