/* SPDX-License-Identifier: Apache-2.0 */

/* The words of the status board, see board-entry.h. */

#include "board-entry.h"

#include <string.h>

#include "text.h"

#define SLASH "\xe2\x88\x95" /* U+2215, looks like one */
/* U+2013, for a dash between spaces within a text: that separates the parts of an entry. */
#define DASH " \xe2\x80\x93"

/* A reason that leaves less room than this for a new name is cut, not the name. */
#define TEXT_MIN 24

static const char *const words[] = { "arriving", "waiting", "pending", "running", "finishing",
        "done", "gone" };

bool board_is_entry(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                const char *rest = startswith(name, words[i]);

                if (rest && (!*rest || startswith(rest, " - ")))
                        return true;
        }
        return false;
}

/* A copy of @s in which, wherever @what is, its first @n bytes are replaced by @by. */
static char *replaced(const char *s, const char *what, size_t n, const char *by) {
        char *out = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&out, &size);
        const char *at;

        if (!f)
                return NULL;
        for (; (at = strstr(s, what)); s = at + n)
                fprintf(f, "%.*s%s", (int)(at - s), s, by);
        fputs(s, f);
        if (fclose(f) == EOF) {
                free(out);
                return NULL;
        }
        return out;
}

/* No name ends in a space, and none that people read begins with one. */
static void strip(char *s) {
        size_t lead = strspn(s, " "), n = strlen(s + lead);

        memmove(s, s + lead, n + 1);
        while (n > 0 && s[n - 1] == ' ')
                s[--n] = 0;
}

char *board_name(const char *text, size_t max) {
        _cleanup_free_ char *plain = replaced(text, "/", 1, SLASH);
        char *name = plain ? text_printable(plain, max) : NULL;

        if (name)
                strip(name);
        return name;
}

/* What people read between the word and the new name: parts are separated by " - ", so a part may not hold one, nor begin as the new name does. */
static char *part(const char *text) {
        /* A space stands before it, which makes a dash at its beginning one of them. */
        _cleanup_free_ char *spaced = xasprintf(" %s", text ?: ""),
                            *whole = spaced ? replaced(spaced, " - ", 2, DASH) : NULL;
        char *name = whole ? board_name(whole, BOARD_ENTRY_MAX) : NULL;

        if (name && startswith(name, "as "))
                name[0] = 'A';
        return name;
}

static char *joined(const char *word, const char *text) {
        _cleanup_free_ char *said = part(text);

        if (!said)
                return NULL;
        return *said ? xasprintf("%s - %s", word, said) : strdup(word);
}

static const char *either(const char *first, const char *second) {
        return isempty(first) ? second : first;
}

static char *say_running(const BoardFacts *f, usec_t now) {
        char since[CLOCK_TEXT_MAX], nodes[40] = "";
        _cleanup_free_ char *all = NULL;

        if (f->nodes > 0)
                snprintf(nodes, sizeof(nodes), " on %u node%s", f->nodes, f->nodes > 1 ? "s" : "");
        all = xasprintf("%s%s%s%s%s%s%s", f->uow->started ? "since " : "",
                clock_format_short(since, f->uow->started, now), nodes,
                isempty(f->waits_for) ? "" : "; ", isempty(f->waits_for) ? "" : f->waits_for,
                isempty(f->scheduler) ? "" : "; ", isempty(f->scheduler) ? "" : f->scheduler);
        if (!all)
                return NULL;
        return joined("running", startswith(all, "; ") ?: all);
}

static char *say_queued(const BoardFacts *f, usec_t now) {
        const Uow *u = f->uow;

        if (u->phase == PHASE_RUNNING)
                return say_running(f, now);
        if (u->phase == PHASE_PENDING)
                return joined("pending", either(f->scheduler, either(f->waits_for, u->reason)));
        return joined("waiting",
                either(f->scheduler, either(f->waits_for, "being handed to the scheduler")));
}

static char *say_finished(const BoardFacts *f) {
        const Uow *u = f->uow;
        _cleanup_free_ char *outcome = NULL;

        if (u->moved_to)
                return joined("gone", "moved on to the next instance");
        if (u->purging)
                return joined("gone", "being removed");
        if (!f->ready)
                return joined("finishing", either(f->waits_for, "its folder is on the way"));
        outcome = xasprintf("done - %s", outcome_to_string(u->outcome) ?: "failed");
        return outcome ? joined(outcome, u->reason) : NULL;
}

static const char *before_queue(const Uow *u) {
        return u->state == UOW_UPLOADED ? "complete, about to be taken over"
                : u->script             ? "about to be handed to the scheduler"
                                        : "being checked";
}

/* Once it is found good, it is the scheduler that it waits for. */
static char *say_staged(const BoardFacts *f) {
        const char *waits_for = either(f->waits_for, before_queue(f->uow));

        return joined("waiting", f->uow->script ? either(f->scheduler, waits_for) : waits_for);
}

/* The damaged line may have been about anything. */
#define QUARANTINED "set aside, because its history is damaged; ask whoever runs FlowCron here"

static char *say(const BoardFacts *f, usec_t now) {
        const Uow *u = f->uow;

        if (!u)
                return joined("arriving", f->waits_for);
        if (u->quarantined && u->state != UOW_PURGED)
                return joined("waiting", QUARANTINED);
        if (u->phase == PHASE_SETTLING)
                return joined("finishing", either(f->waits_for, outcome_to_string(u->outcome)));
        if (u->cancelling)
                return joined(u->phase == PHASE_RUNNING     ? "running"
                                : u->phase == PHASE_PENDING ? "pending"
                                                            : "waiting",
                        "being cancelled");
        switch (u->state) {
        case UOW_UPLOADED:
        case UOW_STAGED:
                return say_staged(f);
        case UOW_QUEUED:
                return say_queued(f, now);
        case UOW_FINISHED:
                return say_finished(f);
        case UOW_SOFT_DELETED:
                return joined("gone", u->purging ? "being removed" : "in the recycling bin");
        default:
                return NULL;
        }
}

/* What its folder is called, wherever it is. */
static const char *name_of(const Uow *u) {
        const char *slash = u->moved_to ? strrchr(u->moved_to, '/') : NULL;

        return slash ? slash + 1 : u->folder;
}

/* The new name stays whole as long as the outcome can be told as well. */
static char *with_new_name(const char *said, const char *folder) {
        _cleanup_free_ char *name = board_name(folder, BOARD_ENTRY_MAX - TEXT_MIN - 6),
                            *text = NULL;

        if (!name)
                return NULL;
        text = text_printable(said, BOARD_ENTRY_MAX - 6 - strlen(name));
        if (!text)
                return NULL;
        strip(text);
        return xasprintf("%s - as %s", text, name);
}

char *board_entry(const BoardFacts *facts, usec_t now) {
        _cleanup_free_ char *said = say(facts, now);
        const char *name;
        char *entry;

        if (!said)
                return NULL;
        name = facts->uow ? name_of(facts->uow) : NULL;
        if (name && !streq(facts->uow->name, name))
                return with_new_name(said, name);
        entry = text_printable(said, BOARD_ENTRY_MAX);
        if (entry)
                strip(entry);
        return entry;
}
