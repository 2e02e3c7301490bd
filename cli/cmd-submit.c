/* SPDX-License-Identifier: Apache-2.0 */

/*
 * submit keeps the protocol that Globus flows keep: the folder is copied under a hidden name, which nobody looks at, appears under its own
 * by one rename that never overwrites, and gets sentinels/ last. Interrupted anywhere, nothing half is ever taken up.
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fileio.h"
#include "follow.h"
#include "output.h"
#include "orders.h"
#include "rules.h"
#include "text.h"
#include "uow-name.h"
#include "uow-text.h"

static const char usage[] =
        "usage: flowcronctl submit [--wait] DIR...\n"
        "\n"
        "Copies local folders in as Units of Work, as an upload would bring them, and prints the names they\n"
        "have here. A folder is checked first, and not submitted if it would be rejected. DIR is left as it is; a\n"
        "sentinels/ in it is not copied.\n"
        "\n"
        "      --wait  follow them until they are finished; ends with 0 only if all succeeded. Ctrl-C stops\n"
        "              the waiting, not the work\n"
        "      --json  print the Unit of Work; an array for several\n"
        "\n"
        "Examples:\n"
        "  flowcronctl submit --wait ./cells-07\n"
        "  flowcronctl validate ./cells-07\n";

/* A copy that was killed needs this long a prefix to be told apart; the rest of NAME_MAX is for what comes around it. */
#define HIDDEN_NAME_PART 200

typedef struct Submission {
        Cli *cli;
        Batch *batch;
        Layout *layout;
        bool wait;
        bool interrupted;
} Submission;

/* ---- copying ---- */

static void copy_in_child(int out, const Folder *folder, int uploaded, const char *hidden) {
        Error e = {};
        int r;

        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        signal(SIGHUP, SIG_DFL);
        r = tree_copy(folder->parent, folder->name, uploaded, hidden, &e);
        if (r < 0)
                (void)fd_write_all(out, e.text[0] ? e.text : strerror(-r),
                        strlen(e.text[0] ? e.text : strerror(-r)));
        _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* In a child, so that Ctrl-C ends it at once, and what is half copied can be taken away. */
static int copy(const Folder *folder, int uploaded, const char *hidden, Refusal *f) {
        _cleanup_close_ int in = -1, out = -1;
        _cleanup_free_ char *why = NULL;
        int fds[2], status = 0;
        size_t size;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return refusal_set(f, EXIT_FAILED, NULL, "%s", strerror(errno));
        in = fds[0];
        out = fds[1];
        fflush(NULL);
        pid = fork();
        if (pid < 0)
                return refusal_set(f, EXIT_FAILED, NULL, "%s", strerror(errno));
        if (pid == 0)
                copy_in_child(out, folder, uploaded, hidden);
        out = safe_close(out);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                if (follow_interrupted())
                        kill(pid, SIGTERM);
        if (follow_interrupted())
                return FOLLOW_INTERRUPTED;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        (void)fd_read_all(in, sizeof(f->e.text) - 1, &why, &size);
        return refusal_set(f, EXIT_FAILED, "copy", "%s can't be copied into UploadedFiles: %s",
                folder->path, isempty(why) ? "the copying was killed" : why);
}

/* The copy is ours, whatever the modes it came with; and it must not say yet that it is complete. */
static int open_for_us(int uploaded, const char *hidden) {
        _cleanup_close_ int fd = dir_open_at(uploaded, hidden);
        struct stat st;
        int r;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0 ||
                ((st.st_mode & 0700) != 0700 && fchmod(fd, (st.st_mode & 07777) | 0700) < 0))
                return -errno;
        r = tree_remove(fd, "sentinels");
        return r < 0 ? r : TAKE_FD(fd);
}

/* ---- naming ---- */

/* A name that is in use anywhere would be changed on arrival; better it has its own from the start. */
static bool is_taken(const char *name, void *userdata) {
        static const Place places[] = { PLACE_UPLOADED, PLACE_WORK, PLACE_ANALYSED, PLACE_FAILED,
                PLACE_BIN_ANALYSED, PLACE_BIN_FAILED };
        const Layout *l = userdata;
        struct stat st;

        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                if (l->fd[places[i]] >= 0 &&
                        fstatat(l->fd[places[i]], name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                        return true;
        return false;
}

static char *hidden_name(const Folder *folder) {
        return xasprintf(".%.*s.uploading-%d-%llx", (int)utf8_cut(folder->name, HIDDEN_NAME_PART),
                folder->name, (int)getpid(), (unsigned long long)clock_now());
}

static int appear(const Layout *l, const char *hidden, const char *wanted, char **ret) {
        int uploaded = l->fd[PLACE_UPLOADED];

        for (;;) {
                _cleanup_free_ char *name =
                        uow_name_free(wanted, false, clock_now(), is_taken, (void *)l);
                int r;

                if (!name)
                        return -ENOMEM;
                r = move_at(uploaded, hidden, uploaded, name);
                if (r == -EEXIST)
                        continue; /* somebody was faster: the next name */
                if (r < 0)
                        return r;
                *ret = TAKE_PTR(name);
                return dir_sync(uploaded);
        }
}

static int set_sentinel(int fd) {
        if (mkdirat(fd, "sentinels", 02770) < 0)
                return -errno;
        return dir_sync(fd);
}

/* ---- one folder ---- */

static int check_place(const Layout *l, const Folder *folder, Refusal *f) {
        _cleanup_free_ char *uploaded = realpath(l->path[PLACE_UPLOADED], NULL);
        const char *rest = uploaded ? startswith(uploaded, folder->path) : NULL;

        if (rest && (!*rest || *rest == '/'))
                return refusal_set(f, EXIT_FAILED, NULL,
                        "%s holds the instance's own UploadedFiles; it can't be copied into itself",
                        folder->path);
        return 0;
}

static int refuse_faults(const Folder *folder, Refusal *f) {
        _cleanup_free_ char *all = NULL;
        const cJSON *fault;

        cJSON_ArrayForEach(fault, folder->faults) {
                char *longer = xasprintf(
                        "%s%s%s", all ?: "", all ? " Also: " : "", cJSON_GetStringValue(fault));

                free(all);
                all = longer;
        }
        return refusal_set(
                f, EXIT_FAILED, "rejected", "%s would be rejected: %s", folder->path, all ?: "");
}

/* The id of whoever answers to this name now, so that it is not taken for ours later. */
static char *id_before(Cli *cli, const char *name) {
        _cleanup_json_ cJSON *uow = NULL;
        const char *id;
        Refusal f = {};

        if (access_show(cli, name, &uow, &f) != 0)
                return NULL;
        id = json_str(uow, "id");
        return id ? strdup(id) : NULL;
}

static int bring_in(const Submission *s, const Folder *folder, const char *hidden, char **ret_name,
        Refusal *f) {
        _cleanup_close_ int fd = -1;
        int uploaded = s->layout->fd[PLACE_UPLOADED], r;

        r = copy(folder, uploaded, hidden, f);
        if (r != 0)
                return r;
        fd = open_for_us(uploaded, hidden);
        r = fd < 0 ? fd : appear(s->layout, hidden, folder->name, ret_name);
        if (r >= 0)
                r = set_sentinel(fd);
        if (r < 0)
                return refusal_set(f, EXIT_FAILED, NULL, "%s can't be put into UploadedFiles: %s",
                        folder->path, strerror(-r));
        return 0;
}

static int submit_folder(const Submission *s, const Folder *folder, char **ret_name, Refusal *f) {
        _cleanup_free_ char *hidden = hidden_name(folder);
        int r;

        if (cJSON_GetArraySize(folder->faults) > 0)
                return refuse_faults(folder, f);
        r = hidden ? check_place(s->layout, folder, f)
                   : refusal_set(f, EXIT_FAILED, NULL, "%s", strerror(ENOMEM));
        if (r != 0)
                return r;
        r = bring_in(s, folder, hidden, ret_name, f);
        if (r != 0 && !*ret_name)
                (void)tree_remove(s->layout->fd[PLACE_UPLOADED], hidden);
        return r;
}

/* ---- afterwards ---- */

/* A hint only: the next scan finds it anyway. */
static void rescan(Cli *cli) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        Client *c = access_client(cli);
        Error e = {};

        if (c && client_call(c, "Rescan", NULL, &reply, &e) < 0)
                access_drop(cli);
}

static cJSON *submitted_json(const Submission *s, const char *name, const char *before) {
        _cleanup_free_ char *path = layout_uow_path(s->layout, PLACE_UPLOADED, name);
        _cleanup_json_ cJSON *uow = NULL, *o = cJSON_CreateObject();
        Refusal f = {};

        if (access_client(s->cli) && access_show(s->cli, name, &uow, &f) == 0 &&
                json_str(uow, "id") && !streq(json_str(uow, "id"), before))
                return TAKE_PTR(uow);
        if (!o || !path || json_set_name(o, "name", name) < 0 ||
                json_set_str(o, "state", "arriving") < 0 || json_set_name(o, "path", path) < 0)
                return NULL;
        return TAKE_PTR(o);
}

static void say_end(const cJSON *uow) {
        _cleanup_free_ char *label = uow_label(uow),
                            *path = out_text(json_str(uow, "path"), SIZE_MAX);
        const char *outcome = json_str(uow, "outcome"), *reason = json_str(uow, "reason");
        Style style = streq(outcome, "succeeded") ? STYLE_GOOD : STYLE_BAD;
        _cleanup_free_ char *why = out_text(reason, SIZE_MAX);

        printf("%s: %s%s%s%s%s\n", label ?: "?", out_on(style), outcome ?: "ended", out_off(style),
                reason ? ": " : "", why ?: "");
        if (json_str(uow, "path"))
                printf("  %s/flowcron/report.txt\n", path ?: "");
}

static int wait_for(Submission *s, const char *name, const char *before, Refusal *f) {
        const Follow what = { name, before, s->layout->fd[PLACE_UPLOADED] };
        cJSON *uow = NULL;
        int r = follow(s->cli, &what, &uow, f);

        if (r == FOLLOW_INTERRUPTED) {
                out_note("%s goes on. Look after it with: flowcronctl status %s", name, name);
                s->interrupted = true;
                return 0;
        }
        if (r != 0)
                return r;
        if (!streq(json_str(uow, "outcome"), "succeeded") && s->batch->code < EXIT_FAILED)
                s->batch->code = EXIT_FAILED;
        if (!s->cli->json)
                say_end(uow);
        batch_add(s->batch, uow);
        return 0;
}

static int submit(Submission *s, const char *dir, Refusal *f) {
        const ScriptRules rules = rules_of(s->cli->config);
        _cleanup_free_ char *name = NULL, *before = NULL;
        Folder folder;
        int r;

        r = rules_check(&rules, dir, &folder, f);
        if (r != 0)
                return r;
        if (cJSON_GetArraySize(folder.faults) == 0)
                before = id_before(s->cli, folder.name);
        r = submit_folder(s, &folder, &name, f);
        folder_done(&folder);
        if (r != 0)
                return r;
        rescan(s->cli);
        if (!s->cli->json) {
                _cleanup_free_ char *shown = out_text(name, SIZE_MAX);

                puts(shown ?: "");
                fflush(stdout);
        }
        if (s->wait)
                return wait_for(s, name, before, f);
        batch_add(s->batch, submitted_json(s, name, before));
        return 0;
}

/* ---- the order ---- */

static int open_folders(Cli *cli, Layout **ret) {
        Refusal f = {};
        int r = access_config(cli, &f);

        if (r == 0 && layout_new(cli->config, ret, &f.e) < 0)
                r = f.code = EXIT_FAILED;
        if (r == 0 && layout_open_reading(*ret, &f.e) < 0)
                r = f.code = EXIT_FAILED;
        if (r == 0 && (*ret)->fd[PLACE_UPLOADED] < 0)
                r = refusal_set(
                        &f, EXIT_FAILED, NULL, "%s can't be opened", (*ret)->path[PLACE_UPLOADED]);
        return r == 0 ? CLI_GO_ON : cli_refuse(cli, &f);
}

static int submit_all(Submission *s, char **dirs, size_t n) {
        follow_catch_interrupt();
        batch_begin(s->batch, s->cli, n);
        for (size_t i = 0; i < n && !s->interrupted; i++) {
                Refusal f = {};
                int r = submit(s, dirs[i], &f);

                if (r == FOLLOW_INTERRUPTED) {
                        out_note("Interrupted; %s was not submitted.", dirs[i]);
                        s->interrupted = true;
                } else if (r != 0)
                        batch_refuse(s->batch, &f, dirs[i]);
        }
        return s->interrupted ? (batch_end(s->batch), FOLLOW_INTERRUPTED) : batch_end(s->batch);
}

static int run(Cli *cli, char **args) {
        _cleanup_(layout_freep) Layout *layout = NULL;
        Submission s = { .cli = cli };
        Batch batch;
        size_t n;
        int r;
        const CliOption options[] = { { "wait", 'w', &s.wait, NULL }, {} };

        r = cli_parse(cli, args, options, &n);
        if (r == CLI_GO_ON)
                r = cli_expect(cli, args, n, 1, SIZE_MAX, "a folder");
        if (r == CLI_GO_ON)
                r = orders_check_base(cli);
        if (r == CLI_GO_ON)
                r = open_folders(cli, &layout);
        if (r != CLI_GO_ON)
                return r;
        s.layout = layout;
        s.batch = &batch;
        return submit_all(&s, args, n);
}

const Order order_submit = { "submit", "copy a local folder in as a Unit of Work", usage, run };
