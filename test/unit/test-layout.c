/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The folders of an instance: which arrangements are refused, what is made and with which modes, and
 * that a folder which is replaced under us is noticed.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fileio.h"
#include "layout.h"
#include "text.h"

typedef struct Scene {
        char *dir;  /* removed at the end */
        char *base; /* in it */
} Scene;

static int scene_setup(void **state) {
        Scene *s = calloc(1, sizeof(*s));
        char template[] = "/tmp/flowcron-test-XXXXXX";

        if (!s || !mkdtemp(template))
                return -1;
        s->dir = strdup(template);
        s->base = xasprintf("%s/base", template);
        *state = s;
        return mkdir(s->base, 0700);
}

static int scene_teardown(void **state) {
        Scene *s = *state;
        int r;

        r = tree_remove(AT_FDCWD, s->dir);
        free(s->base);
        free(s->dir);
        free(s);
        return r;
}

static Config *config_of(const char *base, const char *more) {
        _cleanup_free_ char *yaml = xasprintf("base: %s\n%s", base, more);
        Config *c = NULL;
        Error e = { "" };

        if (config_parse("x.yaml", yaml, strlen(yaml), &c, &e) != 0)
                fail_msg("%s", e.text);
        return c;
}

static Layout *layout_of(const char *base, const char *more) {
        _cleanup_(config_freep) Config *c = config_of(base, more);
        Layout *l = NULL;
        Error e = { "" };

        if (layout_new(c, &l, &e) != 0)
                fail_msg("%s", e.text);
        return l;
}

static Layout *layout_ready(const char *base, const char *more) {
        Layout *l = layout_of(base, more);
        Error e = { "" };

        if (layout_make(l, &e) != 0 || layout_open(l, &e) != 0)
                fail_msg("%s", e.text);
        return l;
}

static void test_paths(void **state _unused_) {
        static const char *const expected[_PLACE_MAX] = { "/b/UploadedFiles", "/fast/work",
                "/b/AnalysedFiles", "/b/FailedJobs", "/b/Bin/AnalysedFiles", "/b/Bin/FailedJobs",
                "/b/Status", "/b/Orders", "/b/Logs", "/b/.flowcron", "/b/.flowcron/requests" };
        _cleanup_(layout_freep) Layout *l = layout_of("/b", "paths: {work: /fast/work, bin: Bin}");
        _cleanup_free_ char *path = layout_uow_path(l, PLACE_WORK, "-\xff\n x");

        for (int p = 0; p < _PLACE_MAX; p++) {
                assert_string_equal(l->path[p], expected[p]);
                assert_int_equal(l->fd[p], -1);
        }
        assert_string_equal(l->base, "/b");
        assert_string_equal(path, "/fast/work/-\xff\n x");
}

static void test_refused(void **state _unused_) {
        static const struct {
                const char *more, *expected;
        } bad[] = {
                { "paths: {work: UploadedFiles}",
                        "paths.uploaded and paths.work are the same folder, /b/UploadedFiles; each needs its own" },
                { "paths: {analysed: /b/FailedJobs/}",
                        "paths.analysed and paths.failed are the same folder, /b/FailedJobs; each needs its own" },
                { "paths: {failed: UploadedFiles/failed}",
                        "paths.failed (/b/UploadedFiles/failed) lies inside paths.uploaded (/b/UploadedFiles); it "
                        "needs a place of its own" },
                { "paths: {bin: FailedJobs}",
                        "paths.bin (/b/FailedJobs/AnalysedFiles) lies inside paths.failed (/b/FailedJobs); it needs a "
                        "place of its own" },
                { "paths: {logs: .flowcron/logs}",
                        "paths.logs (/b/.flowcron/logs) lies inside .flowcron (/b/.flowcron); it needs a place of its "
                        "own" },
                { "paths: {uploaded: /b}",
                        "paths.work (/b/CodeToRun/slurm) lies inside paths.uploaded (/b); it needs a place of its "
                        "own" },
                { "chain: {to: /b/UploadedFiles}",
                        "chain.to (/b/UploadedFiles) and this instance's paths.uploaded (/b/UploadedFiles) overlap; "
                        "it must be another instance's UploadedFiles" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(config_freep) Config *c = config_of("/b", bad[i].more);
                Layout *l = NULL;
                Error e = { "" };

                assert_int_equal(layout_new(c, &l, &e), -EINVAL);
                assert_string_equal(e.text, bad[i].expected);
                assert_null(l);
        }
}

/* Names that only begin alike are different folders. */
static void test_accepted(void **state _unused_) {
        layout_free(layout_of("/b",
                "paths: {failed: UploadedFiles-failed, bin: /c, logs: .flowcron.log}\n"
                "chain: {to: /b/UploadedFiles2}"));
}

static mode_t mode_of(const char *base, const char *name) {
        _cleanup_free_ char *path = xasprintf("%s/%s", base, name);
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISDIR(st.st_mode));
        return st.st_mode & 07777;
}

static void test_make(void **state) {
        const Scene *s = *state;
        _cleanup_(layout_freep) Layout *l = layout_of(s->base, "");
        _cleanup_free_ char *kept = xasprintf("%s/Logs", s->base);
        mode_t old = umask(0077);
        Error e = { "" };

        assert_int_equal(mkdir(kept, 0700), 0);
        assert_int_equal(layout_make(l, &e), 0);
        umask(old);
        for (Place p = 0; p < PLACE_STATE; p++)
                assert_int_equal(
                        mode_of(s->base, layout_place_name(p)), p == PLACE_LOGS ? 0700 : 02770);
        assert_int_equal(mode_of(s->base, "CodeToRun"), 02770);
        assert_int_equal(mode_of(s->base, "SoftDelete"), 02770);
        assert_int_equal(mode_of(s->base, ".flowcron"), 0750);
        assert_int_equal(mode_of(s->base, ".flowcron/requests"), 0700);
        assert_int_equal(mode_of(s->base, "."), 0700);
        assert_int_equal(layout_make(l, &e), 0);
}

static void test_make_elsewhere(void **state) {
        const Scene *s = *state;
        _cleanup_free_ char *more = xasprintf("paths: {work: %s/scratch/deep/work}", s->dir);
        _cleanup_(layout_freep) Layout *l = layout_ready(s->base, more);

        assert_int_equal(mode_of(s->dir, "scratch/deep/work"), 02770);
        assert_true(l->fd[PLACE_WORK] >= 0);
}

static void test_make_faults(void **state) {
        const Scene *s = *state;
        _cleanup_free_ char *none = xasprintf("%s/none", s->dir),
                            *file = xasprintf("%s/Status", s->base),
                            *dangling = xasprintf("%s/Orders", s->base);
        _cleanup_(layout_freep) Layout *l = layout_of(none, ""), *m = layout_of(s->base, "");
        Error e = { "" };
        int fd;

        assert_int_equal(layout_make(l, &e), -ENOENT);
        assert_non_null(strstr(e.text, "does not exist; make it first"));
        assert_int_equal(access(none, F_OK), -1);

        assert_int_equal(symlink("nowhere", dangling), 0);
        assert_int_equal(layout_make(m, &e), -ENOENT);
        assert_non_null(strstr(e.text, "(paths.orders)"));
        assert_int_equal(unlink(dangling), 0);

        /* Made by the attempt above: put a file in its place. */
        assert_int_equal(rmdir(file), 0);
        fd = open(file, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        safe_close(fd);
        assert_int_equal(layout_make(m, &e), -ENOTDIR);
        assert_non_null(strstr(e.text, "(paths.status)"));
        assert_int_equal(layout_open(m, &e), -ENOTDIR);
        assert_int_equal(m->fd[PLACE_UPLOADED], -1);
}

static void test_open(void **state) {
        const Scene *s = *state;
        _cleanup_(layout_freep) Layout *l = layout_ready(s->base, "");
        _cleanup_free_ char *path = xasprintf("%s/FailedJobs", s->base);
        Error e = { "" };
        int fd = l->fd[PLACE_FAILED];

        for (Place p = 0; p < _PLACE_MAX; p++)
                for (Place q = 0; q < p; q++)
                        assert_int_not_equal(l->fd[p], l->fd[q]);
        assert_int_equal(layout_check(l, &e), 0);

        /* A failed reopening leaves what was open. */
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(layout_open(l, &e), -ENOENT);
        assert_non_null(strstr(e.text, path));
        assert_int_equal(l->fd[PLACE_FAILED], fd);
        assert_true(fcntl(fd, F_GETFD) >= 0);
}

static void test_open_same_folder(void **state) {
        const Scene *s = *state;
        _cleanup_free_ char *link = xasprintf("%s/FailedJobs", s->base);
        _cleanup_(layout_freep) Layout *l = layout_of(s->base, "");
        Error e = { "" };

        assert_int_equal(symlink("AnalysedFiles", link), 0);
        assert_int_equal(layout_make(l, &e), 0);
        assert_int_equal(layout_open(l, &e), -EINVAL);
        assert_non_null(strstr(e.text, "are one and the same folder"));
        assert_non_null(strstr(e.text, "paths.failed"));
        assert_int_equal(l->fd[PLACE_ANALYSED], -1);
}

static void test_check(void **state) {
        const Scene *s = *state;
        _cleanup_(layout_freep) Layout *l = layout_ready(s->base, "");
        _cleanup_free_ char *path = xasprintf("%s/Status", s->base),
                            *aside = xasprintf("%s/old", s->base);
        Error e = { "" };

        assert_int_equal(rename(path, aside), 0);
        assert_int_equal(layout_check(l, &e), -ESTALE);
        assert_non_null(strstr(e.text, path));
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(layout_check(l, &e), -ESTALE);
        assert_int_equal(layout_open(l, &e), 0);
        assert_int_equal(layout_check(l, &e), 0);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(symlink("old", path), 0);
        assert_int_equal(layout_check(l, &e), -ESTALE);
        assert_int_equal(layout_open(l, &e), 0);
        assert_int_equal(layout_check(l, &e), 0);
}

static void test_open_reading(void **state) {
        const Scene *s = *state;
        _cleanup_free_ char *state_dir = xasprintf("%s/.flowcron", s->base);
        _cleanup_(layout_freep) Layout *l = layout_of(s->base, "");
        Error e = { "" };

        assert_int_equal(layout_open_reading(l, &e), -ENOENT);
        assert_non_null(strstr(e.text, "never run"));
        assert_int_equal(mkdir(state_dir, 0750), 0);
        assert_int_equal(layout_open_reading(l, &e), 0);
        assert_true(l->fd[PLACE_STATE] >= 0);
        assert_int_equal(l->fd[PLACE_REQUESTS], -1);
        assert_int_equal(l->fd[PLACE_UPLOADED], -1);
        assert_int_equal(layout_check(l, &e), 0);
}

static void test_places(void **state _unused_) {
        assert_int_equal(place_for_outcome(OUTCOME_SUCCEEDED), PLACE_ANALYSED);
        for (UowOutcome o = OUTCOME_SUCCEEDED + 1; o < _UOW_OUTCOME_MAX; o++)
                assert_int_equal(place_for_outcome(o), PLACE_FAILED);
        assert_int_equal(place_bin(PLACE_ANALYSED), PLACE_BIN_ANALYSED);
        assert_int_equal(place_bin(PLACE_FAILED), PLACE_BIN_FAILED);
        for (Place p = 0; p < _PLACE_MAX; p++)
                assert_int_equal(place_bin(place_bin(p)), p);
}

int main(void) {
#define ON_DISK(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_paths),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_accepted),
                ON_DISK(test_make),
                ON_DISK(test_make_elsewhere),
                ON_DISK(test_make_faults),
                ON_DISK(test_open),
                ON_DISK(test_open_same_folder),
                ON_DISK(test_check),
                ON_DISK(test_open_reading),
                cmocka_unit_test(test_places),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
