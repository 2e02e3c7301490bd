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

#define SCRIPT_SIZE_MAX (4u << 20)

extern char **environ;

typedef struct Submission {
        int argc;
        char **argv;
        char *script, *path; /* its text; its absolute path, empty for standard input */
        size_t script_size;
        char **args;
        int nargs;
        unsigned parts;
        SbatchOptions o[HET_MAX];
        char cwd[4096];
} Submission;

static const char *opt(const Submission *s, unsigned part, SbatchKey key, const char *dflt) {
        const char *v = s->o[part].v[key];

        return v ? v : dflt;
}

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
                die(1, "sbatch: error: This does not look like a batch script.  The first\n"
                       "sbatch: error: line must start with #! followed by the path to an "
                       "interpreter.\n"
                       "sbatch: error: For instance: #!/bin/sh");
        if (strlen(s->script) != s->script_size)
                die(1, "sbatch: error: The Slurm controller does not allow scripts that\n"
                       "sbatch: error: contain a NULL character '\\0'.");
        if (strstr(s->script, "\r\n"))
                die(1, "sbatch: error: Batch script contains DOS line breaks (\\r\\n)\n"
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
        static const SbatchKey shared[] = {SB_COMMENT, SB_NAME, SB_CHDIR, SB_OUTPUT, SB_ERROR};
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
        const char *c = opt(s, 0, SB_CLUSTERS, NULL);

        if (!c || !strcmp(c, knob("cluster", "standin")))
                return;
        die(1,
                "sbatch: error: No cluster '%s' known by database.\n"
                "sbatch: error: '%s' can't be reached now, or it is an invalid entry for "
                "--cluster.  Use 'sacctmgr list clusters' to see available clusters.",
                c, c);
}

/* ---- the controller ---- */

static void check_listed(const Submission *s, unsigned part, SbatchKey key, const char *list,
        const char *why) {
        const char *v = opt(s, part, key, NULL);

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

static void check_requests(const Submission *s) {
        uint64_t tasks[ARRAY_TASKS_MAX / 64];
        uint32_t throttle;

        if (s->script_size > SCRIPT_SIZE_MAX)
                controller_error("sbatch",
                        "Pathname of a file, directory or other parameter too long");
        for (unsigned i = 0; i < s->parts; i++) {
                const char *array = opt(s, i, SB_ARRAY, NULL);

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
        bool array = opt(s, part, SB_ARRAY, NULL);

        text_add(&line, "sbatch");
        for (int i = 1; i < s->argc; i++)
                text_addf(&line, " %s", s->argv[i]);
        text_add(&command, s->path);
        for (int i = 0; i < s->nargs; i++)
                text_addf(&command, " %s", s->args[i]);
        str_set(j, JS_SUBMIT_LINE, text_str(&line));
        str_set(j, JS_COMMAND, text_str(&command));
        str_set(j, JS_NAME,
                opt(s, part, SB_NAME,
                        base                            ? base + 1
                        : opt(s, part, SB_WRAP, NULL) ? "wrap"
                                                        : "sbatch"));
        str_set(j, JS_COMMENT, opt(s, part, SB_COMMENT, ""));
        str_set(j, JS_SUBMIT_DIR, s->cwd);
        str_set(j, JS_WORKDIR, opt(s, part, SB_CHDIR, s->cwd));
        str_set(j, JS_STDOUT,
                opt(s, part, SB_OUTPUT, array ? "slurm-%A_%a.out" : "slurm-%j.out"));
        str_set(j, JS_STDERR, opt(s, part, SB_ERROR, ""));
        str_set(j, JS_STDIN, opt(s, part, SB_INPUT, ""));
        first_word(word, sizeof(word), knob("partitions", "debug"));
        str_set(j, JS_PARTITION, opt(s, part, SB_PARTITION, word));
        first_word(word, sizeof(word), knob("accounts", "proj"));
        str_set(j, JS_ACCOUNT, opt(s, part, SB_ACCOUNT, word));
        first_word(word, sizeof(word), knob("qos", "normal"));
        str_set(j, JS_QOS, opt(s, part, SB_QOS, word));
        str_set(j, JS_DEPEND, opt(s, part, SB_DEPENDENCY, ""));
        str_set(j, JS_MEM, opt(s, part, SB_MEM, ""));
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
        const char *begin = opt(s, part, SB_BEGIN, NULL), *reason = "None";
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
        if (opt(s, part, SB_HOLD, NULL)) {
                j->flags |= JF_HELD;
                reason = "JobHeldUser";
                j->eligible_ms = 0;
        }
        str_set(j, JS_REASON, reason);
}

static void fill_job(Job *j, const Submission *s, unsigned part, uint32_t leader) {
        uint32_t nodes = (uint32_t)strtoul(opt(s, part, SB_NODES, "1"), NULL, 10);
        uint32_t tasks = (uint32_t)strtoul(opt(s, part, SB_NTASKS, "1"), NULL, 10);
        uint32_t cpus = (uint32_t)strtoul(opt(s, part, SB_CPUS, "1"), NULL, 10);
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
        j->limit_min = (uint32_t)parse_limit(opt(s, part, SB_TIME, "UNLIMITED"));
        j->flags |= strcmp(opt(s, part, SB_OPEN_MODE, ""), "append") ? 0 : JF_APPEND;
        fill_array(j, opt(s, part, SB_ARRAY, NULL));
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
        const char *list = opt(s, 0, SB_EXPORT, NULL);
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
                write_whole(state_path("spool/%u/slurm_script", id), s->script, s->script_size,
                        0700);
                write_whole(state_path("spool/%u/env", id), text_str(&env), env.n, 0600);
                write_whole(state_path("spool/%u/args", id), text_str(&args), args.n, 0600);
        }
        text_free(&env);
        text_free(&args);
        return count;
}

/* Takes the job in; 0: over the limit of submitted jobs. */
static uint32_t accept_job(const Submission *s) {
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
                id = accept_job(s);
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
        fprintf(stderr, "sbatch: Job %u to start at %s using 1 processors on nodes %s in partition "
                        "%.*s\n",
                id, time_iso(now_ms(), ""), node_name(),
                (int)strcspn(knob("partitions", "debug"), ","), knob("partitions", "debug"));
        exit(0);
}

int main_sbatch(int argc, char **argv) {
        Submission s = {.argc = argc, .argv = argv};
        Text out = {};
        int64_t id;

        if (!getcwd(s.cwd, sizeof(s.cwd)))
                die(1, "sbatch: error: getcwd failed: %s", strerror(errno));
        read_options(&s);
        check_clusters(&s);
        faults_before("sbatch");
        check_requests(&s);
        if (opt(&s, 0, SB_TEST_ONLY, NULL))
                test_only();
        id = submit(&s);
        if (id < 0)
                die_late();
        if (id == 0)
                die(1, "sbatch: error: AssocMaxSubmitJobLimit\n"
                       "sbatch: error: Batch job submission failed: Job violates accounting/QOS "
                       "policy (job submit limit, user's size and/or time limits)");
        if (!opt(&s, 0, SB_PARSABLE, NULL))
                text_addf(&out, "Submitted batch job %lld", (long long)id);
        else
                text_addf(&out, "%lld", (long long)id);
        if (opt(&s, 0, SB_CLUSTERS, NULL))
                text_addf(&out, opt(&s, 0, SB_PARSABLE, NULL) ? ";%s" : " on cluster %s",
                        opt(&s, 0, SB_CLUSTERS, ""));
        text_add(&out, "\n");
        if (opt(&s, 0, SB_WAIT, NULL)) {
                printf("%s", out.s);
                fflush(stdout);
                exit(wait_for_end((uint32_t)id));
        }
        answer("sbatch", &out, 0);
}
