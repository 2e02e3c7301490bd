/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which of a job's output files tells most, and the end of it.
 *
 * The files are the job's: any of them may be a FIFO, a link, or terabytes long. Only a regular one is read, and only its end.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"
#include "report-internal.h"
#include "text.h"

/* Fifteen lines are shown; more than this of them nobody needs. */
#define TAIL_SIZE ((size_t)64 * 1024)

static int open_regular(int dirfd, const char *name, off_t *ret_size) {
        _cleanup_close_ int fd =
                openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        *ret_size = st.st_size;
        return TAKE_FD(fd);
}

/* The end of a regular file, or -errno; "" if it has nothing but white space. */
static int read_end(int dirfd, const char *name, char **ret) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -1;
        size_t size = 0;
        off_t all = 0;

        fd = open_regular(dirfd, name, &all);
        if (fd < 0)
                return fd;
        text = malloc(TAIL_SIZE + 1);
        if (!text)
                return -ENOMEM;
        if (all > (off_t)TAIL_SIZE && lseek(fd, -(off_t)TAIL_SIZE, SEEK_END) < 0)
                return -errno;
        while (size < TAIL_SIZE) {
                ssize_t n = read(fd, text + size, TAIL_SIZE - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                size += (size_t)n;
        }
        for (size_t i = 0; i < size; i++)
                if (!text[i])
                        text[i] = ' ';
        text[size] = 0;
        if (text[strspn(text, " \t\r\n")] == 0)
                text[0] = 0;
        *ret = TAKE_PTR(text);
        return 0;
}

/* 1 taken, 0 nothing there, -ENOMEM. */
static int try_output(
        int uowdir, const char *job, const char *suffix, char **ret_tail, char **ret_name) {
        _cleanup_free_ char *name = xasprintf("slurm-%s.%s", job, suffix), *text = NULL;
        int r;

        if (!name)
                return -ENOMEM;
        if (strchr(name, '/'))
                return 0;
        r = read_end(uowdir, name, &text);
        if (!text || !text[0])
                return r == -ENOMEM ? r : 0;
        *ret_tail = TAKE_PTR(text);
        *ret_name = TAKE_PTR(name);
        return 1;
}

/* The further job or the task that failed, else the job itself. */
static const char *telling_job(const cJSON *attempt) {
        const cJSON *job = json_object(attempt, "job"), *tasks = json_array(job, "tasks");
        const char *task = tasks ? json_str(tasks->child, "job_id") : NULL;

        if (json_str(job, "failed_job"))
                return json_str(job, "failed_job");
        return task && strchr(task, '_') ? task : json_str(attempt, "job_id");
}

int report_output(int uowdir, const cJSON *record, char **ret_tail, char **ret_name) {
        const cJSON *attempt = report_last_attempt(record);
        const char *jobs[] = { telling_job(attempt), json_str(attempt, "job_id") };
        int r = 0;

        *ret_tail = *ret_name = NULL;
        for (size_t i = 0; i < ELEMENTSOF(jobs) && r == 0; i++) {
                if (!jobs[i])
                        continue;
                r = try_output(uowdir, jobs[i], "err", ret_tail, ret_name);
                if (r == 0)
                        r = try_output(uowdir, jobs[i], "out", ret_tail, ret_name);
        }
        return r < 0 ? r : 0;
}
