/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is asked for is checked here, once, and put into the shape that the parts of the flow use:
 * see globus-flow.h.
 */

#include "globus-flow.h"

#include <string.h>
#include <uuid.h>

#include "globus-flow-build.h"
#include "strv.h"
#include "text.h"

/* Of the cluster's name, in labels and sentences. */
#define HPC_CHARACTERS 40

void flow_options_init(FlowOptions *o, const Config *c) {
        *o = (FlowOptions){ .first = c->globus.check_interval,
                .longest = FLOW_LONGEST,
                .factor = FLOW_FACTOR,
                .rounds = FLOW_ROUNDS };
        if (o->longest < o->first)
                o->longest = o->first;
}

/* ---- checks ---- */

static int check_uuid(const char *what, const char *value, Error *e) {
        uuid_t uuid;

        if (strlen(value) == UUID_STR_LEN - 1 && uuid_parse(value, uuid) == 0)
                return 0;
        return error_set(e, UOW_E_INVALID,
                "%s: \"%s\" is no UUID, such as 11111111-2222-3333-4444-555555555555", what, value);
}

static int check_path(const char *what, const char *path, Error *e) {
        if (path[0] != '/' && path[0] != '~')
                return error_set(e, UOW_E_INVALID,
                        "%s: \"%s\" is no path on a collection: it begins with / or ~", what, path);
        if (!utf8_valid(path) || strpbrk(path, "\r\n"))
                return error_set(e, UOW_E_INVALID,
                        "%s: it holds a line break, or what is no UTF-8; Globus takes no such path",
                        what);
        return 0;
}

/* Not given, it is the base folder's own path: so a mapped collection shows it. */
static const char *collection_path(const Config *c) {
        return isempty(c->globus.collection_path) ? c->base : c->globus.collection_path;
}

static int check_config(const Config *c, Error *e) {
        int r;

        if (isempty(c->globus.collection_id))
                return error_set(e, UOW_E_INVALID,
                        "globus.collection_id is not set: the UUID of the cluster's collection, as its page in Globus shows it");
        r = check_uuid("globus.collection_id", c->globus.collection_id, e);
        return r == 0 ? check_path("globus.collection_path", collection_path(c), e) : r;
}

static int check_pauses(const FlowOptions *o, Error *e) {
        if (o->first < USEC_PER_SEC || o->longest < o->first)
                return error_set(e, UOW_E_INVALID,
                        "the longest pause must not be shorter than the first, and that is at least 1s");
        if (!(o->factor >= 1 && o->factor <= 10))
                return error_set(
                        e, UOW_E_INVALID, "the factor between two pauses is a number from 1 to 10");
        if (o->factor > 1 && flow_pause(o, FLOW_PAUSES_MAX) < o->longest / USEC_PER_SEC)
                return error_set(e, UOW_E_INVALID,
                        "with a factor of %g the longest pause is not reached within %d looks",
                        o->factor, FLOW_PAUSES_MAX);
        if (o->rounds < 1 || flow_events(o, USEC_INFINITY) > FLOW_EVENTS_MAX)
                return error_set(e, UOW_E_INVALID,
                        "the number of looks is from 1 to %d: the engine is thought to end a run after 25,000 entries of its history",
                        FLOW_ROUNDS_MAX);
        return 0;
}

/* COLLECTION:PATH */
static int read_publish(Flow *f, Error *e) {
        const char *publish = f->options->publish, *colon = publish ? strchr(publish, ':') : NULL,
                   *path;
        int r;

        if (!publish)
                return 0;
        if (!colon)
                return error_set(e, UOW_E_INVALID, "publish: COLLECTION:PATH is wanted, not \"%s\"",
                        publish);
        path = colon + 1;
        f->publish_collection = flow_text(f, "%.*s", (int)(colon - publish), publish);
        f->publish_path =
                flow_text(f, "%s%s", path, *path && path[strlen(path) - 1] == '/' ? "" : "/");
        r = check_uuid("publish", f->publish_collection, e);
        return r == 0 ? check_path("publish", path, e) : r;
}

static int check_options(Flow *f, Error *e) {
        const FlowOptions *o = f->options;
        int r = check_pauses(o, e);

        if (r == 0 && o->share)
                r = check_uuid("share", o->share, e);
        if (r == 0 && o->index)
                r = check_uuid("index", o->index, e);
        if (r == 0 && o->share && o->delete == FLOW_DELETE_ALWAYS)
                r = error_set(e, UOW_E_INVALID,
                        "a result that is always removed from the cluster can't be shared there");
        return r == 0 ? read_publish(f, e) : r;
}

/* ---- the site ---- */

/*
 * A folder of the instance as the collection shows it, with a slash at the end. Absolute ones must
 * lie in the base folder: of others it is not known where that is.
 */
static int site_folder(
        Flow *f, const Config *c, const char *key, const char *path, const char **ret, Error *e) {
        const char *top = collection_path(c), *inside = path;
        size_t n = strlen(top);

        if (path[0] == '/') {
                inside = startswith(path, c->base);
                if (!inside || inside[0] != '/')
                        return error_set(e, UOW_E_INVALID,
                                "paths.%s: %s lies outside the base folder, so it is not known how the collection shows it",
                                key, path);
                inside++;
        }
        if (!utf8_valid(inside) || strpbrk(inside, "\r\n"))
                return error_set(e, UOW_E_INVALID,
                        "paths.%s: it holds a line break, or what is no UTF-8; Globus takes no such path",
                        key);
        while (n > 0 && top[n - 1] == '/')
                n--;
        *ret = flow_text(f, "%.*s/%s/", (int)n, top, inside);
        return 0;
}

/* At most HPC_CHARACTERS, without spaces at the ends and line breaks within. */
static const char *site_name(Flow *f, const char *name) {
        _cleanup_free_ char *text = text_printable(name, 0);
        const char *from = text ?: "", *end;

        from += strspn(from, " ");
        end = from;
        for (unsigned n = 0; *end && n < HPC_CHARACTERS; n++) {
                end++;
                while (((unsigned char)*end & 0xc0) == 0x80)
                        end++;
        }
        while (end > from && end[-1] == ' ')
                end--;
        return end > from ? flow_text(f, "%.*s", (int)(end - from), from) : "the cluster";
}

static int read_leg(Flow *f, const Config *c, Error *e) {
        const char **leg = f->site.legs[f->site.n_legs++];
        int r;

        r = site_folder(f, c, "status", c->paths.status, &leg[FOLDER_STATUS], e);
        if (r == 0)
                r = site_folder(f, c, "analysed", c->paths.analysed, &leg[FOLDER_ANALYSED], e);
        return r == 0 ? site_folder(f, c, "failed", c->paths.failed, &leg[FOLDER_FAILED], e) : r;
}

/* Whether a success of @from goes to @to, and a flow can follow it there. */
static int check_link(const Config *from, const Config *to, Error *e) {
        _cleanup_free_ char *uploaded = to->paths.uploaded[0] == '/'
                ? strdup(to->paths.uploaded)
                : xasprintf("%s/%s", to->base, to->paths.uploaded);

        if (!uploaded)
                return -ENOMEM;
        if (!streq(from->chain.to, uploaded))
                return error_set(e, UOW_E_INVALID,
                        "instance %s does not move its successes on to instance %s: its chain.to is \"%s\", not %s",
                        from->instance, to->instance, from->chain.to, uploaded);
        if (!streq(from->globus.collection_id, to->globus.collection_id))
                return error_set(e, UOW_E_INVALID,
                        "instances %s and %s are on different collections; a flow can't follow from one to the other",
                        from->instance, to->instance);
        return 0;
}

static int read_chain(Flow *f, const Config *c, Error *e) {
        const Config *from = c;
        int r = 0;

        for (const Config *const *to = f->options->chain; r == 0 && to && *to; from = *to++) {
                if (f->site.n_legs == FLOW_CHAIN_MAX)
                        return error_set(e, UOW_E_INVALID, "a chain has %d instances at most",
                                FLOW_CHAIN_MAX);
                r = check_link(from, *to, e);
                if (r == 0)
                        r = read_leg(f, *to, e);
        }
        return r;
}

static int read_site(Flow *f, const Config *c, Error *e) {
        FlowSite *s = &f->site;
        int r = check_config(c, e);

        if (r != 0)
                return r;
        s->instance = c->instance;
        s->collection = c->globus.collection_id;
        s->hpc = site_name(f, c->globus.hpc_name);
        r = site_folder(f, c, "uploaded", c->paths.uploaded, &s->uploaded, e);
        if (r == 0)
                r = read_leg(f, c, e);
        return r == 0 ? read_chain(f, c, e) : r;
}

/* ---- the documents ---- */

static void end_failed(Flow *f) {
        cJSON *s = flow_object(f,
                PAIRS({ "Type", "Fail" }, { "Comment", "The reason is in plain words below." },
                        { "ErrorPath", "$.ending.error" }, { "CausePath", "$.ending.cause" }));

        f->spoiled |= json_set_item(f->states, STATE_END_FAILED, s) < 0;
}

static cJSON *definition(Flow *f) {
        cJSON *d = flow_object(f,
                PAIRS({ "Comment",
                              flow_text(f,
                                      "FlowCron %s, instance %s on %s: %s. Generated by flowcronctl flow generate.",
                                      FLOWCRON_VERSION, f->site.instance, f->site.hpc,
                                      f->options->fetch
                                              ? "brings back the result of a Unit of Work that is there already"
                                              : "uploads a folder, has its job run, brings the result back") },
                        { "StartAt", STATE_UPLOAD_FIRST }));

        f->states = cJSON_CreateObject();
        if (f->options->fetch)
                flow_fetch(f);
        else
                flow_upload(f);
        flow_watch(f);
        flow_return(f);
        end_failed(f);
        f->spoiled |= json_set_item(d, "States", f->states) < 0;
        return d;
}

static int generate(Flow *f, cJSON **ret_definition, cJSON **ret_schema) {
        _cleanup_json_ cJSON *d = definition(f), *schema = flow_form(f);

        if (f->spoiled)
                return -ENOMEM;
        *ret_definition = TAKE_PTR(d);
        *ret_schema = TAKE_PTR(schema);
        return 0;
}

int flow_generate(const Config *c, const FlowOptions *o, cJSON **ret_definition, cJSON **ret_schema,
        Error *e) {
        Flow f = { .options = o };
        int r = read_site(&f, c, e);

        if (r == 0)
                r = check_options(&f, e);
        if (r == 0)
                r = generate(&f, ret_definition, ret_schema);
        strv_free(f.texts);
        return r;
}
