/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The configuration: what is taken, where it is looked for, and that the table, the printed form and
 * the schema agree. What is refused: test-config-fault.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "config-key.h"
#include "text.h"

#define FILE_NAME "/etc/cryo.yaml"
#define BASE "base: /p\n"

static Config *parse_ok(const char *text) {
        Config *c = NULL;
        Error e = { "" };
        int r;

        r = config_parse(FILE_NAME, text, strlen(text), &c, &e);
        if (r != 0)
                print_error("refused: %s\n", e.text);
        assert_int_equal(r, 0);
        assert_non_null(c);
        return c;
}

static void test_defaults(void **state _unused_) {
        _cleanup_(config_freep) Config *c = parse_ok(BASE);

        assert_string_equal(c->instance, "cryo");
        assert_string_equal(c->file, FILE_NAME);
        assert_string_equal(c->base, "/p");
        assert_string_equal(c->paths.work, "CodeToRun/slurm");
        assert_string_equal(c->uow.script, "submission_script.sh");
        assert_true(c->uow.convert_line_endings);
        assert_string_equal(c->uow.forbidden_variables[0], "HOME");
        assert_string_equal(c->uow.forbidden_variables[1], "USER");
        assert_null(c->uow.forbidden_variables[2]);
        assert_int_equal(c->watch.mode, WATCH_AUTO);
        assert_int_equal(c->watch.rescan_interval, 0);
        assert_int_equal(c->scheduler.type, SCHEDULER_SLURM);
        assert_string_equal(c->scheduler.account, "");
        assert_non_null(c->scheduler.extra_args);
        assert_null(c->scheduler.extra_args[0]);
        assert_int_equal(c->scheduler.poll_interval, 30 * USEC_PER_SEC);
        assert_int_equal(c->scheduler.command_timeout, USEC_PER_MINUTE);
        assert_int_equal(c->scheduler.lost_after, USEC_PER_HOUR);
        assert_int_equal(c->scheduler.slots, 2);
        assert_true(c->results.group_writable);
        assert_int_equal(c->retry.max_attempts, 3);
        assert_string_equal(c->retry.on[1], "BOOT_FAIL");
        assert_int_equal(c->retention.purge_after, 0);
        assert_int_equal(c->retention.logs, 7 * USEC_PER_DAY);
        assert_string_equal(c->chain.to, "");
        assert_int_equal(c->globus.check_interval, 2 * USEC_PER_MINUTE);
}

static void test_values(void **state _unused_) {
        _cleanup_(config_freep) Config *c = parse_ok(
                "base: //projects/./cryo em//flowcron/\n"
                "paths: {uploaded: /scratch/in/, bin: ./Bin//x}\n"
                "uow: {script: run.sh, add_timestamp: YES, forbidden_variables: [], convert_line_endings: No}\n"
                "watch: {mode: poll, rescan_interval: 1s}\n"
                "scheduler:\n"
                "  type: local\n"
                "  account: 0123\n"
                "  qos: \"~\"\n"
                "  partition: yes\n"
                "  extra_args: [--mem=4G, \"--comment\", \"a b\"]\n"
                "  submit: held\n"
                "  max_queued: \"10\"\n"
                "results: {symlinks: keep}\n"
                "retry: {max_attempts: 1, on: []}\n"
                "retention: {soft_delete_after: 14d, purge_after: 1s, logs: 0}\n"
                "chain: {to: /projects/next/UploadedFiles}\n"
                "globus: {hpc_name: 'Größe: 1 #2'}\n");

        assert_string_equal(c->base, "/projects/cryo em/flowcron");
        assert_string_equal(c->paths.uploaded, "/scratch/in");
        assert_string_equal(c->paths.bin, "Bin/x");
        assert_true(c->uow.add_timestamp);
        assert_false(c->uow.convert_line_endings);
        assert_null(c->uow.forbidden_variables[0]);
        assert_int_equal(c->watch.mode, WATCH_POLL);
        assert_int_equal(c->watch.rescan_interval, USEC_PER_SEC);
        assert_int_equal(c->scheduler.type, SCHEDULER_LOCAL);
        assert_string_equal(c->scheduler.account, "0123");
        assert_string_equal(c->scheduler.qos, "~");
        assert_string_equal(c->scheduler.partition, "yes");
        assert_string_equal(c->scheduler.extra_args[2], "a b");
        assert_int_equal(c->scheduler.submit, SUBMIT_HELD);
        assert_int_equal(c->scheduler.max_queued, 10);
        assert_int_equal(c->results.symlinks, SYMLINKS_KEEP);
        assert_null(c->retry.on[0]);
        assert_int_equal(c->retention.soft_delete_after, 14 * USEC_PER_DAY);
        assert_int_equal(c->retention.logs, 0);
        assert_string_equal(c->globus.hpc_name, "Größe: 1 #2");
}

static void test_instance(void **state _unused_) {
        static const char *const good[] = { "default", "a", "9", "cryo-em_2.x", "_x" };
        static const char *const bad[] = { "", ".x", "-x", "a b", "a/b", "ä", "a@b", "a\n",
                "12345678901234567890123456789012345678901234567890123456789012345" };
        Config *c = NULL;
        Error e = { "" };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(config_instance_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(config_instance_valid(bad[i]));
        assert_false(config_instance_valid(NULL));
        assert_int_equal(
                config_parse("/x/my project.yaml", BASE, strlen(BASE), &c, &e), UOW_E_INVALID);
        assert_non_null(strstr(e.text, "\"my project\" can't be an instance's name"));
        assert_int_equal(
                config_parse_named("other", "/x/my project.yaml", BASE, strlen(BASE), &c, &e), 0);
        assert_string_equal(c->instance, "other");
        c = config_free(c);
        assert_int_equal(config_parse("rel.conf", BASE, strlen(BASE), &c, &e), 0);
        assert_string_equal(c->instance, "rel.conf");
        assert_int_equal(c->file[0], '/');
        config_free(c);
}

static void assert_same(const Config *a, const Config *b) {
        size_t n;
        const ConfigKey *keys = config_keys(&n);

        for (size_t i = 0; i < n; i++)
                if (!config_value_equal(&keys[i], config_key_slot(&keys[i], (Config *)a),
                            config_key_slot(&keys[i], (Config *)b)))
                        fail_msg("%s differs", keys[i].name);
}

static void test_round_trip(void **state _unused_) {
        static const char *const texts[] = { BASE,
                "base: \"/p/it's \\\"quoted\\\" \\\\ : # é\"\n"
                "paths: {work: \"- x\", logs: \"{a}\", bin: \"#\"}\n"
                "uow: {script: \"-x.sh\", forbidden_variables: [], add_timestamp: true}\n"
                "watch: {mode: inotify, rescan_interval: 90s}\n"
                "scheduler: {account: 'null', qos: '~', partition: 'true', reservation: '0123', type: local,\n"
                "  extra_args: [--a, 'b, c', \"]\", '*x', '&y', '!z', '%', '@'], submit: held, max_queued: 7}\n"
                "retention: {soft_delete_after: 36h, purge_after: 1s, logs: 0}\n"
                "results: {symlinks: delete, group_writable: false}\n"
                "chain: {to: /q}\nglobus: {hpc_name: ' padded ', collection_path: '/~/x'}\n" };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(config_freep) Config *a = parse_ok(texts[i]), *b = NULL;
                _cleanup_free_ char *yaml = config_to_yaml(a), *again = NULL;

                assert_non_null(yaml);
                b = parse_ok(yaml);
                assert_same(a, b);
                again = config_to_yaml(b);
                assert_string_equal(again, yaml);
                assert_non_null(startswith(yaml, "# instance: cryo\nbase: "));
        }
}

static void test_needs_restart(void **state _unused_) {
        static const struct {
                const char *yaml, *key;
        } changes[] = { { "base: /q\n", "base" }, { BASE "paths: {logs: L}", "paths.logs" },
                { BASE "scheduler: {type: local}", "scheduler.type" }, { "base: /p/\n", NULL },
                { BASE "scheduler: {poll_interval: 5s, extra_args: [-x]}\nretry: {on: []}",
                        NULL } };
        _cleanup_(config_freep) Config *a = parse_ok(BASE);

        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                _cleanup_(config_freep) Config *b = parse_ok(changes[i].yaml);
                const char *key = config_needs_restart(a, b);

                assert_true(streq(key, changes[i].key));
        }
}

static void test_owners(void **state _unused_) {
        _cleanup_(config_freep) Config *a = parse_ok(BASE), *b = config_ref(a), *c = config_ref(b);

        a = config_free(a);
        c = config_free(c);
        assert_string_equal(b->base, "/p");
}

static void test_set(void **state _unused_) {
        _cleanup_(config_freep) Config *c = NULL;
        Error e = { "" };

        assert_int_equal(config_new("bad name", &c), -EINVAL);
        assert_null(c);
        assert_int_equal(config_new("x", &c), 0);
        assert_string_equal(c->base, "");
        assert_int_equal(config_set(c, "base", "/p/", &e), 0);
        assert_string_equal(c->base, "/p");
        assert_int_equal(config_set(c, "retention.purge_after", "30d", &e), 0);
        assert_int_equal(c->retention.purge_after, 30 * USEC_PER_DAY);
        assert_int_equal(config_set(c, "retention.purge_after", "30", &e), UOW_E_INVALID);
        assert_int_equal(c->retention.purge_after, 30 * USEC_PER_DAY);
        assert_non_null(startswith(e.text, "retention.purge_after: \"30\" is no duration; "));
        assert_int_equal(config_set(c, "retention", "30d", &e), UOW_E_NOT_FOUND);
        assert_int_equal(config_set(c, "retry.on", "X", &e), -EINVAL);
}

static char *make_tmpdir(void) {
        char *dir = strdup("/tmp/flowcron-test-XXXXXX");

        assert_non_null(dir);
        assert_non_null(mkdtemp(dir));
        return dir;
}

static void write_file(const char *path, const char *text, mode_t mode) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        safe_close(fd);
}

static void test_load(void **state _unused_) {
        _cleanup_free_ char *dir = make_tmpdir(), *file = xasprintf("%s/em.yaml", dir),
                            *link = xasprintf("%s/link.yaml", dir),
                            *fifo = xasprintf("%s/fifo.yaml", dir),
                            *none = xasprintf("%s/none.yaml", dir);
        Config *c = NULL;
        Error e = { "" };

        write_file(file, BASE, 0600);
        assert_int_equal(symlink("em.yaml", link), 0);
        assert_int_equal(mkfifo(fifo, 0600), 0);

        assert_int_equal(config_load(file, &c, &e), 0);
        assert_string_equal(c->instance, "em");
        c = config_free(c);
        assert_int_equal(config_load(link, &c, &e), 0);
        assert_string_equal(c->instance, "link");
        c = config_free(c);
        assert_int_equal(config_load(none, &c, &e), -ENOENT);
        assert_non_null(strstr(e.text, "none.yaml: there is no such file"));
        assert_int_equal(config_load(fifo, &c, &e), -EINVAL);
        assert_int_equal(config_load(dir, &c, &e), -EINVAL);
        assert_non_null(strstr(e.text, "no regular file"));
        assert_int_equal(chmod(file, 0), 0);
        if (geteuid() != 0) {
                assert_int_equal(config_load(file, &c, &e), -EACCES);
                assert_non_null(strstr(e.text, "can't be read: Permission denied"));
        }
        assert_null(c);
        unlink(file);
        unlink(link);
        unlink(fifo);
        assert_int_equal(rmdir(dir), 0);
}

static void test_load_copy(void **state _unused_) {
        _cleanup_free_ char *dir = make_tmpdir(), *base = xasprintf("%s/base", dir),
                            *state_dir = xasprintf("%s/.flowcron", base),
                            *file = xasprintf("%s/" CONFIG_COPY, state_dir), *yaml = NULL,
                            *given = NULL;
        _cleanup_(config_freep) Config *a = parse_ok("base: /elsewhere\nscheduler: {account: lab}"),
                                       *b = NULL;
        Error e = { "" };

        assert_int_equal(mkdir(base, 0700), 0);
        assert_int_equal(mkdir(state_dir, 0700), 0);
        assert_int_equal(config_load_copy(base, &b, &e), -ENOENT);
        yaml = config_to_yaml(a);
        write_file(file, yaml, 0600);
        given = xasprintf("%s/../base/", base);
        assert_int_equal(config_load_copy(given, &b, &e), 0);
        assert_string_equal(b->instance, "cryo");
        assert_string_equal(b->base, base);
        assert_string_equal(b->scheduler.account, "lab");
        b = config_free(b);
        write_file(file, BASE, 0600);
        assert_int_equal(config_load_copy(base, &b, &e), UOW_E_INVALID);
        assert_non_null(strstr(e.text, "no \"# instance: NAME\" in the first line"));
        write_file(file, "# instance: ../x\n" BASE, 0600);
        assert_int_equal(config_load_copy(base, &b, &e), UOW_E_INVALID);
        assert_null(b);
        unlink(file);
        rmdir(state_dir);
        rmdir(base);
        assert_int_equal(config_load_copy(base, &b, &e), -ENOENT);
        assert_int_equal(rmdir(dir), 0);
}

static void assert_path(char *path, const char *expected) {
        assert_non_null(path);
        assert_string_equal(path, expected);
        free(path);
}

static void test_places(void **state _unused_) {
        char tmp[64], run[64];

        snprintf(run, sizeof(run), "/run/user/%u/flowcron/x.sock", (unsigned)getuid());
        snprintf(tmp, sizeof(tmp), "/tmp/flowcron-%u/x.sock", (unsigned)getuid());
        setenv("HOME", "/home/pm", 1);
        unsetenv("XDG_CONFIG_HOME");
        assert_path(config_default_path("x"), "/home/pm/.config/flowcron/x.yaml");
        setenv("XDG_CONFIG_HOME", "relative", 1);
        assert_path(config_default_path("x"), "/home/pm/.config/flowcron/x.yaml");
        setenv("XDG_CONFIG_HOME", "/cfg", 1);
        assert_path(config_default_path("x"), "/cfg/flowcron/x.yaml");
        unsetenv("FLOWCRON_SOCKET");
        unsetenv("XDG_RUNTIME_DIR");
        assert_path(config_socket_path("x"), tmp);
        assert_path(config_socket_path_else("x"), run);
        setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
        assert_path(config_socket_path("x"), "/run/user/7/flowcron/x.sock");
        assert_path(config_socket_path_else("x"), tmp);
        setenv("FLOWCRON_SOCKET", "", 1);
        assert_path(config_socket_path("x"), "/run/user/7/flowcron/x.sock");
        setenv("FLOWCRON_SOCKET", "/s", 1);
        assert_path(config_socket_path("x"), "/s");
        assert_null(config_socket_path_else("x"));
        unsetenv("FLOWCRON_SOCKET");
}

static cJSON *load_schema(void) {
        _cleanup_fclose_ FILE *f = fopen(SOURCE_DIR "/schema/config.schema.json", "re");
        _cleanup_free_ char *text = calloc(1, 65536);
        cJSON *schema;

        assert_non_null(f);
        assert_true(fread(text, 1, 65535, f) < 65535);
        schema = cJSON_Parse(text);
        assert_non_null(schema);
        return schema;
}

static const cJSON *schema_of_key(const cJSON *schema, const char *name) {
        const cJSON *o = cJSON_GetObjectItemCaseSensitive(schema, "properties");
        const char *dot = strchr(name, '.');
        _cleanup_free_ char *section = dot ? strndup(name, (size_t)(dot - name)) : NULL;

        if (dot) {
                o = cJSON_GetObjectItemCaseSensitive(o, section);
                o = cJSON_GetObjectItemCaseSensitive(o, "properties");
        }
        return cJSON_GetObjectItemCaseSensitive(o, dot ? dot + 1 : name);
}

/* The schema's default as the table has it: a list's items with spaces between. */
static char *default_text(const cJSON *v) {
        char *text = NULL;
        const cJSON *item;

        if (cJSON_IsString(v))
                return strdup(v->valuestring);
        if (!cJSON_IsArray(v))
                return cJSON_PrintUnformatted(v);
        text = strdup("");
        cJSON_ArrayForEach(item, v) {
                char *longer = xasprintf("%s%s%s", text, *text ? " " : "", item->valuestring);

                free(text);
                text = longer;
        }
        return text;
}

static void assert_schema_key(const ConfigKey *k, const cJSON *o) {
        const cJSON *def = cJSON_GetObjectItemCaseSensitive(o, "default");
        const cJSON *words = cJSON_GetObjectItemCaseSensitive(o, "enum");
        size_t n = 0;

        if (!o)
                fail_msg("%s is not in the schema", k->name);
        assert_string_equal(
                cJSON_GetObjectItemCaseSensitive(o, "description")->valuestring, k->doc);
        assert_int_equal(!def, !k->fallback);
        if (def) {
                _cleanup_free_ char *text = default_text(def);

                assert_string_equal(text, k->fallback);
        }
        for (; k->words && k->words[n]; n++)
                assert_string_equal(cJSON_GetArrayItem(words, (int)n)->valuestring, k->words[n]);
        assert_int_equal(cJSON_GetArraySize(words), n);
        if (k->type == CONFIG_UNSIGNED) {
                assert_int_equal(
                        cJSON_GetObjectItemCaseSensitive(o, "minimum")->valuedouble, k->min);
                assert_int_equal(
                        cJSON_GetObjectItemCaseSensitive(o, "maximum")->valuedouble, k->max);
        }
}

static size_t schema_size(const cJSON *schema) {
        const cJSON *o;
        size_t n = 0;

        cJSON_ArrayForEach(o, cJSON_GetObjectItemCaseSensitive(schema, "properties")) {
                const cJSON *keys = cJSON_GetObjectItemCaseSensitive(o, "properties");

                n += keys ? (size_t)cJSON_GetArraySize(keys) : 1;
                if (keys)
                        assert_true(cJSON_IsFalse(
                                cJSON_GetObjectItemCaseSensitive(o, "additionalProperties")));
        }
        return n;
}

static void test_schema(void **state _unused_) {
        _cleanup_json_ cJSON *schema = load_schema();
        size_t n;
        const ConfigKey *keys = config_keys(&n);

        for (size_t i = 0; i < n; i++)
                assert_schema_key(&keys[i], schema_of_key(schema, keys[i].name));
        assert_int_equal(schema_size(schema), n);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_instance),
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_needs_restart),
                cmocka_unit_test(test_owners),
                cmocka_unit_test(test_set),
                cmocka_unit_test(test_load),
                cmocka_unit_test(test_load_copy),
                cmocka_unit_test(test_places),
                cmocka_unit_test(test_schema),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
