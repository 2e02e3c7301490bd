/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bringing a Unit of Work's folder into the work area, from wherever it is; the common beginning of
 * staging and of settling one that never got that far. And the question whose a folder is, which
 * every move asks. Only for worker's children.
 */

#include "layout.h"
#include "stage.h"

typedef struct Take {
        const Layout *layout;
        const char *instance;
        const char *id;
        const char *name;   /* in UploadedFiles */
        const char *folder; /* here */

        /* It has been in the work area before: what lies there under its name is it, unless it says otherwise. */
        bool staged;
        /* If the work area has a foreign folder of that name, another name is found; else -EEXIST. */
        bool rename;
        /* The time for such a name; the same in every repetition. */
        usec_t stamp;
        /* See to it that it carries our claim, even if it is in the work area already. */
        bool claim;
} Take;

/**
 * take_to_work() - returns 0 with the name it has in the work area in @ret_folder
 * UOW_E_GONE: its folder is nowhere. UOW_E_BLOCKED: it can't be taken over, @e says what mends it.
 * -EEXIST: see @rename. -EAGAIN: somebody is working on it, or the upload was taken back. -errno else.
 */
int take_to_work(const Take *t, char **ret_folder, Error *e);

/**
 * take_claim() - sentinels/flowcron with our id
 * @patient: only where sentinels/ is there and holds nothing of others, else -EAGAIN and our file is withdrawn
 */
int take_claim(int uowdir, const Take *t, bool patient, Error *e);

/**
 * take_whose() - by sentinels/flowcron, else by flowcron/record.json: WHOSE_… or -errno
 * WHOSE_STALE: nobody claims it, and its record is of another.
 */
enum {
        WHOSE_ABSENT,
        WHOSE_OURS,
        WHOSE_UNMARKED,
        WHOSE_STALE,
        WHOSE_OTHER
};
int take_whose(int parentdir, const char *name, const char *id);

/** take_is_filed() - 1 if it is the result of this very attempt, complete: our id and @attempt in its record and no claim; 0, -errno. */
int take_is_filed(int parentdir, const char *name, const char *id, int attempt);

/** take_record_id() - the id in record.json in the open folder flowcron/, "" if there is none to be made out. 0 or -errno. */
int take_record_id(int dir, char ret_id[static UOW_ID_MAX]);

/**
 * take_free_name() - @folder, or if @dir has another's folder of that name the first one with a time stamp that is free or,
 * from an earlier try, ours
 * @stamp: the same in every repetition. Returns WHOSE_ABSENT or WHOSE_OURS with the name (new string); -errno.
 */
int take_free_name(int dir, const char *folder, usec_t stamp, const char *id, char **ret);

/* The places where a finished or soft-deleted one may be. */
extern const Place take_result_places[4];
