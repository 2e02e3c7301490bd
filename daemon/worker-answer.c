/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What children answer, and how they end. Each line that a child writes answers the first piece of its share that has no answer
 * yet. What is over is told from the loop, one a time, as a callback may do anything, freeing the pool included.
 */

#include "worker-internal.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

/* A record of what settling did in a large tree is some 100 KiB; more than this is a fault. */
#define ANSWER_MAX ((size_t)4 * 1024 * 1024)

/* ---- what is over ---- */

/* What the child said, or -ECHILD. @ret_result is NULL without an answer. */
static int answer_parse(const char *text, cJSON **ret_result, Error *e) {
        _cleanup_json_ cJSON *answer = NULL;
        _cleanup_free_ char *words = NULL;
        int64_t r;

        if (json_parse(text, strlen(text), &answer, e) < 0)
                return error_prefix(e, -ECHILD, "a worker's answer makes no sense");
        r = json_int(answer, "r", INT64_MIN);
        if (r < INT32_MIN || r > INT32_MAX || !json_object(answer, "result"))
                return error_set(e, -ECHILD, "a worker's answer is not complete");
        e->text[0] = 0;
        if (json_get_name(answer, "text", &words) == 0)
                error_set(e, 0, "%s", words);
        *ret_result = cJSON_DetachItemFromObjectCaseSensitive(answer, "result");
        return (int)r;
}

int worker_on_over(sd_event_source *s, void *userdata) {
        _cleanup_json_ cJSON *result = NULL;
        WorkerPool *p = userdata;
        Job *j = TAILQ_FIRST(&p->over);
        Error e = { 0 };
        int r;

        TAILQ_REMOVE(&p->over, j, entry);
        if (TAILQ_EMPTY(&p->over))
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        p->n_open[j->lane]--;
        r = j->answer ? answer_parse(j->answer, &result, &e)
                      : error_set(&e, j->error, "%s", j->trouble ? j->trouble : strerror(ENOMEM));
        /* From here on the pool may be freed by the callback. */
        j->done(r, result, &e, j->userdata);
        worker_job_free(j);
        return 0;
}

static void job_over(WorkerPool *p, Job *j) {
        TAILQ_INSERT_TAIL(&p->over, j, entry);
        (void)sd_event_source_set_enabled(p->tell, SD_EVENT_ON);
}

/* Takes @trouble. */
void worker_fail_first(WorkerPool *p, JobQueue *q, int error, char *trouble) {
        Job *j = TAILQ_FIRST(q);

        if (!j) {
                free(trouble);
                return;
        }
        TAILQ_REMOVE(q, j, entry);
        j->error = error;
        j->trouble = trouble;
        job_over(p, j);
}

/* ---- answers ---- */

static void leave(Child *c) {
        if (!c->leaving)
                c->pool->n_children[c->lane]--;
        c->leaving = true;
}

static int text_grow(Child *c) {
        size_t room = c->room ? c->room * 2 : 4096;
        char *bigger = realloc(c->text, room);

        if (!bigger)
                return -ENOMEM;
        c->text = bigger;
        c->room = room;
        return 0;
}

/* Each line answers the first that has none. Without memory for it the work is done again. */
static void take_answers(Child *c) {
        char *line = c->text, *end;

        while ((end = memchr(line, '\n', c->size - (size_t)(line - c->text)))) {
                Job *j = TAILQ_FIRST(&c->jobs);

                *end = 0;
                if (j)
                        j->answer = strdup(line);
                worker_fail_first(c->pool, &c->jobs, -ENOMEM, NULL);
                c->has_answered = true;
                c->heard = clock_boottime();
                line = end + 1;
        }
        c->size -= (size_t)(line - c->text);
        memmove(c->text, line, c->size);
        if (TAILQ_EMPTY(&c->jobs))
                leave(c);
}

/* Takes what is there. 1: the end of all answers, 0: more may come, -errno. */
static int read_answers(Child *c) {
        for (;;) {
                ssize_t n;

                if (c->size == c->room && text_grow(c) < 0)
                        return -ENOMEM;
                n = read(c->fd, c->text + c->size, c->room - c->size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                if (n == 0)
                        return 1;
                c->size += (size_t)n;
                if (memchr(c->text + c->size - n, '\n', (size_t)n))
                        take_answers(c);
                if (c->size > ANSWER_MAX)
                        return -EFBIG;
        }
}

int worker_on_readable(
        sd_event_source *s, int fd _unused_, uint32_t revents _unused_, void *userdata) {
        Child *c = userdata;
        int r = read_answers(c);

        if (r == 0) {
                worker_fill(c->pool, c->lane);
                return 0;
        }
        if (r < 0) {
                c->overflow = true;
                kill(c->pid, SIGKILL);
        }
        return sd_event_source_set_enabled(s, SD_EVENT_OFF);
}

/* ---- the end of a child ---- */

static char *describe_end(const Child *c, const siginfo_t *si) {
        if (c->overflow)
                return xasprintf("a worker's answer could not be taken in (%zu bytes)", c->size);
        if (si->si_code != CLD_EXITED)
                return xasprintf("a worker was killed by signal %i (%s)", si->si_status,
                        strsignal(si->si_status));
        if (si->si_status != EXIT_SUCCESS)
                return xasprintf("a worker ended with code %i", si->si_status);
        return xasprintf("a worker ended without an answer");
}

/* It may have left the rest to others, if it did something. */
static bool ended_well(const Child *c, const siginfo_t *si) {
        return !c->overflow && si->si_code == CLD_EXITED && si->si_status == EXIT_SUCCESS &&
                c->has_answered;
}

static void give_back(Child *c) {
        WorkerPool *p = c->pool;
        const Job *j;

        TAILQ_FOREACH(j, &c->jobs, entry)
                p->n_waiting[c->lane]++;
        TAILQ_CONCAT(&c->jobs, &p->waiting[c->lane], entry);
        TAILQ_CONCAT(&p->waiting[c->lane], &c->jobs, entry);
}

int worker_on_ended(sd_event_source *s _unused_, const siginfo_t *si, void *userdata) {
        Child *c = userdata;
        WorkerPool *p = c->pool;
        WorkerLane lane = c->lane;

        if (!c->overflow && read_answers(c) < 0)
                c->overflow = true;
        if (!ended_well(c, si))
                worker_fail_first(p, &c->jobs, -ECHILD, describe_end(c, si));
        give_back(c);
        leave(c);
        TAILQ_REMOVE(&p->children, c, entry);
        worker_child_free(c);
        worker_fill(p, lane);
        return 0;
}
