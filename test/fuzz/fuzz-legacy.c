/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What setup reads of a bash FlowCron and of crontabs. The first byte of the input chooses the reader; byte 0x1f stands for squeue's marker.
 * Lines of ours go into any crontab and out of it again without another byte changed.
 */

#include "fuzz.h"

#include "crontab.h"
#include "legacy.h"
#include "text.h"

#define MARKER "0123456789abcdef0123456789abcdef"

static char *with_marker(const char *text) {
        _cleanup_free_ char *out = NULL;
        size_t size;
        FILE *f = open_memstream(&out, &size);

        PROMISE(f);
        for (; *text; text++)
                if (*text == 0x1f)
                        fputs(MARKER, f);
                else
                        fputc(*text, f);
        PROMISE(fclose(f) == 0);
        return TAKE_PTR(out);
}

static void read_settings(const char *text, int (*parse)(const char *, LegacySettings *)) {
        LegacySettings s = { .soft_delete_days = -1, .purge_days = -1, .add_timestamp = -1 };

        PROMISE(parse(text, &s) == 0);
        PROMISE(s.soft_delete_days >= -1 && s.purge_days >= -1 && s.add_timestamp >= -1);
        PROMISE(!s.account || (*s.account && !strchr(s.account, '\n')));
        PROMISE(!s.qos || (*s.qos && !strchr(s.qos, '\n')));
        legacy_settings_done(&s);
}

static bool is_number(const char *s) {
        return !s || (*s && !s[strspn(s, "0123456789")]);
}

static void read_jobs(const char *text, bool queue) {
        LegacyUow uows[] = {
                { .finding = LEGACY_SUBMITTED, .place = PLACE_WORK, .folder = (char *)"a" },
                { .finding = LEGACY_SUBMITTED, .place = PLACE_WORK, .folder = (char *)"a b" }
        };
        LegacySurvey s = { .uows = uows, .n = ELEMENTSOF(uows) };
        char *const code[] = { (char *)"/c", NULL };
        _cleanup_free_ char *marked = queue ? with_marker(text) : NULL;

        PROMISE((queue ? legacy_read_queue(&s, marked, MARKER, code) : legacy_read_log(&s, text)) ==
                0);
        for (size_t i = 0; i < s.n; i++) {
                PROMISE(is_number(uows[i].job_id) && is_number(uows[i].cleanup));
                free(uows[i].job_id);
                free(uows[i].cleanup);
        }
}

static void edit_crontab(const char *text) {
        _cleanup_free_ char *clean = crontab_without(text, "x"), *with = NULL, *again = NULL;
        size_t n;

        /* One removal takes one block; an odd text may have several. */
        if (crontab_has(clean, "x"))
                return;
        with = crontab_with(clean, "x", "* * * * * y\n");
        PROMISE(with && crontab_has(with, "x"));
        again = crontab_without(with, "x");
        n = strlen(clean);
        PROMISE(again && strncmp(again, clean, n) == 0 &&
                (streq(again + n, "") || streq(again + n, "\n")));
}

static void read_entry(const char *text) {
        const char *command = crontab_command(text);
        _cleanup_free_ char *word = command ? crontab_first_word(command) : NULL;

        PROMISE(!command || (command >= text && word && strlen(word) <= strlen(command)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = size > 0 ? input_text(data + 1, size - 1) : NULL;

        if (!text)
                return 0;
        switch (data[0] % 6) {
        case 0:
                read_settings(text, legacy_parse_variables);
                break;
        case 1:
                read_settings(text, legacy_parse_cleanup);
                break;
        case 2:
                read_jobs(text, false);
                break;
        case 3:
                read_jobs(text, true);
                break;
        case 4:
                edit_crontab(text);
                break;
        default:
                read_entry(text);
        }
        return 0;
}
