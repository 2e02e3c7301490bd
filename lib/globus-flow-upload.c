/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From the form to a complete upload.
 *
 * Everything that can be known to be wrong is found before the first byte moves: the folder is
 * there and is one, data/ and scripts/ are in it, sentinels/ is not, and the cluster takes a new
 * folder (the status folder). A folder is asked about without its last slash, so that a file is
 * told apart from a folder.
 *
 * What the run knows, by name: $.unit (what was chosen), $.plan (where it goes), $.look (the last
 * answer), $.problem (an action that could not be done), $.upload (the transfer's answer).
 */

#include "globus-flow-build.h"

/*
 * Of a name so many characters are kept. Even if each takes four bytes, the run's id still fits
 * behind it into a file's name, which has 255 bytes; and a label, which has 128 characters, has
 * room for it, the cluster's name and the words between.
 */
#define NAME_CHARACTERS 54

/* ---- what goes where ---- */

static void read_form(Flow *f, const char *next) {
        flow_eval(f, STATE_UPLOAD_FIRST,
                "Take the folder that was chosen, with or without a slash at the end.",
                PAIRS({ "folder.=", "input.source.path.rstrip('/')" },
                        { "path.=", "input.source.path.rstrip('/') + '/'" },
                        { "name.=",
                                flow_text(f,
                                        "input.source.path.rstrip('/').rpartition('/')[2][:%d] + '_' + _context.run_id",
                                        NAME_CHARACTERS) },
                        { "title.=",
                                flow_text(f,
                                        "input.source.path.rstrip('/').rpartition('/')[2][:%d]",
                                        NAME_CHARACTERS) }),
                "$.unit", next);
}

/* @what: "upload of", …; a label neither begins nor ends with a space. */
static const char *label(Flow *f, const char *what) {
        return flow_text(f, "%s + unit.title[:%d] + %s",
                flow_quote(f, flow_text(f, "FlowCron %s ", what)), NAME_CHARACTERS,
                flow_quote(f, flow_text(f, " on %s", f->site.hpc)));
}

static void plan(Flow *f, const char *next) {
        const char *uploaded = flow_quote(f, f->site.uploaded);
        const char *const *leg = f->site.legs[0];
        bool fetch = f->options->fetch;

        flow_eval(f, "PlanTheTrip",
                fetch ? "Where it is on the cluster."
                      : "Where it goes on the cluster. The run's id makes the name one that nobody else has.",
                PAIRS({ "upload.=", fetch ? NULL : flow_text(f, "%s + unit.name + '/'", uploaded) },
                        { "sentinels.=",
                                fetch ? NULL
                                      : flow_text(f, "%s + unit.name + '/sentinels'", uploaded) },
                        { "name.$", "$.unit.name" },
                        { "status.=",
                                flow_text(f, "%s + unit.name", flow_quote(f, leg[FOLDER_STATUS])) },
                        { "analysed", leg[FOLDER_ANALYSED] }, { "failed", leg[FOLDER_FAILED] },
                        { "leg.=", f->site.n_legs > 1 ? "1" : NULL },
                        { "upload_label.=", fetch ? NULL : label(f, "upload of") },
                        { "return_label.=", label(f, "return of") },
                        { "publish_label.=", label(f, "copy of") },
                        { "delete_label.=", label(f, "removal of") }),
                "$.plan", next);
}

/* ---- look before moving ---- */

static void is_a_name(Flow *f, const char *next) {
        FlowChoice c = flow_choice(
                f, "WasAFolderChosen", "The top of a collection has no name of its own.", next);

        choice_text(c, "$.unit.title", "StringEquals", "", "NoFolderWasChosen");
        choice_text(c, "$.unit.title", "StringEquals", "~", "NoFolderWasChosen");
        flow_explain(f, "NoFolderWasChosen", "Nothing was moved.", "NoFolderChosen",
                flow_quote(f,
                        "Choose a folder within the collection, not the collection's top or your home: FlowCron takes "
                        "a folder that holds data and scripts. Nothing was moved."));
}

static void look_at(
        Flow *f, const char *name, const char *comment, const char *path, const char *next) {
        flow_action(f, name,
                &(FlowAction){ .comment = comment,
                        .url = PROVIDER_STAT,
                        .parameters =
                                PAIRS({ "endpoint_id.$", "$.input.source.id" }, { "path.=", path }),
                        .result = "$.look",
                        .on_error = "YourCollectionDoesNotAnswer",
                        .next = next });
}

static void source_unreadable(Flow *f) {
        flow_explain(f, "YourCollectionDoesNotAnswer", "Nothing was moved.", "SourceUnreadable",
                flow_text(f, "%s + unit.path + %s + str(getattr('problem.Cause', %s))",
                        flow_quote(f, "Globus could not look at "),
                        flow_quote(f,
                                " on your collection. If it is on your own computer: is that switched on, and Globus Connect Personal running? "
                                "Nothing was moved. What Globus says: "),
                        flow_quote(f, "nothing")));
}

static void look_at_folder(Flow *f, const char *next) {
        FlowChoice c;

        look_at(f, "LookAtYourFolder", "Is what was chosen there?", "unit.folder", "IsItAFolder");
        c = flow_choice(f, "IsItAFolder", "Only a folder can be uploaded.", "NotAFolder");
        choice_present_text(c, "$.look.details.type", "dir", next);
        choice_present_text(c, "$.look.details.code", "NotFound", "FolderNotFound");
        flow_explain(f, "FolderNotFound", "Nothing was moved.", "FolderNotFound",
                flow_text(f, "%s + unit.path + %s", flow_quote(f, "There is no folder "),
                        flow_quote(f,
                                " in the collection that was chosen. Look for it with the button beside the path, and start again. "
                                "Nothing was moved.")));
        flow_explain(f, "NotAFolder", "Nothing was moved.", "NotAFolder",
                flow_text(f, "unit.folder + %s",
                        flow_quote(f,
                                " is not a folder, or you are not allowed to look at it. "
                                "Choose a folder that holds data and scripts. Nothing was moved.")));
}

/* data/ or scripts/ */
static void look_for(Flow *f, const char *part, const char *look, const char *found,
        const char *missing, const char *next) {
        FlowChoice c;

        look_at(f, look, "Is everything there that FlowCron needs?",
                flow_text(f, "unit.path + %s", flow_quote(f, part)), found);
        c = flow_choice(f, found, "It must be a folder.", missing);
        choice_present_text(c, "$.look.details.type", "dir", next);
        flow_explain(f, missing, "Nothing was moved.", "NotAUnitOfWork",
                flow_text(f, "unit.path + %s",
                        flow_quote(f,
                                flow_text(f,
                                        " has no folder named %s. FlowCron takes a folder that holds a folder data "
                                        "with your data, which may be empty, and a folder scripts with one job script. Nothing was moved.",
                                        part))));
}

static void look_for_sentinels(Flow *f, const char *next) {
        FlowChoice c;

        look_at(f, "LookForSentinels",
                "A folder named sentinels would start the job before the upload is complete.",
                "unit.path + 'sentinels'", "AreSentinelsAbsent");
        c = flow_choice(f, "AreSentinelsAbsent", "There should be nothing of that name.",
                "SentinelsAreInTheWay");
        choice_present_text(c, "$.look.details.code", "NotFound", next);
        flow_explain(f, "SentinelsAreInTheWay", "Nothing was moved.", "SentinelsInTheWay",
                flow_text(f, "unit.path + %s",
                        flow_quote(f,
                                "sentinels exists. FlowCron makes a folder of that name when an upload is complete; yours would start the job "
                                "too early. Remove it, and start again. Nothing was moved.")));
        source_unreadable(f);
}

/* ---- to the cluster ---- */

static void make_status_folder(Flow *f, const char *next) {
        flow_action(f, "MakeStatusFolder",
                &(FlowAction){
                        .comment =
                                "FlowCron will say in it where the job is. It also shows that the cluster can be written to, before anything is moved.",
                        .url = PROVIDER_MKDIR,
                        .on_cluster_only = true,
                        .parameters = PAIRS({ "endpoint_id", f->site.collection },
                                { "path.$", "$.plan.status" }),
                        .result = "$.look",
                        .on_error = "ClusterCannotBeWrittenTo",
                        .next = next });
        flow_explain(f, "ClusterCannotBeWrittenTo", "Nothing was moved.", "ClusterNotWritable",
                flow_text(f, "%s + plan.status + %s + str(getattr('problem.Cause', %s))",
                        flow_quote(f, "Globus could not make the folder "),
                        flow_quote(f,
                                flow_text(f,
                                        " on %s. Perhaps its storage is down; perhaps you have not been given access to it: ask who published this flow. "
                                        "Nothing was moved. What Globus says: ",
                                        f->site.hpc)),
                        flow_quote(f, "nothing")));
}

/* The one item of a transfer; its folders are at two paths. */
static cJSON *one_folder(Flow *f, const char *from, const char *to) {
        cJSON *item = flow_object(
                      f, PAIRS({ "source_path.$", from }, { "destination_path.$", to })),
              *more, *list;

        more = cJSON_CreateObject();
        list = cJSON_CreateArray();
        if (json_set_bool(item, "recursive", true) < 0 || !list ||
                !cJSON_AddItemToArray(list, item)) {
                cJSON_Delete(item);
                f->spoiled = true;
        }
        if (json_set_item(more, "DATA", list) < 0)
                f->spoiled = true;
        return more;
}

cJSON *flow_transfer_options(Flow *f, cJSON *more) {
        static const char *const on[] = { "encrypt_data", "verify_checksum", "preserve_timestamp" };
        /* The run itself says how it ended; a mail for each step would say the same. */
        static const char *const off[] = { "notify_on_succeeded", "notify_on_failed" };

        for (size_t i = 0; i < ELEMENTSOF(on); i++)
                f->spoiled |= json_set_bool(more, on[i], true) < 0;
        for (size_t i = 0; i < ELEMENTSOF(off); i++)
                f->spoiled |= json_set_bool(more, off[i], false) < 0;
        return more;
}

cJSON *flow_transfer_folder(Flow *f, const char *from, const char *to) {
        return flow_transfer_options(f, one_folder(f, from, to));
}

static void upload(Flow *f, const char *next) {
        FlowChoice c;

        flow_action(f, "UploadYourFolder",
                &(FlowAction){
                        .comment =
                                "The folder goes to the cluster, encrypted, and every file is compared with the original. Large ones take a while.",
                        .url = PROVIDER_TRANSFER,
                        .seconds = TRANSFER_SECONDS,
                        .parameters = PAIRS({ "source_endpoint.$", "$.input.source.id" },
                                { "destination_endpoint", f->site.collection },
                                { "label.$", "$.plan.upload_label" }),
                        .more = flow_transfer_folder(f, "$.unit.path", "$.plan.upload"),
                        .result = "$.upload",
                        .bears_failure = true,
                        .on_error = "UploadFailed",
                        .next = "IsItUploaded" });
        c = flow_choice(f, "IsItUploaded", "Only a whole upload goes on.", "UploadFailed");
        choice_present_text(c, "$.upload.status", "SUCCEEDED", next);
        flow_explain(f, "UploadFailed", "The job was not started.", "UploadFailed",
                flow_text(f, "%s + unit.path + %s + %s", flow_quote(f, "The upload of "),
                        flow_quote(f,
                                flow_text(f,
                                        " to %s failed; the job was not started, and your folder is as it was. Start the flow again when the reason is gone. "
                                        "What Globus says: ",
                                        f->site.hpc)),
                        flow_transfer_reason(f, "upload")));
}

const char *flow_transfer_reason(Flow *f, const char *result) {
        const char *details = flow_text(f, "getattr('%s.details.nice_status_details', '')", result);
        const char *status = flow_text(f, "getattr('%s.details.nice_status', '')", result);

        /*
         * In this order: $.problem may be of an earlier action, but an action that could not be
         * done has no answer of its own.
         */
        return flow_text(f, "str(%s if %s else %s if %s else getattr('problem.Cause', %s))",
                details, details, status, status, flow_quote(f, "nothing"));
}

/* After a terabyte it would be a pity to give up for a moment's trouble, so it is tried twice. */
static void say_complete(Flow *f, const char *next) {
        const Pair *where =
                PAIRS({ "endpoint_id", f->site.collection }, { "path.$", "$.plan.sentinels" });

        flow_action(f, "SayUploadIsComplete",
                &(FlowAction){ .comment = "From now on FlowCron looks after the folder.",
                        .url = PROVIDER_MKDIR,
                        .on_cluster_only = true,
                        .parameters = where,
                        .result = "$.look",
                        .on_error = "PauseBeforeSecondTry",
                        .next = next });
        flow_wait(f, "PauseBeforeSecondTry", "The cluster did not take it; in five minutes it may.",
                NULL, 300, "SayUploadIsCompleteAgain");
        flow_action(f, "SayUploadIsCompleteAgain",
                &(FlowAction){ .comment = "The second try.",
                        .url = PROVIDER_MKDIR,
                        .on_cluster_only = true,
                        .parameters = where,
                        .result = "$.look",
                        .on_error = "JobWasNotStarted",
                        .next = next });
        flow_explain(f, "JobWasNotStarted",
                "The upload is on the cluster, but FlowCron was not told that it is complete.",
                "SentinelsNotMade",
                flow_text(f,
                        "%s + plan.upload + %s + plan.sentinels + %s + str(getattr('problem.Cause', %s))",
                        flow_quote(f, "Your folder is on the cluster as "),
                        flow_quote(f,
                                ", but the sign that it is complete could not be made. If the folder is still there, make an empty folder "),
                        flow_quote(f,
                                " with Globus's file manager: that starts the job. What Globus says: "),
                        flow_quote(f, "nothing")));
}

/* ---- the second flow: no upload ---- */

static void read_name(Flow *f, const char *next) {
        flow_eval(f, STATE_UPLOAD_FIRST,
                "Take the name and the folder, with or without a slash at the end.",
                PAIRS({ "folder.=", "input.source.path.rstrip('/')" },
                        { "path.=", "input.source.path.rstrip('/') + '/'" },
                        { "name.$", "$.input.name" },
                        { "title.=", flow_text(f, "input.name[:%d]", NAME_CHARACTERS) }),
                "$.unit", next);
}

/* Its folder need not be there: a transfer makes it. */
static void look_at_destination(Flow *f, const char *next) {
        FlowChoice c;

        look_at(f, "LookAtYourFolder", "Can the result be put there?", "unit.folder",
                "IsItAFolder");
        c = flow_choice(f, "IsItAFolder", "A folder, or a new one.", "NotAFolder");
        choice_present_text(c, "$.look.details.type", "dir", next);
        choice_present_text(c, "$.look.details.code", "NotFound", next);
        flow_explain(f, "NotAFolder", "Nothing was moved.", "NotAFolder",
                flow_text(f, "unit.folder + %s",
                        flow_quote(f,
                                " is not a folder, or you are not allowed to look at it. Choose the folder that the result is to be put into.")));
        source_unreadable(f);
}

/*
 * The folder may be gone with the first run's result, or never have been made; FlowCron fills it at
 * any time.
 */
static void find_status_folder(Flow *f, const char *next) {
        FlowChoice c;

        flow_action(f, "LookForStatusFolder",
                &(FlowAction){ .comment = "FlowCron says in it where the job is.",
                        .url = PROVIDER_STAT,
                        .on_cluster_only = true,
                        .parameters = PAIRS({ "endpoint_id", f->site.collection },
                                { "path.$", "$.plan.status" }),
                        .result = "$.look",
                        .on_error = "ClusterCannotBeWrittenTo",
                        .next = "IsThereAStatusFolder" });
        c = flow_choice(f, "IsThereAStatusFolder", "If not, it is made.", "MakeStatusFolder");
        choice_present_text(c, "$.look.details.type", "dir", next);
        make_status_folder(f, next);
}

void flow_fetch(Flow *f) {
        read_name(f, "LookAtYourFolder");
        look_at_destination(f, "PlanTheTrip");
        plan(f, "LookForStatusFolder");
        find_status_folder(f, STATE_WATCH_FIRST);
}

/* ---- the first flow ---- */

void flow_upload(Flow *f) {
        read_form(f, "WasAFolderChosen");
        is_a_name(f, "LookAtYourFolder");
        look_at_folder(f, "LookForData");
        look_for(f, "data", "LookForData", "IsDataThere", "DataIsMissing", "LookForScripts");
        look_for(f, "scripts", "LookForScripts", "AreScriptsThere", "ScriptsAreMissing",
                "LookForSentinels");
        look_for_sentinels(f, "PlanTheTrip");
        plan(f, "MakeStatusFolder");
        make_status_folder(f, "UploadYourFolder");
        upload(f, "SayUploadIsComplete");
        say_complete(f, STATE_WATCH_FIRST);
}
