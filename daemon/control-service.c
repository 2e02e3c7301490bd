/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which method is meant, and what every varlink service answers about itself: org.varlink.service, so that varlinkctl and
 * other clients can look around.
 */

#include "control-internal.h"

#include <string.h>

#include "text.h"

#define SERVICE "org.varlink.service"
#define PROJECT_URL "https://doi.org/10.12688/wellcomeopenres.23491.1"

static const char service_description[] =
        "# The Varlink Service Interface is provided by every varlink service. It\n"
        "# describes the service and the interfaces it implements.\n"
        "interface org.varlink.service\n"
        "\n"
        "# Get a list of all the interfaces a service provides and information\n"
        "# about the implementation.\n"
        "method GetInfo() -> (\n"
        "  vendor: string,\n"
        "  product: string,\n"
        "  version: string,\n"
        "  url: string,\n"
        "  interfaces: []string\n"
        ")\n"
        "\n"
        "# Get the description of an interface that is implemented by this service.\n"
        "method GetInterfaceDescription(interface: string) -> (description: string)\n"
        "\n"
        "# The requested interface was not found.\n"
        "error InterfaceNotFound (interface: string)\n"
        "\n"
        "# The requested method was not found\n"
        "error MethodNotFound (method: string)\n"
        "\n"
        "# The interface defines the requested method, but the service does not\n"
        "# implement it.\n"
        "error MethodNotImplemented (method: string)\n"
        "\n"
        "# One of the passed parameters is invalid.\n"
        "error InvalidParameter (parameter: string)\n"
        "\n"
        "# Client is denied access\n"
        "error PermissionDenied ()\n"
        "\n"
        "# Method is expected to be called with 'more' set to true, but wasn't\n"
        "error ExpectedMore ()\n";

/* An object with one text member; NULL without memory, which ends up as no parameters. */
static cJSON *about(const char *key, const char *value) {
        cJSON *o = cJSON_CreateObject();

        if (o && json_set_str(o, key, value) < 0) {
                cJSON_Delete(o);
                return NULL;
        }
        return o;
}

/* The interface's name stands behind "interface " at the beginning of a line of its description. */
static bool is_our_interface(const Control *c, const char *name, size_t size) {
        static const char word[] = "interface ";
        const char *p = c->interface_description;

        if (strncmp(p, word, strlen(word)) != 0) {
                p = strstr(p, "\ninterface ");
                if (!p)
                        return false;
                p++;
        }
        p += strlen(word);
        return strncmp(p, name, size) == 0 && (p[size] == '\n' || p[size] == ' ' || !p[size]);
}

static int interface_names(const Control *c, cJSON *array) {
        const char *first = c->n_methods > 0 ? c->methods[0].name : "";
        _cleanup_free_ char *name = NULL;
        const char *method;
        size_t size;
        int r;

        r = json_add_str(array, SERVICE);
        if (r < 0 || varlink_method_split(first, &size, &method) < 0)
                return r;
        name = strndup(first, size);
        return name ? json_add_str(array, name) : -ENOMEM;
}

static int get_info(ControlCall *call) {
        _cleanup_json_ cJSON *o = cJSON_CreateObject();
        cJSON *names = cJSON_CreateArray();
        int r;

        if (!o || !names) {
                cJSON_Delete(names);
                return -ENOMEM;
        }
        r = interface_names(call->connection->control, names);
        if (json_set_item(o, "interfaces", names) < 0 || r < 0)
                return -ENOMEM;
        r = json_set_str(o, "vendor", "FlowCron");
        if (r >= 0)
                r = json_set_str(o, "product", "flowcrond");
        if (r >= 0)
                r = json_set_str(o, "version", FLOWCRON_VERSION);
        if (r >= 0)
                r = json_set_str(o, "url", PROJECT_URL);
        return r < 0 ? r : control_reply(call, TAKE_PTR(o));
}

static int get_description(ControlCall *call, const cJSON *parameters) {
        const Control *c = call->connection->control;
        const char *name = json_str(parameters, "interface");

        if (!name)
                return control_error(
                        call, VARLINK_E_INVALID_PARAMETER, about("parameter", "interface"));
        if (streq(name, SERVICE))
                return control_reply(call, about("description", service_description));
        if (is_our_interface(c, name, strlen(name)))
                return control_reply(call, about("description", c->interface_description));
        return control_error(call, VARLINK_E_INTERFACE_NOT_FOUND, about("interface", name));
}

static int dispatch_service(ControlCall *call, const char *name, const VarlinkCall *what) {
        if (streq(name, "GetInfo"))
                return get_info(call);
        if (streq(name, "GetInterfaceDescription"))
                return get_description(call, what->parameters);
        return control_error(call, VARLINK_E_METHOD_NOT_FOUND, about("method", call->method));
}

static int refuse_unknown(ControlCall *call, size_t size) {
        const Control *c = call->connection->control;
        _cleanup_free_ char *interface = strndup(call->method, size);

        if (!interface)
                return -ENOMEM;
        if (is_our_interface(c, call->method, size))
                return control_error(
                        call, VARLINK_E_METHOD_NOT_FOUND, about("method", call->method));
        return control_error(call, VARLINK_E_INTERFACE_NOT_FOUND, about("interface", interface));
}

int control_service_dispatch(ControlCall *call, const VarlinkCall *what) {
        const Control *c = call->connection->control;
        const char *name;
        size_t size;

        if (varlink_method_split(call->method, &size, &name) < 0)
                return control_error(
                        call, VARLINK_E_METHOD_NOT_FOUND, about("method", call->method));
        if (what->upgrade)
                return control_error(
                        call, VARLINK_E_METHOD_NOT_IMPLEMENTED, about("method", call->method));
        if (size == strlen(SERVICE) && strncmp(call->method, SERVICE, size) == 0)
                return dispatch_service(call, name, what);
        for (size_t i = 0; i < c->n_methods; i++)
                if (streq(c->methods[i].name, call->method))
                        return c->methods[i].run(call, what->parameters, c->userdata);
        return refuse_unknown(call, size);
}
