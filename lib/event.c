/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Events as lines.
 *
 * A line is sealed by a checksum over its bytes, and the bytes are compared before any JSON is read:
 * so what is parsed is what was written, and the members of an event are read in the order in which
 * event_to_line() puts them. A line of ours in another order (made by another tool, sealed properly)
 * is read the general way.
 *
 * Anyone may call this.
 */

#include "event.h"

#include <string.h>

#include "crc32.h"
#include "text.h"

/* What stands behind the sealed bytes: ,"sum":"9ab3c01f"} */
#define SEAL_START ",\"sum\":\""
#define SEAL_SIZE (sizeof(SEAL_START) - 1 + 8 + 2)

/* Longer words than any kind of event has. */
#define WORD_MAX 32

/* Data of nearly all events fit; larger ones get memory of their own. */
#define SCRATCH_SIZE 2048

/* Known members that are no part of Event.data. */
static const char *const envelope[] = { "seq", "time", "event", "id", "attempt", "sum" };

void event_done(Event *e) {
        cJSON_Delete(e->data);
        e->data = NULL;
}

/* What a number in JSON holds exactly, and a record takes. No base folder lives to see it; one beyond it is damage. */
#define SEQ_MAX (INT64_C(1) << 53)

static bool is_id_character(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                c == '-';
}

/* The length of what can be an id at @s; 0 if it is empty or too long. */
static size_t id_length(const char *s, size_t size) {
        size_t n = 0;

        while (n < size && is_id_character(s[n]))
                n++;
        return n < UOW_ID_MAX ? n : 0;
}

bool event_id_valid(const char *id) {
        return *id && id_length(id, UOW_ID_MAX) == strlen(id);
}

char *line_seal(const char *object) {
        size_t n = strlen(object) - 1;

        return xasprintf("%.*s" SEAL_START "%08x\"}\n", (int)n, object, (unsigned)crc32(object, n));
}

/* Eight hexadecimal digits, lower case. By hand: this is done for every line of a replay. */
static bool is_hex_of(const char *p, uint32_t value) {
        for (int shift = 28; shift >= 0; shift -= 4)
                if (*p++ != "0123456789abcdef"[value >> shift & 0xf])
                        return false;
        return true;
}

int line_check(const char *line, size_t size) {
        const size_t start = sizeof(SEAL_START) - 1;
        const char *seal;

        if (size <= SEAL_SIZE)
                return -EBADMSG;
        seal = line + size - SEAL_SIZE;
        if (memcmp(seal, SEAL_START, start) != 0 || memcmp(seal + start + 8, "\"}", 2) != 0 ||
                !is_hex_of(seal + start, crc32(line, size - SEAL_SIZE)))
                return -EBADMSG;
        return 0;
}

static bool event_is_complete(const Event *e) {
        return e->seq > 0 && e->time > 0 && e->attempt >= 0 && event_type_to_string(e->type) &&
                event_id_valid(e->id);
}

int event_to_line(const Event *e, char **ret) {
        _cleanup_free_ char *data = NULL, *object = NULL, *line = NULL;
        char time[CLOCK_TEXT_MAX];
        bool more = e->data && e->data->child;

        if (!event_is_complete(e))
                return -EINVAL;
        data = more ? json_print(e->data) : strdup("{}");
        if (!data)
                return -ENOMEM;
        object = xasprintf("{\"seq\":%" PRIu64
                           ",\"time\":\"%s\",\"event\":\"%s\",\"id\":\"%s\",\"attempt\":%d%s%s",
                e->seq, clock_format_usec(time, e->time), event_type_to_string(e->type), e->id,
                e->attempt, more ? "," : "", data + 1);
        if (!object || !(line = line_seal(object)))
                return -ENOMEM;
        if (strlen(line) > EVENT_LINE_MAX)
                return -EMSGSIZE;
        *ret = TAKE_PTR(line);
        return 0;
}

/* The bytes of a line that are still to be read. */
typedef struct Rest {
        const char *p;
        size_t size;
} Rest;

static bool take_literal(Rest *r, const char *literal, size_t n) {
        if (r->size < n || memcmp(r->p, literal, n) != 0)
                return false;
        r->p += n;
        r->size -= n;
        return true;
}

#define TAKE(r, literal) take_literal(r, literal, sizeof(literal) - 1)

static bool take_number(Rest *r, uint64_t max, uint64_t *ret) {
        uint64_t value = 0;
        size_t n = 0;

        for (; n < r->size && r->p[n] >= '0' && r->p[n] <= '9'; n++) {
                if (value > max / 10)
                        return false;
                value = value * 10 + (uint64_t)(r->p[n] - '0');
        }
        if (n == 0 || value > max)
                return false;
        r->p += n;
        r->size -= n;
        *ret = value;
        return true;
}

/* A string without escapes, and its closing quote. */
static bool take_word(Rest *r, char *buf, size_t max) {
        const char *quote = memchr(r->p, '"', r->size < max ? r->size : max);
        size_t n;

        if (!quote)
                return false;
        n = (size_t)(quote - r->p);
        memcpy(buf, r->p, n);
        buf[n] = 0;
        r->p += n + 1;
        r->size -= n + 1;
        return true;
}

/* The members that every event has, in their usual order; what is left in @r is those of its kind. */
static bool take_envelope(Rest *r, Event *e) {
        char time[CLOCK_TEXT_MAX], type[WORD_MAX];
        uint64_t attempt;
        int t;

        if (!TAKE(r, "{\"seq\":") || !take_number(r, SEQ_MAX, &e->seq) ||
                !TAKE(r, ",\"time\":\"") || !take_word(r, time, sizeof(time)) ||
                !TAKE(r, ",\"event\":\"") || !take_word(r, type, sizeof(type)) ||
                !TAKE(r, ",\"id\":\"") || !take_word(r, e->id, sizeof(e->id)) ||
                !TAKE(r, ",\"attempt\":") || !take_number(r, INT32_MAX, &attempt))
                return false;
        t = event_type_from_string(type);
        if (t < 0 || clock_parse(time, &e->time) < 0)
                return false;
        e->type = (EventType)t;
        e->attempt = (int)attempt;
        return event_is_complete(e);
}

/* @rest: ,"job_id":"17","held":true */
static int parse_data(Rest rest, cJSON **ret) {
        _cleanup_free_ char *large = NULL;
        char small[SCRATCH_SIZE], *text = small;
        const char *end;
        cJSON *data;
        int r;

        if (rest.size == 0)
                return 0;
        if (rest.p[0] != ',')
                return -EBADMSG;
        if (rest.size + 1 > sizeof(small) && !(text = large = malloc(rest.size + 1)))
                return -ENOMEM;
        text[0] = '{';
        memcpy(text + 1, rest.p + 1, rest.size - 1);
        text[rest.size] = '}';
        r = json_read(text, rest.size + 1, &end, &data);
        if (r < 0)
                return r == -ENOMEM ? r : -EBADMSG;
        if (end != text + rest.size + 1) {
                cJSON_Delete(data);
                return -EBADMSG;
        }
        *ret = data;
        return 0;
}

/* The general way: any order of members. */
static int parse_object(const char *line, size_t size, Event *e, Error *err) {
        _cleanup_json_ cJSON *j = NULL;
        const char *type, *id;
        int64_t seq, attempt;
        int r, t;

        r = json_parse(line, size, &j, err);
        if (r < 0)
                return r == -ENOMEM ? r : -EBADMSG;
        type = json_str(j, "event");
        t = event_type_from_string(type);
        if (t < 0)
                return error_set(
                        err, -EBADMSG, "no such kind of event: %s", type ? type : "(none)");
        seq = json_int(j, "seq", 0);
        attempt = json_int(j, "attempt", -1);
        if (seq < 0 || seq > SEQ_MAX || attempt < 0 || attempt > INT32_MAX)
                return error_set(err, -EBADMSG, "no valid number");
        e->seq = (uint64_t)seq;
        e->time = json_time(j, "time");
        e->type = (EventType)t;
        e->attempt = (int)attempt;
        id = json_str(j, "id");
        if (!id || strlen(id) >= sizeof(e->id))
                return error_set(err, -EBADMSG, "no valid id");
        strcpy(e->id, id);
        if (!event_is_complete(e))
                return error_set(err, -EBADMSG, "a member is missing or has no valid value");
        for (size_t i = 0; i < ELEMENTSOF(envelope); i++)
                cJSON_DeleteItemFromObjectCaseSensitive(j, envelope[i]);
        e->data = j->child ? TAKE_PTR(j) : NULL;
        return 0;
}

/* Whose a damaged line probably is. */
static void guess_id(const char *line, size_t size, char id[static UOW_ID_MAX]) {
        static const char key[] = "\"id\":\"";
        const char *p = memmem(line, size, key, sizeof(key) - 1);
        size_t n;

        id[0] = 0;
        if (!p)
                return;
        p += sizeof(key) - 1;
        n = id_length(p, size - (size_t)(p - line));
        if (p + n < line + size && p[n] == '"') {
                memcpy(id, p, n);
                id[n] = 0;
        }
}

int event_from_line(const char *line, size_t size, Event *ret, Error *err) {
        Event e = { 0 };
        Rest rest = { line, size };
        int r;

        if (size > EVENT_LINE_MAX)
                r = error_set(err, -EBADMSG, "the line is too long");
        else if (line_check(line, size) < 0)
                r = error_set(err, -EBADMSG, "the checksum is wrong");
        else {
                rest.size -= SEAL_SIZE;
                r = take_envelope(&rest, &e) ? parse_data(rest, &e.data) : -EBADMSG;
                if (r == -EBADMSG)
                        r = parse_object(line, size, &e, err);
        }
        if (r < 0) {
                *ret = (Event){ 0 };
                guess_id(line, size, ret->id);
                return r;
        }
        *ret = e;
        return 0;
}

cJSON *event_to_json(const Event *e) {
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        const cJSON *item;

        if (!j || json_set_time_usec(j, "time", e->time) < 0 ||
                json_set_str(j, "event", event_type_to_string(e->type)) < 0 ||
                json_set_int(j, "attempt", e->attempt) < 0)
                return NULL;
        cJSON_ArrayForEach(item, e->data) {
                if (json_set_item(j, item->string, cJSON_Duplicate(item, true)) < 0)
                        return NULL;
        }
        return TAKE_PTR(j);
}
