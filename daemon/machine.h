/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The state machine: post an event, fold it, make it durable, and only then act.
 *
 *   machine_post() ── fold (uow_apply) ── buffer ──╮   many posts, one turn of the loop
 *                                                  ▼
 *                                   commit: one write, one fdatasync
 *                                                  ▼
 *          act(): what the state now demands (stage, submit, settle, move, purge), log, listeners, replies
 *
 * act() looks at nothing but the record and the disk, so that it can be called at any time and again: after an event, at start,
 * after a pause. Before each act the lease is looked at. Answers of workers and of the scheduler come back as further events.
 */

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "board-entry.h"
#include "eventlog.h"
#include "import.h"
#include "layout.h"
#include "lease.h"
#include "scheduler.h"
#include "uowset.h"
#include "worker.h"

typedef struct Machine Machine;

/* What the machine is built from; all owned by the manager and outliving it. */
typedef struct MachineParts {
        sd_event *event;
        const Config *config;
        Layout *layout;
        Lease *lease;
        UowSet *uows;
        EventLog *eventlog;
        WorkerPool *workers;
        const SchedulerVTable *backend; /* NULL: as configured */
} MachineParts;

/* Handed down by the manager; any may be NULL. */
typedef struct MachineEvents {
        void (*committed)(
                const Uow *u, const Event *ev, void *userdata); /* durable now: tell listeners */
        void (*placed)(const Uow *u,
                void *userdata); /* a result is where it belongs, after it was moved */
        void (*changed)(
                void *userdata); /* how the scheduler is doing, or whether state can be written */
        void (*broken)(
                void *userdata); /* state can't be written, and no submission is in mid-call */
        void (*lease_lost)(void *userdata); /* another owner has the base folder: stop */
        void (*idle)(void *userdata);       /* nothing is under way any more */
        void (*stopped)(void *userdata);    /* after machine_stop(): it may end now */
        void *userdata;
} MachineEvents;

int machine_new(const MachineParts *parts, const MachineEvents *events, Machine **ret, Error *e);
Machine *machine_free(Machine *m);
DEFINE_CLEANUP(Machine *, machine_free)

/** machine_start() - take up every Unit of Work where the log left it. */
int machine_start(Machine *m);

/**
 * machine_stop() - begin nothing more, and say stopped() once no submission is in mid-call
 * What was about to be submitted goes back to its place in the line, so that the next start need not look for it.
 */
void machine_stop(Machine *m);

/** machine_reload() - another configuration is in force. */
void machine_reload(Machine *m, const Config *c);

/**
 * machine_post() - something happened to @u
 * Takes @data in any case. Returns 0; UOW_E_STATE if its state has no such event; -errno. In memory at once, on disk with the next commit.
 */
int machine_post(Machine *m, Uow *u, EventType type, cJSON *data);

/** machine_upload() - a Unit of Work has arrived complete in UploadedFiles under @name; @id: of a claim of ours whose history was lost, or NULL. */
int machine_upload(Machine *m, const char *name, const char *id, uid_t owner);

/**
 * machine_import() - take up what another program began; may be repeated
 * Returns 0; UOW_E_GONE with @e: its folder is not where it was; -errno.
 */
int machine_import(Machine *m, const ImportItem *item, Error *e);

/** machine_kick() - look at @u again now, whatever pause it was in. */
void machine_kick(Machine *m, Uow *u);

/**
 * machine_nudge() - a scan has seen @u in UploadedFiles, changed last at @changed
 * Ends a pause only if something was changed since the last time, so that one that can't be taken over costs nothing until somebody has mended it.
 */
void machine_nudge(Machine *m, Uow *u, usec_t changed);

/** machine_gone() - the folder of @u is nowhere any more, though the folders of the instance are all there. */
void machine_gone(Machine *m, Uow *u);

/** machine_missing() - a scan did not find the folder of @u in its place: see to it, unless an errand is moving it just now. */
void machine_missing(Machine *m, Uow *u);

/** machine_poll() - ask the scheduler now, if anything is queued and the poll interval allows. */
void machine_poll(Machine *m);

/** machine_has_polled() - the scheduler was asked since the start, or there is nothing to ask about. */
bool machine_has_polled(const Machine *m);

/** machine_trouble() - why nothing can be written now (-errno), 0 if it can. */
int machine_trouble(const Machine *m);

/** machine_is_idle() - no worker, command, commit or poll under way, and nothing that could be done at once. */
bool machine_is_idle(const Machine *m);

/* Orders. Return 0 when taken (also when it was under way already); UOW_E_STATE or -errno (it can't be noted) with why in @e, nothing changed then. @by: "control", "request", "folder". */
int machine_order_retry(Machine *m, Uow *u, const char *by, Error *e);
int machine_order_cancel(Machine *m, Uow *u, const char *by, Error *e);
int machine_order_restore(Machine *m, Uow *u, const char *by, Error *e);
int machine_order_purge(Machine *m, Uow *u, const char *by, Error *e);

/** machine_soft_delete() - into the recycling bin, by the rules of retention. 0, UOW_E_STATE, -errno. */
int machine_soft_delete(Machine *m, Uow *u, const char *by);

/** machine_after_commit() - call @func once all that was posted until now is durable (r = 0), or can't be made so (-errno). */
typedef void (*CommitFunc)(int r, void *userdata);
int machine_after_commit(Machine *m, CommitFunc func, void *userdata);
/** machine_forget() - drop callbacks of machine_after_commit() with this @userdata. */
void machine_forget(Machine *m, void *userdata);

/** machine_uow_json() - the UoW as the contract shows it (id, name, state, phase, …, path), with what it waits for. New value or NULL. */
cJSON *machine_uow_json(const Machine *m, const Uow *u);

/**
 * machine_board_facts() - what the status board is to be made from; valid until the next event
 * -EAGAIN while something about @u is not durable yet: nothing may be said then.
 */
int machine_board_facts(const Machine *m, const Uow *u, BoardFacts *ret);

/** machine_attention() - array of {"uow"?, "id"?, "what", "advice"?} that need a person's eye. New value or NULL. */
cJSON *machine_attention(const Machine *m);

Scheduler *machine_scheduler(Machine *m);
