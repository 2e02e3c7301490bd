/* SPDX-License-Identifier: Apache-2.0 */

/* What the orders of `flowcronctl flow` share: see flow.h. */

#include "flow.h"

#include <fcntl.h>
#include <string.h>
#include <uuid.h>

#include "access.h"
#include "fileio.h"
#include "strv.h"
#include "text.h"

#define DEPLOYED_FILE "globus.json"
#define DEPLOYED_MAX 65536

const FlowKind *flow_kind(bool fetch) {
        static const FlowKind kinds[] = { { "flow", "", "" }, { "fetch", "-fetch", " --fetch" } };

        return &kinds[fetch];
}

char *flow_file_name(const char *instance, const FlowKind *kind, const char *what) {
        return xasprintf("FlowCron-%s%s_%s.json", instance, kind->infix, what);
}

int flow_refuse(Cli *cli, int r, const Error *e) {
        static const struct {
                int r;
                const char *word;
        } words[] = {
                { GLOBUS_E_LOGIN, "login" },
                { GLOBUS_E_CONSENT, "consent" },
                { GLOBUS_E_REFUSED, "refused" },
                { GLOBUS_E_NOT_FOUND, "unknown" },
                { GLOBUS_E_SERVER, "service" },
                { GLOBUS_E_UNREACHABLE, "no-answer" },
        };
        Refusal f = { .code = EXIT_FAILED };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (words[i].r == r)
                        f.word = words[i].word;
        if (e->text[0])
                f.e = *e;
        else
                error_set(&f.e, 0, "%s", strerror(r < 0 ? -r : EIO));
        return cli_refuse(cli, &f);
}

/* ---- what was deployed ---- */

/* The instance's .flowcron, or an exit code, said already. */
static int open_state(Cli *cli, int *ret) {
        _cleanup_free_ char *path = NULL;
        Refusal f = {};

        if (access_config(cli, &f) != 0)
                return cli_refuse(cli, &f);
        path = xasprintf("%s/.flowcron", cli->config->base);
        if (!path)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        *ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (*ret < 0)
                return cli_fail(cli, "can't open %s: %s%s", path, strerror(errno),
                        errno == ENOENT ? "; start flowcrond once, or name the flow with --flow"
                                        : "");
        return 0;
}

int flow_deployed_read(Cli *cli, cJSON **ret) {
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *data = NULL;
        Error e = {};
        size_t size;
        int r;

        r = open_state(cli, &fd);
        if (r != 0)
                return r;
        r = file_read_at(fd, DEPLOYED_FILE, DEPLOYED_MAX, &data, &size);
        if (r == -ENOENT) {
                *ret = cJSON_CreateObject();
                return *ret ? 0 : cli_fail(cli, "%s", strerror(ENOMEM));
        }
        if (r == 0)
                r = json_parse(data, size, ret, &e);
        if (r < 0)
                return cli_fail(cli, "can't read %s/.flowcron/" DEPLOYED_FILE ": %s",
                        cli->config->base, e.text[0] ? e.text : strerror(-r));
        return 0;
}

int flow_deployed_write(Cli *cli, const cJSON *deployed) {
        _cleanup_free_ char *text = json_print_pretty(deployed);
        _cleanup_close_ int fd = -1;
        int r;

        if (!text)
                return cli_fail(cli, "%s", strerror(ENOMEM));
        r = open_state(cli, &fd);
        if (r != 0)
                return r;
        r = file_replace_at(fd, DEPLOYED_FILE, text, strlen(text), 0640);
        if (r < 0)
                return cli_fail(cli, "can't write %s/.flowcron/" DEPLOYED_FILE ": %s",
                        cli->config->base, strerror(-r));
        return 0;
}

bool flow_uuid_valid(const char *text) {
        uuid_t uuid;

        return strlen(text) == UUID_STR_LEN - 1 && uuid_parse(text, uuid) == 0;
}

static int copy_id(Cli *cli, const char *id, char **ret) {
        *ret = strdup(id);
        return *ret ? 0 : cli_fail(cli, "%s", strerror(ENOMEM));
}

int flow_id(Cli *cli, const char *given, const FlowKind *kind, char **ret) {
        _cleanup_json_ cJSON *deployed = NULL;
        const char *id;
        int r;

        if (given && !flow_uuid_valid(given))
                return cli_usage_error(
                        cli, "--flow is the UUID of a flow, as its page in Globus shows it");
        if (given)
                return copy_id(cli, given, ret);
        r = flow_deployed_read(cli, &deployed);
        if (r != 0)
                return r;
        id = json_str(json_object(deployed, kind->key), "id");
        if (!id)
                return cli_fail(cli,
                        "no flow was deployed for this instance yet: flowcronctl flow deploy%s, or name one with --flow",
                        kind->option);
        return copy_id(cli, id, ret);
}

int flow_split(const char *text, char ***ret) {
        while (!isempty(text)) {
                size_t n = strcspn(text, ",");

                if (n > 0 && strv_take(ret, strndup(text, n)) < 0)
                        return -ENOMEM;
                text += n;
                text += *text == ',';
        }
        return 0;
}
