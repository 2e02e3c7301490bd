/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One request over libcurl (7.61 and later), and when it is tried again: see
 * globus-client-internal.h.
 */

#include "globus-client-internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "text.h"

#define TRIES 5
#define PAUSE_FIRST 0.25
#define PAUSE_LONGEST 10.0
#define CONNECT_SECONDS 15L
#define TOTAL_SECONDS 120L
/* A run's log is the longest that is asked for. */
#define BODY_MAX (16U << 20)

/* ---- addresses ---- */

/* Only these: what a name resolves to is somebody else's word. */
static bool is_loopback(const char *host) {
        static const char *const hosts[] = { "127.0.0.1", "localhost", "[::1]" };

        for (size_t i = 0; i < ELEMENTSOF(hosts); i++) {
                const char *rest = startswith(host, hosts[i]);

                if (rest && (!*rest || *rest == ':' || *rest == '/'))
                        return true;
        }
        return false;
}

int http_check_url(const char *what, const char *url, char **ret, Error *e) {
        const char *plain = startswith(url, "http://");
        size_t n = strlen(url);

        /* "http://localhost:80@example.org/" is at example.org. */
        if (strchr(url, '@') || (!(plain && is_loopback(plain)) && !startswith(url, "https://")))
                return error_set(e, UOW_E_INVALID,
                        "%s: %s is neither https:// nor http:// to this machine", what, url);
        while (n > 0 && url[n - 1] == '/')
                n--;
        *ret = strndup(url, n);
        return *ret ? 0 : -ENOMEM;
}

/* ---- what comes back ---- */

void http_answer_done(HttpAnswer *a) {
        cJSON_Delete(a->body);
        free(a->text);
        *a = (HttpAnswer){};
}

typedef struct Receiver {
        FILE *to;
        size_t size;
        double retry_after;
} Receiver;

static size_t receive(char *data, size_t one, size_t n, void *userdata) {
        Receiver *r = userdata;

        r->size += one * n;
        if (r->size > BODY_MAX)
                return 0;
        return fwrite(data, one, n, r->to);
}

/* Retry-After: SECONDS; the form with a date is left to the usual pauses. */
static size_t receive_header(char *data, size_t one, size_t n, void *userdata) {
        static const char name[] = "retry-after:";
        Receiver *r = userdata;
        char line[64] = "";
        double seconds;

        if (one * n > sizeof(name) && one * n < sizeof(line) &&
                strncasecmp(data, name, sizeof(name) - 1) == 0) {
                memcpy(line, data + sizeof(name) - 1, one * n - sizeof(name) + 1);
                if (sscanf(line, " %lf", &seconds) == 1 && seconds >= 0)
                        r->retry_after = seconds;
        }
        return one * n;
}

/* ---- one try ---- */

static void only_http(CURL *c) {
#if LIBCURL_VERSION_NUM >= 0x075500
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
        curl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static int add_header(struct curl_slist **list, char *header) {
        _cleanup_free_ char *owned = header;
        struct curl_slist *longer = owned ? curl_slist_append(*list, owned) : NULL;

        if (!longer)
                return -ENOMEM;
        *list = longer;
        return 0;
}

static int make_headers(const HttpRequest *rq, struct curl_slist **list) {
        int r = add_header(list, strdup("Accept: application/json"));

        if (r >= 0 && rq->body)
                r = add_header(list, xasprintf("Content-Type: %s", rq->content_type));
        if (r >= 0 && rq->bearer)
                r = add_header(list, xasprintf("Authorization: Bearer %s", rq->bearer));
        return r;
}

static void prepare(
        CURL *c, const HttpRequest *rq, const struct curl_slist *headers, Receiver *receiver) {
        curl_easy_reset(c); /* keeps the connection */
        only_http(c);
        curl_easy_setopt(c, CURLOPT_URL, rq->url);
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, rq->method);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(c, CURLOPT_USERAGENT, "FlowCron/" FLOWCRON_VERSION);
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
        curl_easy_setopt(c, CURLOPT_TIMEOUT, TOTAL_SECONDS);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, receive);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, receiver);
        curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, receive_header);
        curl_easy_setopt(c, CURLOPT_HEADERDATA, receiver);
        /* In the clear to this machine, and not by way of another one. */
        if (startswith(rq->url, "http://"))
                curl_easy_setopt(c, CURLOPT_PROXY, "");
        if (rq->body)
                curl_easy_setopt(c, CURLOPT_POSTFIELDS, rq->body);
        if (rq->user) {
                curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
                curl_easy_setopt(c, CURLOPT_USERPWD, rq->user);
        }
}

/* The text up to where the body's own begins: whom we talked to. */
static int unreachable(const HttpRequest *rq, CURLcode code, const char *detail, Error *e) {
        const char *host = strstr(rq->url, "://");
        int n = host ? (int)(host + 3 + strcspn(host + 3, "/") - rq->url) : 0;

        return error_set(e, GLOBUS_E_UNREACHABLE, "%.*s does not answer: %s", n, rq->url,
                *detail ? detail : curl_easy_strerror(code));
}

static int one_try(Globus *g, const HttpRequest *rq, HttpAnswer *ret, Error *e) {
        _cleanup_(curl_slist_free_allp) struct curl_slist *headers = NULL;
        Receiver receiver = { .retry_after = -1 };
        char detail[CURL_ERROR_SIZE] = "";
        size_t size;
        CURLcode code;

        if (make_headers(rq, &headers) < 0)
                return -ENOMEM;
        receiver.to = open_memstream(&ret->text, &size);
        if (!receiver.to)
                return -ENOMEM;
        prepare(g->curl, rq, headers, &receiver);
        curl_easy_setopt(g->curl, CURLOPT_ERRORBUFFER, detail);
        code = curl_easy_perform(g->curl);
        curl_easy_setopt(g->curl, CURLOPT_ERRORBUFFER, NULL);
        if (fclose(receiver.to) != 0)
                return -ENOMEM;
        if (code != CURLE_OK)
                return unreachable(rq, code, detail, e);
        curl_easy_getinfo(g->curl, CURLINFO_RESPONSE_CODE, &ret->status);
        ret->retry_after = receiver.retry_after;
        if (json_parse(ret->text, size, &ret->body, NULL) < 0)
                ret->body = NULL;
        return 0;
}

/* ---- tries ---- */

static bool is_passing(long status, bool once) {
        if (status == 429 || status == 503)
                return true;
        return !once && (status == 500 || status == 502 || status == 504);
}

static void pause_before(unsigned try, double retry_after) {
        double seconds = retry_after >= 0 ? retry_after : PAUSE_FIRST * (double)(1U << try);
        struct timespec t;

        if (seconds > PAUSE_LONGEST)
                seconds = PAUSE_LONGEST;
        t.tv_sec = (time_t)seconds;
        t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
        while (nanosleep(&t, &t) < 0 && errno == EINTR)
                ;
}

int http_request(Globus *g, const HttpRequest *rq, HttpAnswer *ret, Error *e) {
        for (unsigned try = 0;; try++) {
                int r;

                *ret = (HttpAnswer){};
                r = one_try(g, rq, ret, e);
                if (r == 0 && (try + 1 == TRIES || !is_passing(ret->status, rq->once)))
                        return 0;
                /* Without an answer nothing is known; what may be done twice is tried again. */
                if (r != 0 && (r != GLOBUS_E_UNREACHABLE || rq->once || try + 1 == TRIES)) {
                        http_answer_done(ret);
                        return r;
                }
                pause_before(try, r == 0 ? ret->retry_after : -1);
                http_answer_done(ret);
        }
}
