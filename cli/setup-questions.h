/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The questions of setup, as setup-ask.c asks them: the table is in setup-questions.c. */

#include "setup.h"

typedef struct QuestionSpec {
        const char *flag;
        const char *text;
        const char *hint; /* NULL: none */
        bool slurm;       /* only with Slurm */
        const char *none; /* how an empty answer is called; NULL: there is none */
        char *(*offer)(const Setup *s);
        int (*check)(Setup *s, char **answer, Error *e);
        const char *key; /* in the configuration; NULL: none */
} QuestionSpec;

extern const QuestionSpec questions[_ASK_MAX];
