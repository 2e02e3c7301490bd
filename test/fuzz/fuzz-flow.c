/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Flow definitions, input schemas and expressions that somebody wrote. Whatever they are, each
 * fault is told, at a place that is in the text; a text becomes a literal that is an expression;
 * and what is found in a document does not change when it is printed anew.
 */

#include "fuzz.h"
#include "globus-check.h"
#include "globus-expr.h"

/* The bytes of that line, without its end; -1 if there is no such line. */
static ssize_t line_length(const uint8_t *data, size_t size, size_t line) {
        size_t at = 0, n = 0;

        for (; line > 1 && at < size; at++)
                line -= data[at] == '\n';
        while (at + n < size && data[at + n] != '\n')
                n++;
        return line == 1 ? (ssize_t)n : -1;
}

static void promise_faults(const uint8_t *data, size_t size, const FlowFaults *found) {
        size_t faults = 0;

        PROMISE(found->n == found->faults + found->warnings);
        for (size_t i = 0; i < found->n; i++) {
                const FlowFault *f = &found->list[i];

                faults += !f->warning;
                PROMISE(f->text[0] && f->line > 0 && f->column > 0);
                PROMISE((ssize_t)f->column <= line_length(data, size, f->line) + 1);
                PROMISE(i == 0 || found->list[i - 1].line <= f->line);
        }
        PROMISE(faults == found->faults);
}

/* Printed anew it is the same document, on other lines. */
static void promise_stable(const char *text, size_t size, const FlowFaults *found) {
        _cleanup_json_ cJSON *j = NULL;
        _cleanup_free_ char *anew = NULL;
        FlowFaults again;

        if (json_parse(text, size, &j, NULL) < 0)
                return;
        anew = json_print(j);
        PROMISE(anew && flow_check(anew, strlen(anew), &again) == 0);
        PROMISE(again.faults == found->faults && again.warnings == found->warnings);
        flow_faults_done(&again);
}

static void promise_expression(const char *text) {
        _cleanup_free_ char *literal = expr_quote(text),
                            *longer = literal ? xasprintf("a.b + %s", literal) : NULL;
        ExprFacts facts;
        Error e = {};

        PROMISE(longer && expr_check(longer, &facts, &e) == 0);
        e.text[0] = 0;
        if (expr_check(text, &facts, &e) != 0)
                promise_told(&e);
        PROMISE(facts.at <= strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = input_text(data, size);
        FlowFaults found;

        PROMISE(flow_check((const char *)data, size, &found) == 0);
        promise_faults(data, size, &found);
        promise_stable((const char *)data, size, &found);
        flow_faults_done(&found);
        promise_expression(text);
        return 0;
}
