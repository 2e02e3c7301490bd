/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The scan is the truth: it lists the arrivals, decides what is complete, and notices what others took away.
 */

#include "layout.h"
#include "uowset.h"

typedef struct Scan Scan;

/* Handed down by the manager. */
typedef struct ScanEvents {
        void (*arriving)(const char *name, void *userdata); /* seen without a usable sentinels/ */
        void (*settled)(const char *name, void *userdata);  /* not arriving any more */
        void (*complete)(const char *name, const char *id, uid_t owner,
                void *userdata); /* @id: of our own claim without history, or NULL */
        /* still in UploadedFiles; @changed: when the folder or its sentinels/ was changed last (ctime), 0: it is not there */
        void (*known)(Uow *u, usec_t changed, void *userdata);
        void (*gone)(Uow *u, void *userdata); /* its folder is nowhere in its place */
        void *userdata;
} ScanEvents;

int scan_new(const Layout *l, const UowSet *uows, const ScanEvents *events, Scan **ret);
Scan *scan_free(Scan *s);
DEFINE_CLEANUP(Scan *, scan_free)

/** scan_all() - one full pass: UploadedFiles, the work area, and the result folders if they changed. 0, or -errno with @e (a folder can't be listed). */
int scan_all(Scan *s, Error *e);

/** scan_one() - look at folder @name in UploadedFiles only. */
int scan_one(Scan *s, const char *name, Error *e);

/** scan_arriving() - array of {"name", "state": "arriving", "created", "reason"?}. New value or NULL. */
cJSON *scan_arriving(const Scan *s);
size_t scan_n_arriving(const Scan *s);

/** scan_is_arriving() - whether @name is, and then what keeps it from being taken (NULL: it is just under way); valid until the next look. */
bool scan_is_arriving(const Scan *s, const char *name, const char **ret_reason);
