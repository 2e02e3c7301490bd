/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What `scontrol show job` and `show config` print.
 */
#include "standin.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the one-line form the line breaks and their indentation are single spaces. */
static void flatten(Text *out, const char *s) {
        for (; *s; s++) {
                if (*s != '\n') {
                        text_add_bytes(out, s, 1);
                        continue;
                }
                text_add(out, " ");
                while (s[1] == ' ')
                        s++;
        }
}

static void add_identity(Text *t, const Job *j) {
        text_addf(t, "JobId=%u ", j->id);
        if (j->kind == JK_HET)
                text_addf(t, "HetJobId=%u HetJobOffset=%u ", j->group_id, j->task);
        else if (j->kind == JK_ARRAY)
                text_addf(t, "ArrayJobId=%u ArrayTaskId=%s ", j->group_id,
                        tasks_text(j->tasks, j->throttle));
        else if (j->kind == JK_TASK)
                text_addf(t, "ArrayJobId=%u ArrayTaskId=%u ", j->group_id, j->task);
        if (j->throttle)
                text_addf(t, "ArrayTaskThrottle=%u ", j->throttle);
        text_addf(t, "JobName=%s\n   UserId=%s(%u) GroupId=%s(%u) MCS_label=N/A\n",
                str_get(j, JS_NAME), user_name(j->uid), j->uid, user_name(j->uid), getgid());
}

static void add_state(Text *t, const Job *j) {
        int64_t run = !j->start_ms     ? 0
                : state_over(j->state) ? j->end_ms - j->start_ms
                                       : now_ms() - j->start_ms;
        const char *depend = str_get(j, JS_DEPEND);

        text_addf(t, "   Priority=%s Nice=0 Account=%s QOS=%s\n",
                j->flags & JF_HELD ? "0" : "4294901757", str_get(j, JS_ACCOUNT),
                str_get(j, JS_QOS));
        text_addf(t, "   JobState=%s Reason=%s Dependency=%s\n",
                j->flags & JF_COMPLETING ? "COMPLETING" : state_names[j->state],
                *str_get(j, JS_REASON) ? str_get(j, JS_REASON) : "None",
                *depend ? depend : "(null)");
        text_addf(t, "   Requeue=1 Restarts=%u BatchFlag=1 Reboot=0 ExitCode=%d:%d\n", j->restarts,
                j->exit_code, j->exit_signal);
        if (j->derived_code)
                text_addf(t, "   DerivedExitCode=%d:0\n", j->derived_code);
        text_addf(t, "   RunTime=%s TimeLimit=%s TimeMin=N/A\n", span_long(run / 1000),
                j->limit_min ? span_long((int64_t)j->limit_min * 60) : "UNLIMITED");
}

static void add_times(Text *t, const Job *j) {
        int64_t end = j->end_ms;

        if (!end && j->start_ms && j->limit_min)
                end = j->start_ms + (int64_t)j->limit_min * 60000;
        text_addf(t, "   SubmitTime=%s EligibleTime=%s\n", time_iso(j->submit_ms, "Unknown"),
                time_iso(j->eligible_ms, "Unknown"));
        text_addf(t, "   AccrueTime=%s\n", time_iso(j->eligible_ms, "Unknown"));
        text_addf(t, "   StartTime=%s EndTime=%s Deadline=N/A\n", time_iso(j->start_ms, "Unknown"),
                time_iso(end, "Unknown"));
        text_addf(t, "   SuspendTime=None SecsPreSuspend=0 LastSchedEval=%s Scheduler=Main\n",
                time_iso(j->submit_ms, "Unknown"));
}

static void add_resources(Text *t, const Job *j) {
        const char *nodes = str_get(j, JS_NODES);

        text_addf(t, "   Partition=%s AllocNode:Sid=%s:1\n", str_get(j, JS_PARTITION), node_name());
        text_addf(t, "   ReqNodeList=(null) ExcNodeList=(null)\n   NodeList=%s\n", nodes);
        if (*nodes)
                text_addf(t, "   BatchHost=%s\n", node_name());
        text_addf(t,
                "   NumNodes=%u NumCPUs=%u NumTasks=1 CPUs/Task=1 ReqB:S:C:T=0:0:*:*\n"
                "   TRES=cpu=%u,node=%u,billing=%u\n"
                "   Socks/Node=* NtasksPerN:B:S:C=0:0:*:* CoreSpec=*\n"
                "   MinCPUsNode=1 MinMemoryNode=%s MinTmpDiskNode=0\n"
                "   Features=(null) DelayBoot=00:00:00\n"
                "   OverSubscribe=OK Contiguous=0 Licenses=(null) Network=(null)\n",
                j->nodes, j->cpus, j->cpus, j->nodes, j->cpus,
                *str_get(j, JS_MEM) ? str_get(j, JS_MEM) : "0");
}

static void add_files(Text *t, const Job *j) {
        Text out = {}, err = {};

        expand_output(&out, j, str_get(j, JS_STDOUT));
        if (*str_get(j, JS_STDERR))
                expand_output(&err, j, str_get(j, JS_STDERR));
        text_add(t, "   Command=");
        text_add(t, *str_get(j, JS_COMMAND) ? str_get(j, JS_COMMAND) : "(null)");
        text_add(t, "\n   WorkDir=");
        text_add(t, str_get(j, JS_WORKDIR));
        if (*str_get(j, JS_COMMENT)) {
                text_add(t, "\n   Comment=");
                text_add(t, str_get(j, JS_COMMENT));
                text_add(t, " ");
        }
        text_add(t, "\n   StdErr=");
        text_add(t, err.s ? err.s : out.s);
        text_add(t, "\n   StdIn=/dev/null\n   StdOut=");
        text_add(t, out.s);
        text_add(t, "\n   Power=\n");
        text_free(&out);
        text_free(&err);
}

void show_job(Text *out, const Job *j, bool oneline) {
        Text t = {};

        add_identity(&t, j);
        add_state(&t, j);
        add_times(&t, j);
        add_resources(&t, j);
        add_files(&t, j);
        if (oneline)
                flatten(out, t.s);
        else
                text_add(out, t.s);
        text_add(out, oneline ? "\n" : "   \n\n");
        text_free(&t);
}

void show_config(Text *out) {
        bool accounting = knob_int("accounting", 1);

        text_addf(out, "Configuration data as of %s\n", time_iso(now_ms(), ""));
        text_addf(out, "AccountingStorageEnforce = associations,limits,qos\n");
        text_addf(out, "AccountingStorageType   = accounting_storage/%s\n",
                accounting ? "slurmdbd" : "none");
        text_addf(out, "AccountingStoreFlags    = %s\n",
                knob_int("store_comment", 1) ? "job_comment" : "(null)");
        text_addf(out, "ClusterName             = %s\n", knob("cluster", "standin"));
        text_addf(out, "FirstJobId              = 1\n");
        text_addf(out, "MaxArraySize            = 1001\n");
        text_addf(out, "MaxJobCount             = 10000\n");
        text_addf(out, "MessageTimeout          = 10 sec\n");
        text_addf(out, "MinJobAge               = %lld sec\n",
                (long long)knob_int("min_job_age_ms", 300000) / 1000);
        text_addf(out, "NEXT_JOB_ID             = %u\n", db->next_id);
        text_addf(out, "SlurmctldHost[0]        = %s\n", node_name());
        text_addf(
                out, "SLURM_VERSION           = %s\n\n", &SLURM_VERSION_TEXT[sizeof("slurm-wlm")]);
        text_addf(out, "Slurmctld(primary) at %s is UP\n", node_name());
}
