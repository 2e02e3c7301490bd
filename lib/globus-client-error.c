/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the services say when something is wrong, in words.
 *
 * Globus Flows: {"error": {"code", "message", "detail"}, "debug_id"}, where detail is a text or a
 * list of {"loc", "msg"}; Globus Auth: {"error": "word", "error_description"} or {"errors":
 * [{"code", "detail"}]}; either may ask for a consent instead, with "code" and
 * "authorization_parameters".
 */

#include "globus-client-internal.h"

#include <string.h>

#include "text.h"

/* "$.definition.States[0]" */
static void put_place(FILE *f, const cJSON *loc) {
        const cJSON *step;

        fputc('$', f);
        cJSON_ArrayForEach(step, loc)
                if (cJSON_IsNumber(step))
                        fprintf(f, "[%d]", step->valueint);
                else if (cJSON_IsString(step))
                        fprintf(f, ".%s", step->valuestring);
}

static void put_details(FILE *f, const cJSON *detail) {
        const cJSON *one;

        if (cJSON_IsString(detail))
                fprintf(f, ": %s", detail->valuestring);
        if (!cJSON_IsArray(detail))
                return;
        cJSON_ArrayForEach(one, detail) {
                fputs(one == detail->child ? ": " : "; ", f);
                if (json_array(one, "loc")) {
                        put_place(f, json_array(one, "loc"));
                        fputs(": ", f);
                }
                fputs(cJSON_GetStringValue(one) ?: json_str(one, "msg") ?: "something is wrong", f);
        }
}

/* The member "error" or the first of "errors". */
static const cJSON *error_object(const cJSON *body) {
        const cJSON *o = json_object(body, "error");

        return o ? o : cJSON_GetArrayItem(json_array(body, "errors"), 0);
}

static char *service_words(const HttpAnswer *a) {
        const cJSON *o = error_object(a->body);
        const char *word = json_str(o, "message") ?: json_str(o, "title") ?: json_str(o, "code") ?: json_str(a->body, "error_description")
                ?: json_str(a->body, "error") ?: json_str(a->body, "message");
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        if (word)
                fputs(word, f);
        else
                fprintf(f, "it answered with status %ld", a->status);
        put_details(f, cJSON_GetObjectItemCaseSensitive(o, "detail"));
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

/* ---- consents ---- */

static const cJSON *authorization(const cJSON *body) {
        return json_object(body, "authorization_parameters")
                ?: json_object(error_object(body), "authorization_parameters");
}

static const cJSON *wanted_scopes(const cJSON *body) {
        return json_array(authorization(body), "required_scopes");
}

static bool wants_consent(const HttpAnswer *a) {
        const char *code = json_str(error_object(a->body), "code") ?: json_str(a->body, "code") ?: "";

        return a->status == 403 &&
                (wanted_scopes(a->body) || streq(code, "MISSING_SCOPE") ||
                        streq(code, "ConsentRequired"));
}

static int consent(const HttpAnswer *a, const char *flow, Error *e) {
        const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(wanted_scopes(a->body), 0));
        const char *access = name ? strstr(name, "/data_access") : NULL;
        const char *why = json_str(authorization(a->body), "session_message") ?: name;
        const char *option = flow ? " --flow " : "";

        /* A collection's data_access is the usual one; its UUID stands before it. */
        if (access && access - name >= 36)
                return error_set(e, GLOBUS_E_CONSENT,
                        "your login does not let the flow use the files of collection %.36s. Give it the consent: flowcronctl flow login --data-access %.36s%s%s",
                        access - 36, access - 36, option, flow ?: "");
        return error_set(e, GLOBUS_E_CONSENT,
                "your login does not cover this%s%s%s. Log in again and agree to what is asked: flowcronctl flow login%s%s",
                why ? " (" : "", why ?: "", why ? ")" : "", option, flow ?: "");
}

int globus_error(const HttpAnswer *a, const char *flow, Error *e) {
        _cleanup_free_ char *words = service_words(a);

        if (!words)
                return -ENOMEM;
        if (wants_consent(a))
                return consent(a, flow, e);
        if (a->status == 401)
                return error_set(e, GLOBUS_E_LOGIN,
                        "Globus does not take the login any more (%s). Log in again: flowcronctl flow login",
                        words);
        if (a->status == 404)
                return error_set(e, GLOBUS_E_NOT_FOUND,
                        "Globus knows no such thing, or does not show it to you: %s", words);
        if (a->status == 429)
                return error_set(e, GLOBUS_E_SERVER,
                        "Globus asks to be left alone for a while (%s). Try again later", words);
        if (a->status >= 500)
                return error_set(e, GLOBUS_E_SERVER,
                        "Globus has trouble of its own (status %ld): %s. Try again later",
                        a->status, words);
        return error_set(e, GLOBUS_E_REFUSED, "Globus does not take it: %s", words);
}
