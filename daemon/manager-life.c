/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Living under systemd, cron or a terminal: signals, the lease's heartbeat, readiness, reload.
 */

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "crashpoint.h"
#include "manager-internal.h"
#include "text.h"

#define HOUSEKEEPING_EVERY (5 * USEC_PER_MINUTE)

/* Arrivals are watched, uploads are walked, children have pipes: the usual soft limit of 1024 is soon reached. */
#define DESCRIPTORS_WANTED 16384

static int on_patience_over(sd_event_source *s, uint64_t usec _unused_, void *userdata _unused_) {
        return sd_event_exit(sd_event_source_get_event(s), 0);
}

/* A submission in mid-call is waited for, no longer than it may take; a second signal does not wait. */
static int on_stop(sd_event_source *s _unused_, const struct signalfd_siginfo *si, void *userdata) {
        Manager *m = userdata;
        usec_t patience = m->config->scheduler.command_timeout + 5 * USEC_PER_SEC;

        if (!m->machine || m->stopping)
                return sd_event_exit(m->event, m->exit_code);
        m->stopping = true;
        log_notice("Asked to stop by %s; jobs go on and are found again at the next start.",
                si->ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
        sd_notifyf(false, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64, patience + 10 * USEC_PER_SEC);
        machine_stop(m->machine);
        return sd_event_add_time(m->event, NULL, CLOCK_BOOTTIME, clock_boottime() + patience, 0,
                on_patience_over, m);
}

static int on_reload(
        sd_event_source *s _unused_, const struct signalfd_siginfo *si _unused_, void *userdata) {
        Manager *m = userdata;
        Error e = {};

        if (m->machine)
                (void)manager_reload(m, &e);
        else
                m->reload_wanted =
                        true; /* while the lease is waited for there is nothing to reload */
        return 0;
}

int manager_signals(Manager *m) {
        struct rlimit limit;
        sigset_t set;
        int r;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        signal(SIGPIPE, SIG_IGN);
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_WANTED) {
                limit.rlim_cur =
                        limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : DESCRIPTORS_WANTED;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
        r = sd_event_add_signal(m->event, &m->signals[0], SIGTERM, on_stop, m);
        if (r >= 0)
                r = sd_event_add_signal(m->event, &m->signals[1], SIGINT, on_stop, m);
        if (r >= 0)
                r = sd_event_add_signal(m->event, &m->signals[2], SIGHUP, on_reload, m);
        return r < 0 ? r : 0;
}

/* ---- the lease ---- */

static int held_by(Manager *m, const LeaseOwner *owner, Error *e) {
        m->exit_code = m->options.once ? EXIT_SUCCESS : EXIT_HELD;
        return error_set(e, UOW_E_STATE,
                "%s is owned by flowcrond on %s (process %d); only one may act on it at a time",
                m->layout->base, owner->host, owner->pid);
}

static int on_wake(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Manager *m = userdata;

        m->woken = true;
        return 0;
}

/* A loop of its own, so that SIGTERM is heard while an absent owner's term runs out. UOW_E_STATE if we were asked to stop. */
static int wait_until(Manager *m, usec_t when) {
        sd_event_source *timer = NULL;
        int r;

        r = sd_event_add_time(m->event, &timer, CLOCK_BOOTTIME, when, 0, on_wake, m);
        while (r >= 0 && !m->woken && sd_event_get_state(m->event) != SD_EVENT_FINISHED)
                r = sd_event_run(m->event, UINT64_MAX);
        sd_event_source_unref(timer);
        if (r < 0)
                return r;
        r = m->woken ? 0 : UOW_E_STATE;
        m->woken = false;
        return r;
}

int manager_take_lease(Manager *m, Error *e) {
        LeaseOwner owner = {};
        usec_t retry = 0;
        int r;

        for (;;) {
                r = lease_acquire(
                        m->layout->fd[PLACE_STATE], &m->lease_watch, &m->lease, &owner, &retry, e);
                if (r != LEASE_E_HELD)
                        return r;
                if (m->options.once || retry == 0)
                        return held_by(m, &owner, e);
                log_notice(
                        "%s is owned by flowcrond on %s (process %d), which can't be seen from here; taking over if it gives "
                        "no sign of life",
                        m->layout->base, owner.host, owner.pid);
                r = wait_until(m, retry);
                if (r != 0)
                        return r; /* asked to stop: that is no failure */
        }
}

void manager_lease_lost(Manager *m) {
        if (!m->lost)
                log_message(LOG_ERR, MESSAGE_ID_LEASE_LOST,
                        "Another owner has taken over %s; this daemon stops at once and leaves everything to it.",
                        m->layout->base);
        m->lost = true;
        m->exit_code = m->options.once ? EXIT_SUCCESS : EXIT_HELD;
        sd_event_exit(m->event, 0);
}

static usec_t lease_renewal(void) {
        return TEST_TUNABLE("FLOWCRON_LEASE_RENEW", LEASE_RENEW);
}

static int on_lease_timer(sd_event_source *s, uint64_t usec _unused_, void *userdata) {
        Manager *m = userdata;
        int r = lease_renew(m->lease);

        if (r == LEASE_E_HELD) {
                manager_lease_lost(m);
                return 0;
        }
        if (r < 0 && r != m->lease_trouble)
                log_warning("The lease of %s could not be renewed: %s; tried again.",
                        m->layout->base, strerror(-r));
        if (r < 0 && !m->lease_trouble)
                m->lease_trouble_since = clock_now();
        m->lease_trouble = r;
        sd_event_source_set_time(s, clock_boottime() + lease_renewal());
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* ---- timers ---- */

static int on_housekeeping(sd_event_source *s, uint64_t usec _unused_, void *userdata) {
        Manager *m = userdata;

        log_rotate(m->config->retention.logs);
        manager_show_later(m);
        sd_event_source_set_time(s, clock_boottime() + HOUSEKEEPING_EVERY);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_show(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Manager *m = userdata;

        if (m->retention_stale) {
                m->retention_stale = false;
                retention_run(m->retention);
        }
        manager_show(m);
        return 0;
}

int manager_timers(Manager *m) {
        usec_t now = clock_boottime();
        int r;

        r = sd_event_add_time(m->event, &m->lease_timer, CLOCK_BOOTTIME, now + lease_renewal(),
                USEC_PER_SEC, on_lease_timer, m);
        if (r >= 0)
                r = sd_event_add_time(m->event, &m->housekeeping_timer, CLOCK_BOOTTIME,
                        now + HOUSEKEEPING_EVERY, USEC_PER_SEC, on_housekeeping, m);
        if (r >= 0)
                r = sd_event_add_time(
                        m->event, &m->show_timer, CLOCK_BOOTTIME, now, USEC_PER_SEC, on_show, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->show_timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_set_watchdog(m->event, true);
        return r < 0 ? r : 0;
}

void manager_drop_sources(Manager *m) {
        sd_event_source_unref(m->lease_timer);
        sd_event_source_unref(m->housekeeping_timer);
        sd_event_source_unref(m->show_timer);
        for (size_t i = 0; i < ELEMENTSOF(m->signals); i++)
                sd_event_source_unref(m->signals[i]);
}

void manager_say_ready(Manager *m) {
        sd_notifyf(false, "READY=1\nSTATUS=Serving %s", m->layout->base);
}

/* ---- reload ---- */

static int load_again(Manager *m, Config **ret, Error *e) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(layout_freep) Layout *l = NULL;
        const char *key;
        int r;

        r = config_load(m->config_path, &c, e);
        if (r != 0)
                return r;
        key = config_needs_restart(m->config, c);
        if (key)
                return error_set(e, UOW_E_INVALID,
                        "%s: %s can't be changed while flowcrond runs; restart it", m->config_path,
                        key);
        /* The folders stay as they are, but where a chain leads to may have changed: not back into this instance. */
        if (layout_new(c, &l, e) < 0)
                return error_prefix(e, UOW_E_INVALID, "%s", m->config_path);
        *ret = TAKE_PTR(c);
        return 0;
}

static void adopt_config(Manager *m, Config *c) {
        Config *old = m->config;
        Error e = {};

        m->config = c;
        manager_publish_config(m);
        machine_reload(m->machine, c);
        (void)watch_reload(m->watch, c, &e);
        retention_reload(m->retention, c);
        config_free(old);
}

int manager_reload(Manager *m, Error *e) {
        Config *c = NULL;
        int r;

        sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic());
        r = load_again(m, &c, e);
        if (r == 0) {
                adopt_config(m, c);
                log_notice("The configuration was read again from %s.", m->config_path);
        } else
                log_message(LOG_ERR, MESSAGE_ID_CONFIG_REFUSED,
                        "The configuration is refused, the one in force is kept: %s", e->text);
        (void)strdup_to(&m->config_fault, r == 0 ? NULL : e->text);
        manager_say_ready(m);
        manager_show_later(m);
        return r;
}
