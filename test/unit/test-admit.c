/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "admit.h"
#include "fileio.h"
#include "shell-quote.h"
#include "text.h"

#define GOOD "#!/bin/bash\n#SBATCH -J x\necho\n"

/* Ids that no account need have. */
#define OTHER_USER 54321
#define OTHER_GROUP 54322

static char *const variables[] = { "HOME", "USER", NULL };
static const ScriptRules rules = {
        .fixed_name = "submission_script.sh",
        .forbidden_variables = variables,
        .convert = true,
};

typedef struct Place {
        char path[64];
        char *uow;
        int fd;
} Place;

static int put(int dirfd, const char *path, const char *text) {
        _cleanup_close_ int fd =
                openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        return fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
}

static int setup(void **state) {
        Place *p = calloc(1, sizeof(*p));

        if (!p)
                return -1;
        umask(022);
        strcpy(p->path, "/tmp/flowcron-admit-XXXXXX");
        if (!mkdtemp(p->path) || chmod(p->path, 0777) < 0)
                return -1;
        p->uow = xasprintf("%s/the uow", p->path);
        p->fd = dir_open_path(p->path);
        if (mkdirat(p->fd, "the uow", 0755) < 0 || mkdirat(p->fd, "the uow/data", 0755) < 0 ||
                mkdirat(p->fd, "the uow/data/sub", 0755) < 0 ||
                mkdirat(p->fd, "the uow/scripts", 0755) < 0 ||
                mkdirat(p->fd, "the uow/sentinels", 0755) < 0)
                return -1;
        if (put(p->fd, "the uow/scripts/run.sh", GOOD) < 0)
                return -1;
        *state = p;
        return 0;
}

static int teardown(void **state) {
        Place *p = *state;

        safe_close(p->fd);
        (void)tree_remove(AT_FDCWD, p->path);
        free(p->uow);
        free(p);
        return 0;
}

static void assert_check(
        const Place *p, const char *name, int expected, const char *one, const char *two) {
        Script s = { 0 };
        Error e = { "" };
        int k = admit_check(p->fd, name, &rules, &s, &e);

        if (k != expected || !strstr(e.text, one) || !strstr(e.text, two))
                fail_msg("%d, and \"%s\" and \"%s\" expected in: %s", k, one, two, e.text);
        script_done(&s);
}

static void test_good(void **state) {
        assert_check(*state, "the uow", 0, "", "");
}

static void test_name(void **state) {
        Place *p = *state;

        assert_return_code(renameat(p->fd, "the uow", p->fd, "a\\b"), errno);
        assert_check(p, "a\\b", UOW_E_REJECTED, "backslash", "Rename the folder");
        assert_return_code(renameat(p->fd, "a\\b", p->fd, "-\n%\xff'\""), errno);
        assert_check(p, "-\n%\xff'\"", 0, "", "");
}

static void test_folders(void **state) {
        Place *p = *state;

        assert_int_equal(tree_remove(p->fd, "the uow/data"), 0);
        assert_check(p, "the uow", UOW_E_REJECTED, "there is no folder data/", "may be empty");
        assert_return_code(symlinkat("scripts", p->fd, "the uow/data"), errno);
        assert_check(p, "the uow", UOW_E_REJECTED, "data is a link", "real folder");
        assert_int_equal(tree_remove(p->fd, "the uow/scripts"), 0);
        assert_int_equal(put(p->fd, "the uow/scripts", "x"), 0);
        assert_check(p, "the uow", UOW_E_REJECTED, "data is a link", "scripts is no folder");
}

static void test_no_folder(void **state) {
        Place *p = *state;

        assert_check(p, "absent", -ENOENT, "can't open", "");
        assert_int_equal(put(p->fd, "file", ""), 0);
        assert_check(p, "file", UOW_E_REJECTED, "no real folder", "");
        assert_return_code(symlinkat("the uow", p->fd, "link"), errno);
        assert_check(p, "link", UOW_E_REJECTED, "no real folder", "");
}

static void test_script_is_judged(void **state) {
        Place *p = *state;

        assert_int_equal(put(p->fd, "the uow/scripts/run.sh", GOOD "cd $HOME\n"), 0);
        assert_check(p, "the uow", UOW_E_REJECTED, "run.sh line 4", "$HOME");
        assert_int_equal(put(p->fd, "the uow/scripts/run.sh", ""), 0);
        assert_check(p, "the uow", UOW_E_REJECTED, "run.sh (is empty)", "");
}

/* What a call gives another user: 0 to 100 as its outcome, 200 if a text is not in the reason. */
typedef struct Expectation {
        const Place *place;
        bool takeover;
        int outcome;
        gid_t group;
        const char *one, *two;
} Expectation;

static void run_as_other(const Expectation *x) {
        Error e = { "" };
        Script s = { 0 };
        int k;

        if (setgroups(0, NULL) < 0 || setresgid(x->group, x->group, x->group) < 0 ||
                setresuid(OTHER_USER, OTHER_USER, OTHER_USER) < 0)
                _exit(201);
        k = x->takeover ? admit_takeover(x->place->fd, "the uow", x->place->uow, &e)
                        : admit_check(x->place->fd, "the uow", &rules, &s, &e);
        script_done(&s);
        if (k != x->outcome || !strstr(e.text, x->one) || !strstr(e.text, x->two)) {
                fprintf(stderr, "%d, and \"%s\" and \"%s\" expected in: %s\n", k, x->one, x->two,
                        e.text);
                _exit(200);
        }
        _exit(0);
}

static void assert_as_other(
        const Place *p, bool takeover, int outcome, gid_t group, const char *one, const char *two) {
        const Expectation x = { p, takeover, outcome, group, one, two };
        int status;
        pid_t pid;

        fflush(NULL);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                run_as_other(&x);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void assert_takeover(const Place *p, int outcome, const char *one, const char *two) {
        assert_as_other(p, true, outcome, OTHER_GROUP, one, two);
}

/* All that is below the Unit of Work, itself included, gets this group and these bits: what a
 * transfer with a umask leaves. */
static int set_entry(const WalkEntry *entry, void *userdata) {
        mode_t mode = *(mode_t *)userdata;

        if (fchownat(entry->dirfd, entry->name, (uid_t)-1, OTHER_GROUP, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        mode = S_ISDIR(entry->st.st_mode) ? mode : mode & 0666;
        return fchmodat(entry->dirfd, entry->name, mode, 0) < 0 ? -errno : 0;
}

static void set_all(const Place *p, mode_t mode) {
        assert_int_equal(tree_walk(p->fd, "the uow", set_entry, &mode), 0);
}

static void set_mode(const Place *p, const char *path, mode_t mode) {
        assert_return_code(fchmodat(p->fd, path, mode, 0), errno);
}

static void need_root(void) {
        if (geteuid() != 0)
                skip();
}

static void test_takeover_by_owner(void **state) {
        Place *p = *state;
        Error e = { "" };

        assert_int_equal(admit_takeover(p->fd, "the uow", p->uow, &e), 0);
        assert_int_equal(admit_takeover(p->fd, "absent", p->uow, &e), -ENOENT);
}

/* The usual case of a mapped collection: umask 022. */
static void test_takeover_umask(void **state) {
        Place *p = *state;
        _cleanup_free_ char *command = NULL;

        need_root();
        set_all(p, 0755);
        command = xasprintf("root can mend that with: chmod -R g+rwX '%s'", p->uow);
        assert_takeover(p, UOW_E_BLOCKED, "belongs to root", command);
        assert_takeover(p, UOW_E_BLOCKED, "may not write to the folder", "mode 0755");
        set_all(p, 0700);
        assert_takeover(p, UOW_E_BLOCKED, "may not read, write to or enter the folder", command);
        set_all(p, 0770);
        assert_takeover(p, 0, "", "");
}

static void test_takeover_inside(void **state) {
        Place *p = *state;

        need_root();
        set_all(p, 0770);
        set_mode(p, "the uow/sentinels", 0750);
        assert_takeover(p, UOW_E_BLOCKED, "may not write to sentinels", "chmod -R g+rwX");
        set_mode(p, "the uow/sentinels", 0770);
        set_mode(p, "the uow/data/sub", 0750);
        assert_takeover(p, UOW_E_BLOCKED, "may not write to data/sub", "chmod -R g+rwX");
        set_mode(p, "the uow/data/sub", 0770);
        set_mode(p, "the uow/scripts/run.sh", 0600);
        assert_takeover(p, UOW_E_BLOCKED, "may not read scripts/run.sh", "chmod -R g+rwX");
        set_mode(p, "the uow/scripts/run.sh", 0640);
        assert_return_code(symlinkat("/root", p->fd, "the uow/data/link"), errno);
        assert_return_code(mkfifoat(p->fd, "the uow/data/fifo", 0600), errno);
        assert_takeover(p, 0, "", "");
}

static void test_takeover_foreign_group(void **state) {
        Place *p = *state;

        need_root();
        set_all(p, 0770);
        assert_as_other(
                p, true, UOW_E_BLOCKED, OTHER_GROUP + 1, "chgrp -R 54323 ", " && chmod -R g+rwX ");
        assert_return_code(chown(p->path, 0, OTHER_GROUP), errno);
        set_all(p, 0700);
        assert_return_code(fchownat(p->fd, "the uow", 0, 0, 0), errno);
        assert_takeover(p, UOW_E_BLOCKED, "chgrp -R 54322 ", " && chmod -R g+rwX ");
}

static void test_takeover_own(void **state) {
        Place *p = *state;

        need_root();
        assert_return_code(fchownat(p->fd, "the uow", OTHER_USER, OTHER_GROUP, 0), errno);
        set_mode(p, "the uow", 0500);
        assert_takeover(p, UOW_E_BLOCKED, "may not write to", "chmod -R u+rwX,g+rwX");
}

static void test_takeover_parent(void **state) {
        Place *p = *state;

        need_root();
        set_all(p, 0770);
        assert_return_code(chmod(p->path, 0755), errno);
        assert_takeover(p, UOW_E_BLOCKED, "may not write to /tmp/flowcron-admit-", "chgrp -R");
        assert_return_code(chmod(p->path, 01777), errno);
        assert_takeover(p, UOW_E_BLOCKED, "sticky bit", "chmod -t /tmp/flowcron-admit-");
        assert_return_code(chmod(p->path, 0777), errno);
        set_mode(p, "the uow", 01770);
        assert_takeover(p, UOW_E_BLOCKED, "may not move sentinels/", "chmod -t ");
}

static void test_check_without_permission(void **state) {
        Place *p = *state;
        _cleanup_free_ char *command = xasprintf("chmod -R u+rwX,g+rwX '%s'", p->uow);

        need_root();
        set_mode(p, "the uow/scripts/run.sh", 0600);
        assert_as_other(p, false, UOW_E_BLOCKED, OTHER_GROUP, "can't read scripts/run.sh", command);
        set_mode(p, "the uow/scripts", 0700);
        assert_as_other(p, false, UOW_E_BLOCKED, OTHER_GROUP, "scripts/", command);
        set_mode(p, "the uow", 0700);
        assert_as_other(p, false, UOW_E_BLOCKED, OTHER_GROUP, "can't open the folder", command);
}

static void assert_quoted(const char *name, const char *expected) {
        _cleanup_free_ char *quoted = shell_quote(name);

        assert_string_equal(quoted, expected);
}

static void test_quote(void **state _unused_) {
        assert_quoted("/a/b-c_d.e", "/a/b-c_d.e");
        assert_quoted("", "''");
        assert_quoted("a b", "'a b'");
        assert_quoted("it's", "'it'\\''s'");
        assert_quoted("a\\b", "'a\\b'");
        assert_quoted("$(x)", "'$(x)'");
        assert_quoted("~", "'~'");
        assert_quoted("-x", "./-x");
        assert_quoted("- x", "./'- x'");
        assert_quoted("\xc3\xa4", "'\xc3\xa4'");
        assert_quoted("a\n'\\\xff"
                      "1",
                "$'a\\012\\'\\\\\\3771'");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_good),
                TEST(test_name),
                TEST(test_folders),
                TEST(test_no_folder),
                TEST(test_script_is_judged),
                TEST(test_takeover_by_owner),
                TEST(test_takeover_umask),
                TEST(test_takeover_inside),
                TEST(test_takeover_foreign_group),
                TEST(test_takeover_own),
                TEST(test_takeover_parent),
                TEST(test_check_without_permission),
                cmocka_unit_test(test_quote),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
