/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the status board says: where a Unit of Work is, as the name of an empty folder that a flow or a person can list.
 *
 *      WORD[ - TEXT][ - as NEWNAME]
 *
 * WORD is one of board_words(); TEXT is for people; NEWNAME is what its folder is called if that is not the name it
 * arrived under. TEXT never holds " - as ", so what follows the first one is the new name and nothing else. Programs
 * act on "done - " alone, which means: the result is ready to be fetched.
 */

#include "uow.h"

/* An entry has at most so many bytes. */
#define BOARD_ENTRY_MAX 200

typedef struct BoardFacts {
        const Uow *uow; /* NULL: it is still arriving */
        const char *
                waits_for; /* what it waits for just now, or what is in its way; NULL: nothing that is known */
        const char *scheduler; /* why the scheduler can't be asked, for people; NULL: it can */
        unsigned nodes;        /* that its job has; 0: not known */
        bool ready;            /* the folder of what is finished is where it is fetched from */
} BoardFacts;

/** board_entry() - what the board says of it at @now; new string of printable text without '/'. NULL: without memory, or there is nothing to say (purged). */
char *board_entry(const BoardFacts *facts, usec_t now);

/** board_is_entry() - whether @name may be an entry that FlowCron made: it is a word of the board, or begins with one and " - ". */
bool board_is_entry(const char *name);

/** board_name() - @text as a part of an entry's name: printable, '/' written as "∕", at most @max bytes, cut at a character ("…" marks it). New string or NULL. */
char *board_name(const char *text, size_t max);
