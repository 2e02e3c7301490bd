/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A reader of the flow language's expressions, which decides nothing but whether they are ones.
 *
 * Recursive descent over Python's grammar of expressions, as far as it is documented, or used in
 * the service's own examples. What the interpreter behind it is likely to take but no source shows
 * is let through with a warning; all else is a fault. On the way it works out how long a text can
 * become, for labels.
 */

#include "globus-expr-internal.h"

#include <string.h>

#include "globus-path.h"
#include "text.h"

#define DEPTH_MAX 60

static const char *const functions[] = { "pathsplit", "is_present", "getattr", "len", "str", NULL };
static const char *const methods[] = { "rstrip", "rpartition", "split", "endswith", NULL };
/* Of the interpreter, or of strings in its language. */
static const char *const likely_methods[] = { "startswith", "replace", "join", "strip", "lstrip",
        "lower", "upper", "partition", "rsplit", "find", "rfind", "count", "index", "title",
        "capitalize", "isdigit", "keys", "values", "items", "get", NULL };

static Value expression(Reader *r);

/* ---- lists ---- */

static void comprehension(Reader *r) {
        size_t start = r->at;
        char word[40];

        expr_take_name(r, word, sizeof(word));
        if (!word[0] || expr_is_reserved(word)) {
                expr_fault(r, start, "\"for\" is followed by a name", "");
                return;
        }
        if (!expr_accept_word(r, "in")) {
                expr_fault(r, r->at,
                        "\"for NAME\" is followed by \"in\"; more than one name is not known", "");
                return;
        }
        /* A filter's "if" has no "else", so conditional() leaves it alone. */
        (void)expression(r);
        expr_next(r);
        start = r->at;
        if (expr_accept_word(r, "if")) {
                expr_warn(r, start, "no documentation shows an \"if\" within a list's \"for\"", "");
                (void)expression(r);
        }
        if (expr_accept_word(r, "for"))
                expr_fault(r, start, "a second \"for\" is not known", "");
}

static Value list(Reader *r) {
        r->at++;
        if (expr_accept(r, "]"))
                return expr_unknown();
        (void)expression(r);
        if (expr_accept_word(r, "for"))
                comprehension(r);
        else
                while (!r->failed && expr_accept(r, ",") && expr_next(r) != ']')
                        (void)expression(r);
        expr_expect(r, "]");
        return expr_unknown();
}

static Value dict(Reader *r) {
        r->at++;
        if (expr_accept(r, "}"))
                return expr_unknown();
        do {
                (void)expression(r);
                expr_expect(r, ":");
                (void)expression(r);
        } while (!r->failed && expr_accept(r, ",") && expr_next(r) != '}');
        expr_expect(r, "}");
        return expr_unknown();
}

static Value in_brackets(Reader *r) {
        Value v;

        r->at++;
        v = expression(r);
        if (!r->failed && expr_next(r) == ',')
                return expr_fault(r, r->at, "groups of values in round brackets are not known", "");
        expr_expect(r, ")");
        v.plain = false;
        return v;
}

/* ---- calls ---- */

/* is_present() and getattr() look a path up that stands in quotes. */
static void check_lookup(Reader *r, size_t at, const char *name, const Value *first, size_t n) {
        _cleanup_free_ char *path = first->plain ? strndup(r->literal, r->literal_size) : NULL;

        if (!path || !globus_dotted_valid(path))
                expr_fault(
                        r, at, name, "() takes a dotted path in quotes first, as in 'input.name'");
        else if (n != (streq(name, "getattr") ? 2U : 1U))
                expr_fault(r, at, name,
                        streq(name, "getattr")
                                ? "() takes a path and what holds if there is nothing"
                                : "() takes a path, and nothing else");
}

static void arguments(Reader *r, const char *function, size_t at) {
        bool lookup = streq(function, "is_present") || streq(function, "getattr");
        const char *literal = NULL;
        size_t literal_size = 0, n = 0;
        Value first = {};

        if (expr_next(r) != ')')
                do {
                        Value v = expression(r);

                        if (n++ == 0) {
                                first = v;
                                literal = r->literal;
                                literal_size = r->literal_size;
                        }
                        if (!r->failed && expr_next(r) == '=')
                                expr_fault(r, r->at, "named arguments are not known", "");
                } while (!r->failed && expr_accept(r, ","));
        expr_expect(r, ")");
        if (r->failed)
                return;
        r->literal = literal;
        r->literal_size = literal_size;
        if (lookup)
                check_lookup(r, at, function, &first, n);
        else if (expr_is_one_of(functions, function) && n != 1)
                expr_fault(r, at, function, "() takes one value");
}

static void call_function(Reader *r, const char *name, size_t at) {
        if (!expr_is_one_of(functions, name))
                expr_fault(r, at, name,
                        "() is no documented function; there are pathsplit, is_present, getattr, len and str");
        else
                arguments(r, name, at);
}

static void call_method(Reader *r, const char *name, size_t at) {
        if (!expr_is_one_of(methods, name)) {
                if (!expr_is_one_of(likely_methods, name)) {
                        expr_fault(r, at, name,
                                "() is no documented function of a text; there are rstrip, rpartition, split and endswith");
                        return;
                }
                expr_warn(r, at, "no documentation shows the function of a text ", name);
        }
        arguments(r, "", at);
}

static Value name_or_call(Reader *r) {
        size_t start = r->at;
        char word[80];

        expr_take_name(r, word, sizeof(word));
        if (expr_is_reserved(word))
                return expr_fault(r, start, "here should be a value, not ", word);
        if ((r->text[r->at] == '\'' || r->text[r->at] == '"') && word[0])
                return expr_fault(r, start, "a letter before a text's quote is not known", "");
        if (expr_next(r) == '(') {
                r->at++;
                call_function(r, word, start);
        }
        return expr_unknown();
}

static Value atom(Reader *r) {
        char c = expr_next(r);

        if (c == '\'' || c == '"')
                return expr_text(r);
        if (c >= '0' && c <= '9')
                return expr_number(r);
        if (c == '`')
                return expr_backticks(r);
        if (c == '[')
                return list(r);
        if (c == '{')
                return dict(r);
        if (c == '(')
                return in_brackets(r);
        if (expr_is_name_char(c, true))
                return name_or_call(r);
        return expr_fault(
                r, r->at, c ? "here should be a value" : "it ends where a value should be", "");
}

/* ---- what follows an atom ---- */

/* A number that stands alone, or -1: "[:100]" bounds a text, "[:n]" does not. */
static long bound(Reader *r) {
        size_t start, n;
        long value;

        expr_next(r);
        start = r->at;
        n = strspn(r->text + start, "0123456789");
        (void)expression(r);
        if (n == 0 || n > 6 || r->at != start + n)
                return -1;
        value = strtol(r->text + start, NULL, 10);
        return value;
}

static Value subscript(Reader *r, Value v) {
        long from = 0, to = -1;
        bool slice = false;

        if (expr_next(r) != ':')
                from = bound(r);
        if (expr_accept(r, ":")) {
                slice = true;
                if (expr_next(r) != ']' && expr_next(r) != ':')
                        to = bound(r);
        }
        if (!r->failed && expr_next(r) == ':')
                return expr_fault(r, r->at, "a slice with a step is not known", "");
        expr_expect(r, "]");
        if (slice && to >= 0) {
                size_t room = from >= 0 && from <= to ? (size_t)(to - from) : (size_t)to;

                v.longest = v.longest < room ? v.longest : room;
        } else if (!slice)
                v.longest = UNKNOWN;
        v.plain = false;
        return v;
}

static Value member(Reader *r, Value v) {
        size_t start = r->at;
        char word[80];

        expr_take_name(r, word, sizeof(word));
        if (!word[0])
                return expr_fault(r, start, "a dot is followed by a name", "");
        if (word[0] == '_')
                return expr_fault(
                        r, start, "names that begin with _ can't be reached by a dot: ", word);
        if (expr_next(r) == '(') {
                r->at++;
                call_method(r, word, start);
                /* What these leave of a text is no longer than it. */
                return (Value){ streq(word, "rstrip") ? v.longest : UNKNOWN, false };
        }
        return expr_unknown();
}

static Value postfix(Reader *r) {
        Value v = atom(r);

        while (!r->failed) {
                if (expr_accept(r, "."))
                        v = member(r, v);
                else if (expr_accept(r, "["))
                        v = subscript(r, v);
                else if (expr_next(r) == '(')
                        return expr_fault(
                                r, r->at, "what stands before the bracket can't be called", "");
                else
                        break;
        }
        return v;
}

/* ---- operators ---- */

static Value unary(Reader *r) {
        if (expr_accept(r, "-") || expr_accept(r, "+"))
                return unary(r), expr_unknown();
        return postfix(r);
}

static Value product(Reader *r) {
        Value v = unary(r);

        for (;;) {
                expr_next(r);
                if (expr_accept(r, "**") || expr_accept(r, "//"))
                        expr_warn(r, r->at - 2, "no documentation shows the operator ",
                                r->text[r->at - 1] == '*' ? "**" : "//");
                else if (!expr_accept(r, "*") && !expr_accept(r, "/") && !expr_accept(r, "%"))
                        return v;
                (void)unary(r);
                v = expr_unknown();
        }
}

static Value sum(Reader *r) {
        Value v = product(r), other;

        for (;;) {
                bool minus = expr_accept(r, "-");

                if (!minus && !expr_accept(r, "+"))
                        return v;
                other = product(r);
                v = (Value){ minus || v.longest == UNKNOWN || other.longest == UNKNOWN
                                ? UNKNOWN
                                : v.longest + other.longest,
                        false };
        }
}

static bool accept_comparison(Reader *r) {
        static const char *const signs[] = { "==", "!=", "<=", ">=", "<", ">" };
        size_t start;

        for (size_t i = 0; i < ELEMENTSOF(signs); i++)
                if (expr_accept(r, signs[i]))
                        return true;
        if (expr_accept_word(r, "in"))
                return true;
        start = r->at;
        if (expr_accept_word(r, "not")) {
                if (expr_accept_word(r, "in"))
                        return true;
                r->at = start;
        }
        return false;
}

static Value comparison(Reader *r) {
        Value v = sum(r);

        while (!r->failed && accept_comparison(r)) {
                (void)sum(r);
                v = expr_unknown();
        }
        return v;
}

static Value negation(Reader *r) {
        if (expr_accept_word(r, "not"))
                return negation(r), expr_unknown();
        return comparison(r);
}

static Value longer(Value a, Value b) {
        return (Value){ a.longest > b.longest ? a.longest : b.longest, false };
}

static Value conjunction(Reader *r) {
        Value v = negation(r);

        while (!r->failed && expr_accept_word(r, "and"))
                v = longer(v, negation(r));
        return v;
}

static Value disjunction(Reader *r) {
        Value v = conjunction(r);

        while (!r->failed && expr_accept_word(r, "or"))
                v = longer(v, conjunction(r));
        return v;
}

/* VALUE if CONDITION else VALUE */
static Value conditional(Reader *r) {
        Value v = disjunction(r);
        size_t start;

        expr_next(r);
        start = r->at;
        if (!expr_accept_word(r, "if"))
                return v;
        (void)disjunction(r);
        if (r->failed)
                return v;
        if (!expr_accept_word(r, "else")) {
                /* The filter of a list's "for" looks like this; let its reader see it. */
                r->at = start;
                return v;
        }
        return longer(v, conditional(r));
}

static Value expression(Reader *r) {
        Value v;

        if (r->depth >= DEPTH_MAX)
                return expr_fault(r, r->at, "nested too deeply", "");
        r->depth++;
        v = conditional(r);
        r->depth--;
        return v;
}

int expr_check(const char *text, ExprFacts *ret, Error *e) {
        Reader r = { .text = text, .facts = ret, .e = e };
        Value v;

        *ret = (ExprFacts){ .longest = UNKNOWN };
        v = expression(&r);
        if (!r.failed && expr_next(&r))
                expr_fault(&r, r.at, "something follows the end of the expression", "");
        ret->longest = v.longest;
        return r.failed ? UOW_E_INVALID : 0;
}
