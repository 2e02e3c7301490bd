/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The state on disk: fixed records in `db`, their strings in `heap`, `ids` to find the newest
 * record of an id. Everything is mapped and changed in place under the lock, so that a submission
 * costs the same among 10 jobs and among 100,000. A record becomes visible by one store (the
 * count), after all else is written: a process killed in the middle leaves nothing half done.
 */
#include "standin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DB_MAGIC 0x32305344u
#define HEADER_SIZE 4096u
/* Address space only: the files grow in steps behind it. */
#define MAP_SIZE ((size_t)1 << 32)
#define GROW_STEP ((off_t)1 << 20)

Db *db;
char state_dir[4096];

static int lock_fd = -1, db_fd = -1, heap_fd = -1, ids_fd = -1;
static char *heap;
static uint32_t *ids;

_Static_assert(sizeof(Db) <= HEADER_SIZE, "header too large");

const char *state_path(const char *fmt, ...) {
        static char bufs[4][4400];
        static unsigned at;
        char *buf = bufs[at++ % 4];
        int n = snprintf(buf, sizeof(bufs[0]), "%s/", state_dir);
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(buf + n, sizeof(bufs[0]) - (size_t)n, fmt, ap);
        va_end(ap);
        return buf;
}

static int open_state(const char *name) {
        int fd = open(state_path("%s", name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0)
                die(99, "standin: cannot open %s: %s", state_path("%s", name), strerror(errno));
        return fd;
}

static void *map_state(int fd) {
        void *p = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

        if (p == MAP_FAILED)
                die(99, "standin: mmap: %s", strerror(errno));
        return p;
}

static uint64_t file_size(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                die(99, "standin: fstat: %s", strerror(errno));
        return (uint64_t)st.st_size;
}

static void grow(int fd, uint64_t needed) {
        if (file_size(fd) >= needed)
                return;
        if (ftruncate(fd, ((off_t)needed / GROW_STEP + 1) * GROW_STEP) < 0)
                die(99, "standin: ftruncate: %s", strerror(errno));
}

static void db_open(void) {
        db_fd = open_state("db");
        heap_fd = open_state("heap");
        ids_fd = open_state("ids");
        grow(db_fd, HEADER_SIZE);
        grow(heap_fd, 1);
        grow(ids_fd, 4);
        db = map_state(db_fd);
        heap = map_state(heap_fd);
        ids = map_state(ids_fd);
        if (db->magic)
                return;
        db->count = 1;
        db->next_id = 1;
        db->heap_used = 1;
        db->magic = DB_MAGIC;
}

void db_lock(void) {
        if (lock_fd < 0)
                lock_fd = open_state("lock");
        while (flock(lock_fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        die(99, "standin: flock: %s", strerror(errno));
        if (!db)
                db_open();
        if (db->magic != DB_MAGIC)
                die(99, "standin: %s is of another version", state_dir);
}

void db_unlock(void) {
        flock(lock_fd, LOCK_UN);
}

void db_forget_lock(void) {
        if (lock_fd >= 0)
                close(lock_fd);
        lock_fd = -1;
}

static Job *record(uint32_t index) {
        return (Job *)((char *)db + HEADER_SIZE + (size_t)index * sizeof(Job));
}

Job *job_at(uint32_t index) {
        return index && index < db->count ? record(index) : NULL;
}

Job *db_new_job(uint32_t id) {
        Job *j;

        grow(db_fd, HEADER_SIZE + (uint64_t)(db->count + 1) * sizeof(Job));
        j = record(db->count);
        *j = (Job){ .index = db->count, .id = id, .task = NO_VALUE };
        return j;
}

void db_commit_job(Job *j) {
        const Job *earlier = db_find(j->id);
        uint32_t index = j->index;

        j->previous = earlier ? earlier->index : 0;
        j->created_ms = now_ms();
        grow(ids_fd, ((uint64_t)j->id + 1) * 4);
        ids[j->id] = index;
        /* The tail is this very record if a process was killed right here. */
        if (db->active_tail && db->active_tail != index)
                record(db->active_tail)->active_next = index;
        else if (!db->active_tail)
                db->active_head = index;
        db->active_tail = index;
        db->unfinished += j->kind == JK_ARRAY ? tasks_count(j->tasks) : 1;
        db->count = index + 1;
}

Job *db_find(uint32_t id) {
        static uint64_t ids_size;
        uint32_t index;

        if (((uint64_t)id + 1) * 4 > ids_size) {
                ids_size = file_size(ids_fd);
                if (((uint64_t)id + 1) * 4 > ids_size)
                        return NULL;
        }
        index = ids[id];
        return job_at(index) && record(index)->id == id ? record(index) : NULL;
}

void db_family_add(Job *head, Job *j) {
        Job *last = head;

        head->family_head = head->index;
        if (head == j)
                return;
        j->family_head = head->index;
        j->family_next = last->family_next;
        last->family_next = j->index;
}

void db_unlink_active(uint32_t before, Job *j) {
        if (before)
                record(before)->active_next = j->active_next;
        else
                db->active_head = j->active_next;
        if (db->active_tail == j->index)
                db->active_tail = before;
        j->active_next = 0;
}

Str db_str(const char *s) {
        size_t n = s ? strlen(s) : 0;
        Str at;

        if (!n)
                return 0;
        grow(heap_fd, db->heap_used + n + 1);
        at = db->heap_used;
        memcpy(heap + at, s, n + 1);
        db->heap_used += n + 1;
        return at;
}

const char *str_get(const Job *j, int which) {
        return heap + j->str[which];
}

void str_set(Job *j, int which, const char *s) {
        if (strcmp(str_get(j, which), s ? s : "") != 0)
                j->str[which] = db_str(s);
}
