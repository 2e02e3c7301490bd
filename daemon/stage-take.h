/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bringing a Unit of Work's folder into the work area, from wherever it is; the common beginning of staging and of settling one that
 * never got that far. Only for worker's children.
 */

#include "layout.h"
#include "stage.h"

typedef struct Take {
        const Layout *layout;
        const char *instance;
        const char *id;
        const char *name;   /* in UploadedFiles */
        const char *folder; /* here */
        bool staged; /* it has been in the work area before: what lies there under its name is taken for it unless it says otherwise */
        unsigned
                renames; /* so many other names may be tried when the work area has a foreign folder of that name; 0: -EEXIST then */
        usec_t stamp;    /* for those names */
        bool claim; /* see to it that it carries our claim, even if it is in the work area already */
} Take;

/**
 * take_to_work() - returns 0 with the name it has in the work area in @ret_folder
 * UOW_E_GONE: its folder is nowhere. UOW_E_BLOCKED: it can't be taken over, @e says what mends it. -EEXIST: see @renames.
 * -EAGAIN: somebody is working on it, or the upload was taken back. -errno else.
 */
int take_to_work(const Take *t, char **ret_folder, Error *e);

/** take_claim() - sentinels/flowcron with our id. @patient: only where sentinels/ is there and holds nothing of others, else -EAGAIN and our file is withdrawn. */
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

/** take_candidate() - the @i-th name to try: @folder, then with time stamps. New string or NULL. */
char *take_candidate(const char *folder, usec_t stamp, unsigned i);

/* The places where a finished or soft-deleted one may be. */
extern const Place take_result_places[4];
