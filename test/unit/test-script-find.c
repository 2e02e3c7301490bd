/* SPDX-License-Identifier: Apache-2.0 */

/* Which file of a folder is the Slurm script, and what is done about DOS line endings. On real,
 * hostile folders. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "fileio.h"
#include "json.h"
#include "script.h"
#include "text.h"

#define GOOD "#!/bin/bash\n#SBATCH -J x\necho\n"
#define GOOD_DOS "#!/bin/bash\r\n#SBATCH -J x\r\necho\r\n"

static char *const variables[] = { "HOME", "USER", NULL };
static const ScriptRules rules = {
        .fixed_name = "submission_script.sh",
        .forbidden_variables = variables,
        .convert = true,
};

/* A Unit of Work in a new folder; `fd` is its root. */
typedef struct Place {
        char path[64];
        int parent, fd;
} Place;

static int setup(void **state) {
        Place *p = calloc(1, sizeof(*p));

        if (!p)
                return -1;
        strcpy(p->path, "/tmp/flowcron-script-XXXXXX");
        if (!mkdtemp(p->path))
                return -1;
        p->parent = dir_open_path(p->path);
        if (mkdirat(p->parent, "uow", 0755) < 0 || mkdirat(p->parent, "uow/data", 0755) < 0 ||
                mkdirat(p->parent, "uow/scripts", 0755) < 0)
                return -1;
        p->fd = dir_open_at(p->parent, "uow");
        *state = p;
        return 0;
}

static int teardown(void **state) {
        Place *p = *state;

        safe_close(p->fd);
        safe_close(p->parent);
        (void)tree_remove(AT_FDCWD, p->path);
        free(p);
        return 0;
}

static void put_bytes(const Place *p, const char *path, const char *text, size_t size) {
        _cleanup_close_ int fd =
                openat(p->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, text, size), 0);
}

static void put(const Place *p, const char *path, const char *text) {
        put_bytes(p, path, text, strlen(text));
}

static void put_link(const Place *p, const char *target, const char *path) {
        assert_return_code(symlinkat(target, p->fd, path), errno);
}

static void assert_found(const Place *p, const char *name, const char *target) {
        Script s = { 0 };
        Error e = { "" };

        if (script_find(p->fd, &rules, &s, &e) != 0)
                fail_msg("%s", e.text);
        assert_string_equal(s.name, name);
        assert_string_equal(s.target, target);
        script_done(&s);
}

static void assert_refused(const Place *p, const char *one, const char *two) {
        Script s = { 0 };
        Error e = { "" };

        assert_int_equal(script_find(p->fd, &rules, &s, &e), UOW_E_REJECTED);
        assert_null(s.name);
        if (!strstr(e.text, one) || !strstr(e.text, two))
                fail_msg("\"%s\" and \"%s\" are not in: %s", one, two, e.text);
}

static void test_fixed_name(void **state) {
        put(*state, "scripts/other.sh", GOOD);
        put(*state, "scripts/another.sh", GOOD);
        put(*state, "scripts/submission_script.sh", "#!/bin/sh\necho\n");
        assert_found(*state, "submission_script.sh", "scripts/submission_script.sh");
        put(*state, "scripts/submission_script.sh", "echo\n");
        assert_refused(*state, "submission_script.sh", "#!");
        put(*state, "scripts/submission_script.sh", "");
        assert_refused(*state, "submission_script.sh", "empty");
}

static void test_fixed_name_no_file(void **state) {
        Place *p = *state;

        assert_return_code(mkdirat(p->fd, "scripts/submission_script.sh", 0755), errno);
        assert_refused(p, "submission_script.sh", "no regular file");
        assert_return_code(unlinkat(p->fd, "scripts/submission_script.sh", AT_REMOVEDIR), errno);
        assert_return_code(mkfifoat(p->fd, "scripts/submission_script.sh", 0644), errno);
        assert_refused(p, "submission_script.sh", "no regular file");
}

static void test_single_file(void **state) {
        Place *p = *state;

        put(p, "scripts/run", "#!/bin/bash -l\necho\n#SBATCH -J x\n");
        put(p, "scripts/helper.sh", "#!/bin/bash\necho '#SBATCH'\n");
        put(p, "scripts/a.py", "#!/usr/bin/env python3\n#SBATCH\n");
        put(p, "scripts/notes", "#SBATCH");
        put(p, "scripts/space", "#! /bin/bash\n#SBATCH\n");
        put(p, "scripts/foo", "#!/bin/bashfoo\n#SBATCH\n");
        assert_return_code(mkdirat(p->fd, "scripts/lib", 0755), errno);
        put(p, "scripts/lib/deep.sh", GOOD);
        put_link(p, "run", "scripts/latest");
        assert_found(p, "run", "scripts/run");
}

static void test_none(void **state) {
        Place *p = *state;

        assert_refused(p, "scripts/ is empty", "submission_script.sh");
        put(p, "scripts/a.py", "#!/usr/bin/env python3\n#SBATCH\n");
        put(p, "scripts/b.sh", "#!/bin/bash\nexit\n");
        put(p, "scripts/c\n\x1b.txt", "hello");
        put(p, "scripts/d", "");
        put(p, "scripts/e.sh", "#! /bin/bash\n#SBATCH\n");
        put_bytes(p, "scripts/f.sh", "\xff\xfe#\0!\0", 6);
        assert_return_code(mkdirat(p->fd, "scripts/lib", 0755), errno);
        assert_refused(
                p, "a.py (begins with \"#!/usr/bin/env python3\")", "b.sh (has no #SBATCH line)");
        assert_refused(p, "c\\n\\x1b.txt (does not begin with #!/bin/bash)", "d (is empty)");
        assert_refused(p, "e.sh (begins with \"#! /bin/bash\")", "lib (is a folder)");
        assert_refused(p, "f.sh (is saved as UTF-16", "submission_script.sh");
}

static void test_several(void **state) {
        put(*state, "scripts/b.sh", GOOD);
        put(*state, "scripts/a.sh", GOOD);
        put(*state, "scripts/c.txt", "");
        assert_refused(*state, "2 files",
                "a.sh (begins with #!/bin/bash and has an #SBATCH line); b.sh (");
        assert_refused(*state, "c.txt (is empty)", "submission_script.sh");
}

static void test_links(void **state) {
        Place *p = *state;

        put(p, "data/real.sh", GOOD);
        put_link(p, "../scripts/./link2", "scripts/submission_script.sh");
        put_link(p, "..//data/../data/real.sh", "scripts/link2");
        assert_found(p, "submission_script.sh", "data/real.sh");
        assert_return_code(unlinkat(p->fd, "scripts/submission_script.sh", 0), errno);
        assert_found(p, "link2", "data/real.sh");
}

static void test_link_through_folder(void **state) {
        Place *p = *state;

        put(p, "data/real.sh", GOOD);
        put_link(p, "../data", "scripts/d");
        put_link(p, "d/real.sh", "scripts/submission_script.sh");
        assert_found(p, "submission_script.sh", "data/real.sh");
}

static void assert_link_refused(const Place *p, const char *target, const char *why) {
        put_link(p, target, "scripts/submission_script.sh");
        assert_refused(p, "submission_script.sh", why);
        assert_return_code(unlinkat(p->fd, "scripts/submission_script.sh", 0), errno);
        put_link(p, target, "scripts/x.sh");
        assert_refused(p, "x.sh", why);
        assert_return_code(unlinkat(p->fd, "scripts/x.sh", 0), errno);
}

static void test_links_that_lead_out(void **state) {
        Place *p = *state;
        _cleanup_free_ char *absolute = xasprintf("%s/uow/data/real.sh", p->path);

        put(p, "data/real.sh", GOOD);
        put(p, "../outside.sh", GOOD);
        put_link(p, "/", "data/root");
        put_link(p, "..", "data/up");
        assert_link_refused(p, "../../outside.sh", "leads out of the Unit of Work");
        assert_link_refused(p, "../../uow/data/real.sh", "leads out of the Unit of Work");
        assert_link_refused(p, absolute, "leads out of the Unit of Work");
        assert_link_refused(p, "/etc/passwd", "leads out of the Unit of Work");
        assert_link_refused(p, "/proc/self/fd/0", "leads out of the Unit of Work");
        assert_link_refused(p, "../data/root/etc/passwd", "leads out of the Unit of Work");
        assert_link_refused(p, "../data/up/../outside.sh", "leads out of the Unit of Work");
        assert_link_refused(p, "nothing", "leads nowhere");
        assert_link_refused(p, "submission_script.sh/x", "leads nowhere");
        assert_link_refused(p, "../data/real.sh/x", "leads nowhere");
        assert_link_refused(p, "../data", "no regular file");
        assert_link_refused(p, ".", "no regular file");
}

static void test_link_in_a_circle(void **state) {
        put_link(*state, "b", "scripts/a");
        put_link(*state, "a", "scripts/b");
        put_link(*state, "c/c/c", "scripts/c");
        assert_refused(
                *state, "a (is a link that leads nowhere)", "c (is a link that leads nowhere)");
}

/* None of them may block, or be read as if it were a file. */
static void test_special_files(void **state) {
        Place *p = *state;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s/uow/scripts/socket.sh", p->path);
        assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
        assert_return_code(mkfifoat(p->fd, "scripts/fifo.sh", 0644), errno);
        put_link(p, "fifo.sh", "scripts/to-fifo");
        assert_refused(p, "fifo.sh (is no regular file)", "socket.sh (is no regular file)");
        assert_refused(p, "to-fifo (leads to something that is no regular file)", "");
        put(p, "scripts/real.sh", GOOD);
        assert_found(p, "real.sh", "scripts/real.sh");
}

static void test_large_files(void **state) {
        Place *p = *state;
        _cleanup_close_ int big = -1, script = -1;

        big = openat(p->fd, "scripts/data.bin", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_return_code(ftruncate(big, (off_t)1 << 30), errno);
        put(p, "scripts/big.sh", GOOD);
        script = openat(p->fd, "scripts/big.sh", O_WRONLY | O_CLOEXEC);
        assert_return_code(ftruncate(script, (off_t)1 << 30), errno);
        assert_refused(p, "big.sh (is larger than the 4 MiB that Slurm takes)",
                "data.bin (does not begin");
        assert_return_code(
                renameat(p->fd, "scripts/big.sh", p->fd, "scripts/submission_script.sh"), errno);
        assert_refused(p, "submission_script.sh", "4 MiB");
}

static void test_many_files(void **state) {
        Place *p = *state;
        Error e;
        Script s;

        for (int i = 0; i < 3000; i++) {
                char name[64];

                snprintf(name, sizeof(name), "scripts/file-%d", i);
                put(p, name, i % 2 ? "#!/bin/bash\n" : "x");
        }
        assert_int_equal(script_find(p->fd, &rules, &s, &e), UOW_E_REJECTED);
        assert_non_null(strstr(e.text, "and 2990 more"));
        put(p, "scripts/the one", GOOD);
        assert_found(p, "the one", "scripts/the one");
}

static void test_odd_names(void **state) {
        put(*state, "scripts/-n \xff'\"$(x)\n.sh", GOOD);
        assert_found(*state, "-n \xff'\"$(x)\n.sh", "scripts/-n \xff'\"$(x)\n.sh");
}

static void test_no_folder(void **state) {
        Place *p = *state;

        assert_return_code(unlinkat(p->fd, "scripts", AT_REMOVEDIR), errno);
        assert_refused(p, "no folder scripts/", "");
        put_link(p, "data", "scripts");
        assert_refused(p, "no folder scripts/", "");
}

static void test_other_fixed_name(void **state) {
        ScriptRules r = rules;
        Script s;

        put(*state, "scripts/second.slurm", GOOD);
        put(*state, "scripts/submission_script.sh", GOOD);
        r.fixed_name = "second.slurm";
        assert_int_equal(script_find(((Place *)*state)->fd, &r, &s, NULL), 0);
        assert_string_equal(s.name, "second.slurm");
        script_done(&s);
}

static void assert_content(const Place *p, const char *path, const char *expected) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = openat(p->fd, path, O_RDONLY | O_CLOEXEC);
        size_t size;

        assert_int_equal(fd_read_all(fd, 1 << 20, &text, &size), 0);
        assert_string_equal(text, expected);
}

static cJSON *convert(const Place *p) {
        cJSON *names = NULL;
        Error e = { "" };

        if (script_convert(p->fd, &rules, &names, &e) != 0)
                fail_msg("%s", e.text);
        return names;
}

static bool lists(const cJSON *names, const char *name) {
        const cJSON *item;

        cJSON_ArrayForEach(item, names)
                if (streq(item->valuestring, name))
                        return true;
        return false;
}

static void test_convert(void **state) {
        Place *p = *state;
        _cleanup_json_ cJSON *names = NULL, *again = NULL;
        struct stat st;

        put(p, "scripts/job", "\xef\xbb\xbf" GOOD_DOS);
        put(p, "scripts/helper.sh", "a\r\r\nb\rc\nlast\r");
        put(p, "scripts/unix.sh", "a\nb\n");
        put(p, "scripts/table.csv", "a\r\n");
        put(p, "scripts/\xff.sh", "a\r\n");
        assert_return_code(fchmodat(p->fd, "scripts/job", 0751, 0), errno);
        assert_found(p, "job", "scripts/job");
        names = convert(p);
        assert_int_equal(cJSON_GetArraySize(names), 3);
        assert_true(lists(names, "scripts/job") && lists(names, "scripts/helper.sh"));
        assert_true(lists(names, "scripts/\\xff.sh"));
        assert_content(p, "scripts/job", GOOD);
        assert_content(p, "scripts/helper.sh", "a\nb\rc\nlast");
        assert_content(p, "scripts/table.csv", "a\r\n");
        assert_return_code(fstatat(p->fd, "scripts/job", &st, 0), errno);
        assert_int_equal(st.st_mode & 07777, 0751);
        again = convert(p);
        assert_int_equal(cJSON_GetArraySize(again), 0);
}

static void test_convert_leaves_alone(void **state) {
        Place *p = *state;
        _cleanup_json_ cJSON *names = NULL;
        _cleanup_close_ int big = -1;
        struct stat before, after;

        put(p, "scripts/run.sh", GOOD);
        put(p, "../outside.sh", "a\r\n");
        put_link(p, "../../outside.sh", "scripts/link.sh");
        assert_return_code(linkat(p->fd, "../outside.sh", p->fd, "scripts/hard.sh", 0), errno);
        put_bytes(p, "scripts/archive.sh", "#!/bin/sh\n\0\r\n", 13);
        assert_return_code(mkfifoat(p->fd, "scripts/fifo.sh", 0644), errno);
        assert_return_code(mkdirat(p->fd, "scripts/folder.sh", 0755), errno);
        big = openat(p->fd, "scripts/big.sh", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_return_code(ftruncate(big, (off_t)1 << 30), errno);
        assert_return_code(fstatat(p->fd, "scripts/run.sh", &before, 0), errno);
        names = convert(p);
        assert_int_equal(cJSON_GetArraySize(names), 1);
        assert_content(p, "scripts/hard.sh", "a\n");
        assert_content(p, "../outside.sh", "a\r\n");
        assert_return_code(fstatat(p->fd, "scripts/run.sh", &after, 0), errno);
        assert_int_equal(before.st_ino, after.st_ino);
        assert_return_code(fstatat(p->fd, "scripts/archive.sh", &after, 0), errno);
        assert_int_equal(after.st_size, 13);
}

static void test_convert_linked_script(void **state) {
        Place *p = *state;
        _cleanup_json_ cJSON *names = NULL;

        put(p, "data/deep.slurm", GOOD_DOS);
        put_link(p, "../data/deep.slurm", "scripts/submission_script.sh");
        names = convert(p);
        assert_true(lists(names, "data/deep.slurm"));
        assert_content(p, "scripts/submission_script.sh", GOOD);
}

static void test_convert_switched_off(void **state) {
        Place *p = *state;
        ScriptRules r = rules;
        _cleanup_json_ cJSON *names = NULL;

        put(p, "scripts/run.sh", GOOD_DOS);
        r.convert = false;
        assert_int_equal(script_convert(p->fd, &r, &names, NULL), 0);
        assert_int_equal(cJSON_GetArraySize(names), 0);
        assert_content(p, "scripts/run.sh", GOOD_DOS);
}

static void test_convert_without_script(void **state) {
        Place *p = *state;
        _cleanup_json_ cJSON *names = NULL, *nothing = NULL;

        put(p, "scripts/helper.sh", "a\r\n");
        names = convert(p);
        assert_int_equal(cJSON_GetArraySize(names), 1);
        assert_int_equal(tree_remove(p->fd, "scripts"), 0);
        nothing = convert(p);
        assert_int_equal(cJSON_GetArraySize(nothing), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_fixed_name),
                TEST(test_fixed_name_no_file),
                TEST(test_single_file),
                TEST(test_none),
                TEST(test_several),
                TEST(test_links),
                TEST(test_link_through_folder),
                TEST(test_links_that_lead_out),
                TEST(test_link_in_a_circle),
                TEST(test_special_files),
                TEST(test_large_files),
                TEST(test_many_files),
                TEST(test_odd_names),
                TEST(test_no_folder),
                TEST(test_other_fixed_name),
                TEST(test_convert),
                TEST(test_convert_leaves_alone),
                TEST(test_convert_linked_script),
                TEST(test_convert_switched_off),
                TEST(test_convert_without_script),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
