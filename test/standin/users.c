/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Users: their names, and somebody else's jobs for the faults that show them.
 */
#include "standin.h"

#include <pwd.h>
#include <string.h>

#define OTHER_UID 4242u

const char *user_name(uint32_t uid) {
        static char names[4][64];
        static uint32_t last = UINT32_MAX;
        static unsigned at;
        const struct passwd *pw;

        if (uid == OTHER_UID)
                return "someone";
        if (uid == last)
                return names[at % 4];
        pw = getpwuid(uid);
        snprintf(names[++at % 4], sizeof(names[0]), "%s", pw ? pw->pw_name : "nobody");
        last = uid;
        return names[at % 4];
}

Job make_other(void) {
        const Fault *f = &faults[faults[F_OTHERS].set ? F_OTHERS : F_FLOOD];
        int64_t now = now_ms();
        Job j = { .id = 900001, .task = NO_VALUE, .uid = OTHER_UID, .nodes = 1, .cpus = 1 };

        j.state = JOB_RUNNING;
        j.flags = JF_OTHERS;
        j.submit_ms = j.eligible_ms = j.created_ms = now - 3600000;
        j.start_ms = now - 1800000;
        str_set(&j, JS_NAME, "theirs.sh");
        str_set(&j, JS_COMMENT, f->text);
        str_set(&j, JS_WORKDIR, "/home/someone");
        str_set(&j, JS_SUBMIT_LINE, "sbatch theirs.sh");
        str_set(&j, JS_COMMAND, "/home/someone/theirs.sh");
        str_set(&j, JS_PARTITION, "debug");
        str_set(&j, JS_ACCOUNT, "theirs");
        str_set(&j, JS_QOS, "normal");
        str_set(&j, JS_REASON, "None");
        str_set(&j, JS_NODES, node_name());
        return j;
}
