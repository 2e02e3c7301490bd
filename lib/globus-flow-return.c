/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The way back, and the end.
 *
 * Results and evidence come back the same way, into the folder that was uploaded; only then a job
 * that failed ends the run as failed, with the reason that the status board gave. A failed job's
 * folder stays on the cluster, so that it can be tried again there.
 *
 * What a step after the return can't do (a copy, an entry in an index, a permission, the removal)
 * ends the run as failed too, but says first that the result is back.
 *
 * What the run knows: $.result {name, path, outcome, succeeded}, $.back (the transfer's answer).
 */

#include "globus-flow-build.h"

/* "done - succeeded" and what precedes it; the reason follows the first seven characters. */
#define SUCCEEDED "done - succeeded"
#define DONE_CHARACTERS 7
#define SUCCEEDED_CHARACTERS 16

/*
 * With more entries their list would take too much of the 200 KB that a run may know; then
 * everything is brought back.
 */
#define LISTED 100

/* ---- what the last entry of the board says ---- */

static void plan(Flow *f, const char *next) {
        const char *succeeded =
                flow_text(f, "progress.text[:%d] == '" SUCCEEDED "'", SUCCEEDED_CHARACTERS);

        flow_eval(f, STATE_RETURN_FIRST, "Where the result is, and what became of the job.",
                PAIRS({ "name.=", FLOW_NAME },
                        { "path.=",
                                flow_text(f, "(plan.analysed if %s else plan.failed) + (%s) + '/'",
                                        succeeded, FLOW_NAME) },
                        { "outcome.=", flow_text(f, "(%s)[%d:]", FLOW_SAID, DONE_CHARACTERS) },
                        { "succeeded.=", succeeded }),
                "$.result", next);
}

/* ---- bringing it back ---- */

static cJSON *transfer_listed(Flow *f) {
        cJSON *more = flow_object(f, PAIRS({ "DATA.$", "$.parts.found" }));

        return flow_transfer_options(f, more);
}

static cJSON *newer_only(Flow *f, cJSON *more) {
        /*
         * 2: what is newer on the cluster. What was uploaded and is unchanged does not travel
         * again, and what the user changed meanwhile stays.
         */
        f->spoiled |= json_set_int(more, "sync_level", 2) < 0;
        return more;
}

static void bring(Flow *f, const char *name, cJSON *more) {
        flow_action(f, name,
                &(FlowAction){
                        .comment =
                                "The folder comes back to where it was uploaded from, with what the job made of it; what has not changed does not travel again.",
                        .url = PROVIDER_TRANSFER,
                        .seconds = TRANSFER_SECONDS,
                        .parameters = PAIRS({ "source_endpoint", f->site.collection },
                                { "destination_endpoint.$", "$.input.source.id" },
                                { "label.$", "$.plan.return_label" }),
                        .more = newer_only(f, more),
                        .result = "$.back",
                        .bears_failure = true,
                        .on_error = "ResultWasNotBroughtBack",
                        .next = "IsItBack" });
}

/* Everything but data/: told by name, one item each. */
static void bring_all_but_data(Flow *f) {
        cJSON *limit = flow_object(f, NULL);
        FlowChoice c;

        f->spoiled |= json_set_int(limit, "limit", LISTED) < 0;
        flow_action(f, "ListTheResult",
                &(FlowAction){ .comment = "What is in it, to leave out the data that was uploaded.",
                        .url = PROVIDER_LS,
                        .on_cluster_only = true,
                        .parameters = PAIRS({ "endpoint_id", f->site.collection },
                                { "path.$", "$.result.path" }),
                        .more = limit,
                        .result = "$.listing",
                        .on_error = "BringBackEverything",
                        .next = "IsTheListWhole" });
        c = flow_choice(f, "IsTheListWhole",
                "A list that is too long would not be whole; then everything comes back.",
                "BringBackEverything");
        choice_present_at_most(c, "$.listing.details.total", LISTED, "ChooseWhatComesBack");
        flow_eval(f, "ChooseWhatComesBack", "All but the folder data.",
                PAIRS({ "found.=",
                        "[{'source_path': result.path + entry.name, 'destination_path': unit.path + entry.name, 'recursive': entry.type == 'dir'} "
                        "for entry in listing.details.DATA if entry.name != 'data']" }),
                "$.parts", "BringBackResults");
        bring(f, "BringBackResults", transfer_listed(f));
}

static void bring_back(Flow *f, const char *next) {
        FlowChoice c;

        if (f->options->results_only)
                bring_all_but_data(f);
        bring(f, "BringBackEverything", flow_transfer_folder(f, "$.result.path", "$.unit.path"));
        c = flow_choice(
                f, "IsItBack", "Nothing is removed before it is.", "ResultWasNotBroughtBack");
        choice_present_text(c, "$.back.status", "SUCCEEDED", next);
        flow_explain(f, "ResultWasNotBroughtBack", "It is still on the cluster.", "ReturnFailed",
                flow_text(f,
                        "%s + result.outcome + %s + unit.path + %s + result.path + %s + result.name + %s + %s",
                        flow_quote(f, "The job is over ("),
                        flow_quote(f, "), but its folder could not be brought back to "),
                        flow_quote(f, flow_text(f, ". It is safe on %s, in ", f->site.hpc)),
                        flow_quote(f, ": start the flow that fetches, with the name "),
                        flow_quote(f, ". What Globus says: "), flow_transfer_reason(f, "back")));
}

static void judge(Flow *f, const char *next) {
        FlowChoice c = flow_choice(f, "DidTheJobSucceed",
                "A failed job's folder came back too, with the report.", "TheJobDidNotSucceed");

        choice_true(c, "$.result.succeeded", next);
        flow_explain(f, "TheJobDidNotSucceed",
                "What to do about it is in flowcron/report.txt, in the folder that came back.",
                "JobDidNotSucceed",
                flow_text(f,
                        "%s + unit.title + %s + result.outcome + %s + unit.path + %s + result.name + %s",
                        flow_quote(f, "The job of "),
                        flow_quote(f, flow_text(f, " on %s did not succeed: ", f->site.hpc)),
                        flow_quote(f,
                                ". What to change is in flowcron/report.txt; everything the job left is back in "),
                        flow_quote(f, ". On the cluster it is called "), flow_quote(f, ".")));
}

/* ---- the options ---- */

/* "What was asked for besides could not be done", with what is known of it. */
static void explain_besides(
        Flow *f, const char *name, const char *error, const char *what, const char *reason) {
        flow_explain(f, name, "The result is back, though.", error,
                flow_text(f, "%s + unit.path + %s + %s", flow_quote(f, "Your result is back in "),
                        flow_quote(f, flow_text(f, ", but %s. What Globus says: ", what)), reason));
}

static const char *problem(Flow *f) {
        return flow_text(f, "str(getattr('problem.Cause', %s))", flow_quote(f, "nothing"));
}

static void publish(Flow *f, const char *next) {
        FlowChoice c = flow_choice(
                f, "IsThereAResultToCopy", "Of a failed job nothing is published.", next);

        choice_true(c, "$.result.succeeded", "PlanTheCopy");
        flow_eval(f, "PlanTheCopy", "Where the copy goes.",
                PAIRS({ "path.=",
                        flow_text(f, "%s + result.name + '/'", flow_quote(f, f->publish_path)) }),
                "$.repository", "CopyToRepository");
        flow_action(f, "CopyToRepository",
                &(FlowAction){ .comment = "A copy of the final files goes to the repository.",
                        .url = PROVIDER_TRANSFER,
                        .seconds = TRANSFER_SECONDS,
                        .parameters = PAIRS({ "source_endpoint", f->site.collection },
                                { "destination_endpoint", f->publish_collection },
                                { "label.$", "$.plan.publish_label" }),
                        .more = flow_transfer_folder(f, "$.result.path", "$.repository.path"),
                        .result = "$.published",
                        .bears_failure = true,
                        .on_error = "CopyFailed",
                        .next = "IsItCopied" });
        c = flow_choice(f, "IsItCopied", "Only a whole copy counts.", "CopyFailed");
        choice_present_text(c, "$.published.status", "SUCCEEDED", next);
        explain_besides(f, "CopyFailed", "CopyFailed",
                "it could not be copied to the repository, and stays on the cluster",
                flow_transfer_reason(f, "published"));
}

static cJSON *index_entry(Flow *f) {
        cJSON *more, *content;
        const char *group = f->options->share
                ? flow_text(f, " + [%s]",
                          flow_quote(f, flow_text(f, "urn:globus:groups:id:%s", f->options->share)))
                : "";

        content = flow_object(f,
                PAIRS({ "name.$", "$.result.name" }, { "run_id.=", "_context.run_id" },
                        { "outcome.$", "$.result.outcome" }, { "instance", f->site.instance },
                        { "hpc", f->site.hpc }, { "title.=", "getattr('input.title', unit.title)" },
                        { "keywords.=", "getattr('input.keywords', [])" },
                        { "description.=", "getattr('input.description', '')" },
                        { "source_collection.$", "$.input.source.id" },
                        { "source_path.$", "$.unit.path" },
                        { "result_collection", f->site.collection },
                        { "result_path.$", "$.result.path" },
                        { "copy_collection", f->publish_collection },
                        { "copy_path.=",
                                f->publish_collection ? "getattr('repository.path', '')" : NULL },
                        { "uploaded.=", "getattr('upload.completion_time', '')" },
                        { "returned.=", "getattr('back.completion_time', '')" }));
        more = flow_object(
                f, PAIRS({ "visible_to.=", flow_text(f, "[_context.user_id]%s", group) }));
        f->spoiled |= json_set_item(more, "content", content) < 0;
        return more;
}

/* Failed jobs are recorded as well: what was tried is worth finding. */
static void record_in_index(Flow *f, const char *next) {
        flow_action(f, "RecordInIndex",
                &(FlowAction){
                        .comment =
                                "An entry in the search index, for those who look for the result later.",
                        .url = PROVIDER_INGEST,
                        .parameters = PAIRS({ "search_index", f->options->index },
                                { "subject.=",
                                        flow_text(f, "%s + _context.run_id",
                                                flow_quote(f,
                                                        flow_text(f, "flowcron/%s/",
                                                                f->site.instance))) }),
                        .more = index_entry(f),
                        .result = "$.indexed",
                        .on_error = "IndexingFailed",
                        .next = next });
        flow_explain(f, "IndexingFailed", "The folder is back, though.", "IndexingFailed",
                flow_text(f, "%s + unit.path + %s + result.outcome + %s + %s",
                        flow_quote(f, "Your folder is back in "), flow_quote(f, " ("),
                        flow_quote(f,
                                "), but it could not be entered in the search index, and stays on the cluster. What Globus says: "),
                        problem(f)));
}

static void share(Flow *f, const char *next) {
        flow_action(f, "ShareWithGroup",
                &(FlowAction){ .comment = "The group may read the result on the cluster.",
                        .url = PROVIDER_PERMISSION,
                        .on_cluster_only = true,
                        .parameters = PAIRS({ "operation", "CREATE" },
                                { "endpoint_id", f->site.collection },
                                { "path.$", "$.result.path" }, { "principal_type", "group" },
                                { "principal", f->options->share }, { "permissions", "r" }),
                        .result = "$.shared",
                        .on_error = "SharingFailed",
                        .next = next });
        explain_besides(f, "SharingFailed", "SharingFailed",
                "the group could not be allowed to read it on the cluster", problem(f));
}

static void ask_delete(Flow *f, const char *kept, const char *next) {
        FlowChoice c;

        flow_eval(f, "ReadTheAnswer",
                "Whether the form says that the folder on the cluster is to be removed.",
                PAIRS({ "remove.=", "getattr('input.delete', False)" }), "$.answer",
                "IsItToBeRemoved");
        c = flow_choice(f, "IsItToBeRemoved", "As was said in the form.", kept);
        choice_true(c, "$.answer.remove", next);
}

static void delete (Flow *f, const char *next) {
        cJSON *more = cJSON_CreateObject(), *list = cJSON_CreateArray(),
              *item = flow_object(f, PAIRS({ "path.$", "$.result.path" }));
        FlowChoice c;

        if (!cJSON_AddItemToArray(list, item)) {
                cJSON_Delete(item);
                f->spoiled = true;
        }
        f->spoiled |=
                json_set_item(more, "DATA", list) < 0 || json_set_bool(more, "recursive", true) < 0;
        flow_action(f, "RemoveFromCluster",
                &(FlowAction){ .comment = "The result is back, so the cluster's copy goes.",
                        .url = PROVIDER_DELETE,
                        .seconds = TRANSFER_SECONDS,
                        .on_cluster_only = true,
                        .parameters = PAIRS({ "endpoint", f->site.collection },
                                { "label.$", "$.plan.delete_label" }),
                        .more = more,
                        .result = "$.removed",
                        .bears_failure = true,
                        .on_error = "RemovalFailed",
                        .next = "IsItRemoved" });
        c = flow_choice(f, "IsItRemoved", "If not, it is said.", "RemovalFailed");
        choice_present_text(c, "$.removed.status", "SUCCEEDED", next);
        explain_besides(f, "RemovalFailed", "RemovalFailed",
                "it could not be removed from the cluster", flow_transfer_reason(f, "removed"));
}

/* ---- in order ---- */

void flow_return(Flow *f) {
        const FlowOptions *o = f->options;
        const char *kept = o->share ? "ShareWithGroup" : "Done";
        const char *removal = o->delete == FLOW_DELETE_ASK ? "ReadTheAnswer"
                : o->delete == FLOW_DELETE_ALWAYS          ? "RemoveFromCluster"
                                                           : kept;
        const char *judged = o->index ? "RecordInIndex" : "DidTheJobSucceed";

        plan(f, o->results_only ? "ListTheResult" : "BringBackEverything");
        bring_back(f, o->publish ? "IsThereAResultToCopy" : judged);
        if (o->publish)
                publish(f, judged);
        if (o->index)
                record_in_index(f, "DidTheJobSucceed");
        judge(f, removal);
        if (o->delete == FLOW_DELETE_ASK)
                ask_delete(f, kept, "RemoveFromCluster");
        if (o->delete != FLOW_DELETE_NEVER)
                delete (f, "Done");
        if (o->share)
                share(f, "Done");
        flow_done(f, "Done", "The result is in your folder.");
}
