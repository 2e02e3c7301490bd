/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the client says and asks for, without a service: addresses, scopes, principals, and the
 * service's errors in words.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "globus-client-internal.h"
#include "text.h"

#define ID "0a1b2c3d-1111-2222-3333-444455556666"

static void test_addresses(void **state _unused_) {
        static const struct {
                const char *url, *kept; /* NULL: refused */
        } urls[] = {
                { "https://flows.globus.org", "https://flows.globus.org" },
                { "https://flows.globus.org//", "https://flows.globus.org" },
                { "http://127.0.0.1:8000/", "http://127.0.0.1:8000" },
                { "http://localhost/x", "http://localhost/x" },
                { "http://[::1]:80", "http://[::1]:80" },
                { "http://flows.globus.org", NULL },
                { "http://127.0.0.1.example.org", NULL },
                { "http://127.0.0.1@example.org/", NULL },
                { "http://localhost:80@example.org/", NULL },
                { "http://localhostile", NULL },
                { "HTTP://127.0.0.1", NULL },
                { "file:///etc/passwd", NULL },
                { "", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
                _cleanup_free_ char *kept = NULL;
                Error e = {};
                int r = http_check_url("X", urls[i].url, &kept, &e);

                if (urls[i].kept) {
                        assert_int_equal(r, 0);
                        assert_string_equal(kept, urls[i].kept);
                } else if (r != UOW_E_INVALID)
                        fail_msg("%s is taken", urls[i].url);
        }
}

static void assert_scope(char *const *collections, const char *wanted) {
        _cleanup_free_ char *scope = globus_flow_scope(ID, collections);

        assert_string_equal(scope, wanted);
}

#define FLOW_SCOPE \
        "https://auth.globus.org/scopes/" ID "/flow_0a1b2c3d_1111_2222_3333_444455556666_user"
#define ACCESS(c) "*https://auth.globus.org/scopes/" c "/data_access"

static void test_scopes(void **state _unused_) {
        assert_scope(NULL, FLOW_SCOPE);
        assert_scope((char *[]){ NULL }, FLOW_SCOPE);
        assert_scope((char *[]){ "c1", "c2", NULL },
                FLOW_SCOPE "[*urn:globus:auth:scope:transfer.api.globus.org:all[" ACCESS(
                        "c1") " " ACCESS("c2") "]]");
}

static void test_principals(void **state _unused_) {
        static const struct {
                const char *text, *urn;
        } who[] = {
                { "group:" ID, "urn:globus:groups:id:" ID },
                { "identity:" ID, "urn:globus:auth:identity:" ID },
                { "urn:globus:groups:id:" ID, "urn:globus:groups:id:" ID },
                { "urn:globus:auth:identity:" ID, "urn:globus:auth:identity:" ID },
                { "public", "public" },
                { ID, NULL },
                { "group:x", NULL },
                { "group:" ID "x", NULL },
                { "all_authenticated_users", NULL },
                { "", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(who); i++) {
                _cleanup_free_ char *urn = NULL;
                Error e = {};
                int r = globus_principal(who[i].text, "public", &urn, &e);

                if (who[i].urn) {
                        assert_int_equal(r, 0);
                        assert_string_equal(urn, who[i].urn);
                } else {
                        assert_int_equal(r, UOW_E_INVALID);
                        assert_non_null(strstr(e.text, "group:UUID") ?: strstr(e.text, "no UUID"));
                }
        }
}

typedef struct Case {
        long status;
        const char *body;
        int r;
        const char *words[3];
} Case;

static const Case cases[] = {
        { 422, "{\"error\":{\"code\":\"UNPROCESSABLE_ENTITY\",\"detail\":[{\"loc\":[\"definition\",\"States\",0],\"msg\":\"bad\"},{\"loc\":[\"title\"],\"msg\":\"long\"}]}}",
                GLOBUS_E_REFUSED,
                { "UNPROCESSABLE_ENTITY: $.definition.States[0]: bad; $.title: long" } },
        { 400, "{\"error\":{\"code\":\"FLOW_INPUT_ERROR\",\"detail\":\"$.input: 'source' is missing\"}}",
                GLOBUS_E_REFUSED, { "'source' is missing" } },
        { 400, "{\"error\":\"invalid_scope\",\"error_description\":\"unknown scope\"}",
                GLOBUS_E_REFUSED, { "unknown scope" } },
        { 400, "{\"error\":{\"detail\":[\"odd\", 7, {}]}}", GLOBUS_E_REFUSED,
                { "odd", "something is wrong" } },
        { 401, "{\"error\":{\"code\":\"AUTHENTICATION_ERROR\"}}", GLOBUS_E_LOGIN,
                { "flow login" } },
        { 403, "{\"error\":{\"code\":\"FORBIDDEN\",\"message\":\"not yours\"}}", GLOBUS_E_REFUSED,
                { "not yours" } },
        { 403, "{\"error\":{\"code\":\"MISSING_SCOPE\"}}", GLOBUS_E_CONSENT,
                { "flow login --flow " ID } },
        { 403,
                "{\"code\":\"ConsentRequired\",\"authorization_parameters\":{\"required_scopes\":[\"https://auth.globus.org/scopes/" ID
                "/data_access\"]}}",
                GLOBUS_E_CONSENT, { "collection " ID, "--data-access " ID " --flow " ID } },
        { 403, "{\"code\":\"ConsentRequired\",\"authorization_parameters\":{\"required_scopes\":[\"/data_access\"],\"session_message\":\"please\"}}",
                GLOBUS_E_CONSENT, { "please" } },
        { 404, "{\"error\":{\"code\":\"NOT_FOUND\"}}", GLOBUS_E_NOT_FOUND, { "NOT_FOUND" } },
        { 409, "{\"error\":{\"code\":\"SCOPE_RESOLUTION_FAILED\"}}", GLOBUS_E_REFUSED,
                { "SCOPE_RESOLUTION_FAILED" } },
        { 429, "{}", GLOBUS_E_SERVER, { "later" } },
        { 500, "{\"error\":{\"code\":\"UNKNOWN_ERROR\"}}", GLOBUS_E_SERVER,
                { "500", "UNKNOWN_ERROR" } },
        { 502, NULL, GLOBUS_E_SERVER, { "502" } },
        { 418, "[]", GLOBUS_E_REFUSED, { "status 418" } },
};

static void test_errors_in_words(void **state _unused_) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                HttpAnswer a = { .status = cases[i].status,
                        .body = cases[i].body ? cJSON_Parse(cases[i].body) : NULL };
                Error e = {};

                assert_true(!cases[i].body || a.body);
                assert_int_equal(globus_error(&a, ID, &e), cases[i].r);
                for (size_t w = 0; w < ELEMENTSOF(cases[i].words) && cases[i].words[w]; w++)
                        if (!strstr(e.text, cases[i].words[w]))
                                fail_msg("%ld: %s", cases[i].status, e.text);
                http_answer_done(&a);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_addresses),
                cmocka_unit_test(test_scopes),
                cmocka_unit_test(test_principals),
                cmocka_unit_test(test_errors_in_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
