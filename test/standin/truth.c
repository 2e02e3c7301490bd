/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What really happened, kept apart from everything the commands answer: `truth.log` has a line for
 * each submission accepted, each script started and ended, each change; `calls.log` one for each
 * call of a command. JSON lines, only ever appended, each with one write under the state's lock.
 */
#include "standin.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void append(const char *name, Text *line) {
        int fd = open(state_path("%s", name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        text_add(line, "}\n");
        if (fd < 0 || write(fd, line->s, line->n) != (ssize_t)line->n)
                die(99, "standin: cannot append to %s", name);
        close(fd);
        text_free(line);
}

static void add_string(Text *t, const char *key, const char *value) {
        text_addf(t, ",\"%s\":", key);
        text_add_json(t, value);
}

static void add_argv(Text *t, int argc, char **argv) {
        text_add(t, ",\"argv\":[");
        for (int i = 0; i < argc; i++) {
                text_add(t, i ? "," : "");
                text_add_json(t, argv[i]);
        }
        text_add(t, "]");
}

static void begin(Text *t, const char *event) {
        int64_t now = now_ms();

        text_addf(t, "{\"time\":%lld.%03d,\"event\":\"%s\"", (long long)(now / 1000),
                (int)(now % 1000), event);
}

static void add_job(Text *t, const Job *j) {
        const char *comment = str_get(j, JS_COMMENT);
        char token[256];

        text_addf(t, ",\"id\":%u", j->id);
        if (j->group_id)
                text_addf(t, ",\"group\":%u", j->group_id);
        if (j->task != NO_VALUE)
                text_addf(t, ",\"task\":%u", j->task);
        snprintf(token, sizeof(token), "%.*s", (int)strcspn(comment, " \t\n"), comment);
        add_string(t, "token", token);
}

void truth_submit(const Job *j, int argc, char **argv, const char *cwd, size_t env_count) {
        Text t = {};

        begin(&t, "submit");
        add_job(&t, j);
        add_string(&t, "comment", str_get(j, JS_COMMENT));
        add_string(&t, "cwd", cwd);
        add_string(&t, "workdir", str_get(j, JS_WORKDIR));
        text_addf(&t, ",\"held\":%s,\"env\":%zu", j->flags & JF_HELD ? "true" : "false", env_count);
        add_argv(&t, argc, argv);
        append("truth.log", &t);
}

void truth_run(const Job *j, const char *event, pid_t pid, int code, int sig) {
        Text t = {};

        begin(&t, event);
        add_job(&t, j);
        text_addf(&t, ",\"pid\":%d", (int)pid);
        if (!strcmp(event, "end"))
                text_addf(&t, ",\"exit\":%d,\"signal\":%d", code, sig);
        append("truth.log", &t);
}

void truth_change(const Job *j, const char *event) {
        Text t = {};

        begin(&t, event);
        add_job(&t, j);
        append("truth.log", &t);
}

void truth_call(const char *command, int argc, char **argv) {
        Text t = {};

        begin(&t, "call");
        add_string(&t, "command", command);
        text_addf(&t, ",\"pid\":%d,\"ppid\":%d", (int)getpid(), (int)getppid());
        add_argv(&t, argc, argv);
        append("calls.log", &t);
}
