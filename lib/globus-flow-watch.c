/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Waiting, with one action a round.
 *
 * A round is: wait, list the status folder (one entry), note what it says, choose. What the board
 * says last decides which of the waiting states comes next, so that the run's event log shows in
 * plain words where the job is. Nothing but an entry that begins with "done - " or "gone" ends the
 * waiting; an empty listing, or a cluster that does not answer, is borne with, and counted.
 *
 * The pauses grow: each is some percent longer than the one before, up to a bound, so that a look
 * comes late by no more than these percent of the time that has passed. They are written out as a
 * list, because whole numbers of seconds are wanted and the language has no documented way to
 * round. The bound on the looks is there because the engine is thought to end a run after 25,000
 * entries of its history.
 *
 * What the run knows: $.progress {text, round, silent, pause}, $.board (the last listing).
 */

#include "globus-flow-build.h"

/* What an instance's board says of a success that moved on to the next. */
#define MOVED_ON "gone - moved on"

/*
 * So many looks one after the other that show nothing: with the usual pauses four days, the longest
 * weekend without a system administrator.
 */
#define SILENT_LOOKS 72
/*
 * Of a Unit of Work that is fetched: who asks for it knows that it has been there, so a name that
 * nobody knows is a mistake. An hour and a half.
 */
#define SILENT_LOOKS_FETCH 15

unsigned flow_pause(const FlowOptions *o, unsigned n) {
        uint64_t first = o->first / USEC_PER_SEC, longest = o->longest / USEC_PER_SEC;
        double pause = (double)first;

        while (n-- > 0 && pause < (double)longest)
                pause *= o->factor;
        return pause < (double)longest ? (unsigned)(pause + 0.5) : (unsigned)longest;
}

/* How many pauses are shorter than the longest, the first not counted; all after them are alike. */
static unsigned growing(const FlowOptions *o) {
        unsigned n = 1;

        if (o->factor <= 1)
                return 0;
        while (n < FLOW_PAUSES_MAX && flow_pause(o, n) < o->longest / USEC_PER_SEC)
                n++;
        return n - 1;
}

unsigned flow_events(const FlowOptions *o, usec_t time) {
        usec_t passed = 0;
        unsigned rounds = 0;

        while (passed < time && rounds < o->rounds)
                passed += flow_pause(o, rounds++) * USEC_PER_SEC;
        return rounds * FLOW_EVENTS_A_ROUND + FLOW_EVENTS_AROUND;
}

usec_t flow_patience(const FlowOptions *o) {
        usec_t sum = 0;

        for (unsigned i = 0; i < o->rounds; i++)
                sum += flow_pause(o, i) * USEC_PER_SEC;
        return sum;
}

/* ---- the states ---- */

static cJSON *nothing_known(Flow *f) {
        cJSON *o = flow_object(f, PAIRS({ "text", "" }));

        f->spoiled |= json_set_int(o, "round", 0) < 0 || json_set_int(o, "silent", 0) < 0 ||
                json_set_int(o, "pause", flow_pause(f->options, 0)) < 0;
        return o;
}

/* The pause that follows look number progress.round. */
static const char *next_pause(Flow *f) {
        unsigned n = growing(f->options), last = flow_pause(f->options, n + 1);
        const char *list = "";

        if (n == 0)
                return flow_text(f, "%u", last);
        for (unsigned i = 1; i <= n; i++)
                list = flow_text(f, "%s%s%u", list, i > 1 ? ", " : "", flow_pause(f->options, i));
        return flow_text(f, "[%s][progress.round] if progress.round < %u else %u", list, n, last);
}

/*
 * What a listing of a folder that is not there answers is not documented; it may well be an answer
 * without a list.
 */
#define LISTED "getattr('board.details.DATA', [])"

static void look(Flow *f) {
        cJSON *limit = flow_object(f, NULL);

        f->spoiled |= json_set_int(limit, "limit", 1) < 0;
        flow_action(f, "LookAtStatus",
                &(FlowAction){
                        .comment =
                                "One entry of the status folder, whose name says where the job is.",
                        .url = PROVIDER_LS,
                        .on_cluster_only = true,
                        .parameters = PAIRS({ "endpoint_id", f->site.collection },
                                { "path.$", "$.plan.status" }),
                        .more = limit,
                        .result = "$.board",
                        .on_error = "NoteNoAnswer",
                        .next = "NoteStatus" });
        flow_eval(f, "NoteStatus", "What the entry says; without one, what the last one said.",
                PAIRS({ "text.=", "([entry.name for entry in " LISTED "] + [progress.text])[0]" },
                        { "round.=", "progress.round + 1" },
                        { "silent.=", "0 if len(" LISTED ") > 0 else progress.silent + 1" },
                        { "pause.=", next_pause(f) }),
                "$.progress", "ReadStatus");
        flow_eval(f, "NoteNoAnswer",
                "The cluster did not answer; that passes. What it said last still stands.",
                PAIRS({ "text.$", "$.progress.text" }, { "round.=", "progress.round + 1" },
                        { "silent.=", "progress.silent + 1" }, { "pause.=", next_pause(f) }),
                "$.progress", "ReadStatus");
}

/* The words of the board, each with a state of its own in which the run waits. */
static const struct Waiting {
        const char *pattern, *state, *comment;
} waiting[] = {
        { "arriving*", "WaitWhileArriving", "The upload is on the cluster, but not taken up yet." },
        { "waiting*", "WaitForTheScheduler",
                "FlowCron has the folder; the cluster's scheduler has not got the job yet." },
        { "pending*", "WaitInTheQueue", "The job waits in the cluster's queue for its turn." },
        { "running*", "WaitWhileTheJobRuns", "The job is running." },
        { "finishing*", "WaitForTheResult", "The job is over; its result is being made ready." },
};

static void choose(Flow *f) {
        unsigned silent = f->options->fetch ? SILENT_LOOKS_FETCH : SILENT_LOOKS;
        FlowChoice c = flow_choice(
                f, "ReadStatus", "What is to be done about what the status says.", "WaitForNews");

        choice_text(c, "$.progress.text", "StringMatches", "done - *", STATE_RETURN_FIRST);
        if (f->site.n_legs > 1)
                choice_text(
                        c, "$.progress.text", "StringMatches", MOVED_ON "*", "WhereDidItMoveOn");
        choice_text(c, "$.progress.text", "StringMatches", "gone*", "TheResultIsGone");
        choice_at_least(c, "$.progress.silent", silent, "FlowCronIsSilent");
        choice_at_least(c, "$.progress.round", f->options->rounds, "WaitedTooLong");
        for (size_t i = 0; i < ELEMENTSOF(waiting); i++)
                choice_text(c, "$.progress.text", "StringMatches", waiting[i].pattern,
                        waiting[i].state);
        flow_wait(f, "WaitForNews", "Nothing is known of the job yet.", "$.progress.pause", 0,
                "LookAtStatus");
        for (size_t i = 0; i < ELEMENTSOF(waiting); i++)
                flow_wait(f, waiting[i].state, waiting[i].comment, "$.progress.pause", 0,
                        "LookAtStatus");
}

/* ---- along a chain ---- */

/* That folder of the next instance: which one that is, is known to the run. */
static const char *next_folder(Flow *f, FlowFolder folder) {
        const char *list = "";

        for (size_t i = 1; i < f->site.n_legs; i++)
                list = flow_text(f, "%s%s%s", list, i > 1 ? ", " : "",
                        flow_quote(f, f->site.legs[i][folder]));
        return flow_text(f, "[%s][plan.leg - 1]", list);
}

/*
 * A success that moved on is looked for in the next instance, which has a status board of its own.
 */
static void follow(Flow *f) {
        FlowChoice c = flow_choice(f, "WhereDidItMoveOn",
                "The next instance of the chain, unless this was the last.", "TheResultIsGone");

        choice_at_most(c, "$.plan.leg", (double)f->site.n_legs - 1, "FollowTheChain");
        flow_eval(f, "FollowTheChain", "One part of the work is done; the next has begun.",
                PAIRS({ "name.=", FLOW_NAME },
                        { "status.=",
                                flow_text(
                                        f, "%s + (%s)", next_folder(f, FOLDER_STATUS), FLOW_NAME) },
                        { "analysed.=", next_folder(f, FOLDER_ANALYSED) },
                        { "failed.=", next_folder(f, FOLDER_FAILED) }, { "leg.=", "plan.leg + 1" },
                        { "return_label.$", "$.plan.return_label" },
                        { "publish_label.$", "$.plan.publish_label" },
                        { "delete_label.$", "$.plan.delete_label" }),
                "$.plan", "ForgetTheStatus");
        flow_eval(f, "ForgetTheStatus", "The next part's status is another folder.",
                PAIRS({ "text", "" }, { "round.$", "$.progress.round" }, { "silent.=", "0" },
                        { "pause.=", flow_text(f, "%u", flow_pause(f->options, 0)) }),
                "$.progress", "MakeNextStatusFolder");
        flow_action(f, "MakeNextStatusFolder",
                &(FlowAction){ .comment = "FlowCron will say in it how the next part stands.",
                        .url = PROVIDER_MKDIR,
                        .on_cluster_only = true,
                        .parameters = PAIRS({ "endpoint_id", f->site.collection },
                                { "path.$", "$.plan.status" }),
                        .result = "$.look",
                        .on_error =
                                "WaitForNews", /* perhaps it is there; if not, nothing will be heard */
                        .next = "WaitForNews" });
}

/* ---- clear ends ---- */

static void ends(Flow *f) {
        const char *about = flow_text(f, "%s + unit.name + %s", flow_quote(f, "About "),
                flow_quote(f, flow_text(f, " on %s: ", f->site.hpc)));
        const char *last = flow_text(f, "(%s + progress.text if progress.text else %s)",
                flow_quote(f, " The last that was heard: "),
                flow_quote(f, " Nothing was ever heard of it."));

        flow_explain(f, "TheResultIsGone", "It was there once, and is not any more.", "ResultGone",
                flow_text(f, "%s + %s + progress.text + %s", about,
                        flow_quote(f, "its result can't be brought back any more: "),
                        flow_quote(f,
                                ". What is in the recycling bin can be restored by who looks after FlowCron there.")));
        flow_explain(f, "FlowCronIsSilent", "Nothing was heard for too long.", "NoNews",
                flow_text(f, "%s + %s + %s", about,
                        flow_quote(f,
                                f->options->fetch
                                        ? "nothing is known there under this name. Is it spelt as it is on the cluster, with all that follows the folder's own name? "
                                          "If it is, ask who looks after FlowCron there whether it is running."
                                        : "FlowCron has said nothing for long. Ask who looks after it there whether it is running. The folder is safe on the cluster; "
                                          "when FlowCron is back, the flow that fetches brings the result."),
                        last));
        flow_explain(f, "WaitedTooLong", "A run can't wait for ever.", "WaitedTooLong",
                flow_text(f, "%s + %s + %s", about,
                        flow_quote(f,
                                "this run has waited as long as it can. The job is not touched by that: start the flow that fetches, with this name, and it goes on waiting."),
                        last));
}

void flow_watch(Flow *f) {
        flow_constant(f, STATE_WATCH_FIRST,
                "From here on the names of the states say where the job is.", nothing_known(f),
                "$.progress", f->options->fetch ? "LookAtStatus" : "WaitForNews");
        look(f);
        choose(f);
        if (f->site.n_legs > 1)
                follow(f);
        ends(f);
}
