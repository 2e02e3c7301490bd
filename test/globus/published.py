# SPDX-License-Identifier: Apache-2.0
"""A flow of the kind that is published for FlowCron: it uploads, looks where the folder is, and fetches.

Written for the tests from what such flows are known to do, the slip included: what it takes for the
sign that a failed Unit of Work is complete it looks for under AnalysedFiles. FlowCron must serve
them as they are.
"""

TRANSFER = "https://transfer.actions.globus.org/"
PLACES = ("UploadedFiles", "CodeToRun/slurm", "AnalysedFiles", "FailedJobs")


def _action(provider, parameters, result, following, **more):
    return {"Type": "Action", "ActionUrl": TRANSFER + provider, "Parameters": parameters,
            "ResultPath": f"$.{result}", "WaitTime": 172800, "ExceptionOnActionFailure": True,
            "Next": following, **more}


def _stat(collection, name, found, missing):
    """Two states: a look, and the choice that follows from it."""
    result = f"Stat{name}"
    return {
        f"LookIn{name}": _action("stat", {"endpoint_id": collection, "path.$": f"$.paths.{name}"},
                                 result, f"IsIn{name}"),
        f"IsIn{name}": {
            "Type": "Choice", "Default": found,
            "Choices": [{"And": [{"Variable": f"$.{result}.details.code", "IsPresent": True},
                                 {"Variable": f"$.{result}.details.code",
                                  "StringEquals": "NotFound"}], "Next": missing}]}}


def _fetch(collection, name, following):
    return _action("transfer", {
        "source_endpoint": collection, "destination_endpoint.$": "$.input.source.id",
        "label": "Results from the cluster", "sync_level": 2, "verify_checksum": True,
        "preserve_timestamp": True,
        "DATA": [{"source_path.$": f"$.paths.{name}", "destination_path.$": "$.input.source.path",
                  "recursive": True}]}, f"Fetch{name}", following)


def published_flow(collection, base, seconds=60):
    """The definition, for an instance whose base folder the collection shows as `base`."""
    def quoted(text):
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    paths = {place.rpartition("/")[2].capitalize() if place == PLACES[1] else place:
             f"{base}/{place}/" for place in PLACES}
    names = {f"{key}.=": f"{quoted(path)} + unit.name + '/'" for key, path in paths.items()}
    names["Sentinels.="] = f"{quoted(paths['UploadedFiles'])} + unit.name + '/sentinels'"
    names["AnalysedSentinels.="] = f"{quoted(paths['AnalysedFiles'])} + unit.name + '/sentinels'"
    names["FailedSentinels.="] = names["AnalysedSentinels.="]  # the slip
    states = {
        "NameIt": {"Type": "ExpressionEval", "ResultPath": "$.unit", "Next": "NamePaths",
                   "Parameters": {"name.=": "pathsplit(pathsplit(input.source.path)[0])[1] + '_' "
                                            "+ _context.run_id"}},
        "NamePaths": {"Type": "ExpressionEval", "ResultPath": "$.paths", "Next": "Upload",
                      "Parameters": names},
        "Upload": _action("transfer", {
            "source_endpoint.$": "$.input.source.id", "destination_endpoint": collection,
            "label": "Data to the cluster", "verify_checksum": True, "preserve_timestamp": True,
            "DATA": [{"source_path.$": "$.input.source.path", "recursive": True,
                      "destination_path.$": "$.paths.UploadedFiles"}]}, "Uploaded", "SayComplete"),
        "SayComplete": _action("mkdir", {"endpoint_id": collection, "path.$": "$.paths.Sentinels"},
                               "Complete", "Wait"),
        "Wait": {"Type": "Wait", "Seconds": seconds, "Next": "LookInUploadedFiles"},
        **_stat(collection, "UploadedFiles", "Wait", "LookInSlurm"),
        **_stat(collection, "Slurm", "Wait", "LookInAnalysedFiles"),
        **_stat(collection, "AnalysedFiles", "LookInAnalysedSentinels", "LookInFailedJobs"),
        **_stat(collection, "FailedJobs", "LookInFailedSentinels", "CronServiceError"),
        **_stat(collection, "AnalysedSentinels", "Wait", "FetchResult"),
        **_stat(collection, "FailedSentinels", "Wait", "FetchFailure"),
        "FetchResult": _fetch(collection, "AnalysedFiles", "IsItToGo"),
        "IsItToGo": {"Type": "Choice", "Default": "Done", "Choices": [
            {"Variable": "$.input.delete", "BooleanEquals": True, "Next": "Delete"}]},
        "Delete": _action("delete", {"endpoint": collection, "recursive": True,
                                     "DATA": [{"path.$": "$.paths.AnalysedFiles"}]},
                          "Deleted", "Done"),
        "Done": {"Type": "Pass", "ResultPath": "$.end", "End": True},
        "FetchFailure": _fetch(collection, "FailedJobs", "TheJobFailed"),
        "TheJobFailed": {"Type": "Fail", "Error": "JobFailed", "CausePath": "$.paths.FailedJobs"},
        "CronServiceError": {"Type": "Fail", "Error": "CronServiceError",
                             "Cause": "Cron service error"},
    }
    return {"StartAt": "NameIt", "States": states}
