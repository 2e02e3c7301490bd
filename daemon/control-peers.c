/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who may come in: the owner and root, and so many at once. Where there is no room, whoever has been silent the longest goes, so that a
 * crowd of forgotten connections keeps nobody out.
 */

#include "control-internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "log.h"

#define ACCEPT_AT_ONCE 32

/* Out of descriptors: so long nobody is accepted. */
#define ACCEPT_PAUSE USEC_PER_SEC

static bool peer_is_welcome(int fd) {
        struct ucred peer = { .uid = (uid_t)-1 };
        socklen_t size = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return false;
        if (peer.uid == geteuid() || peer.uid == 0)
                return true;
        log_warning(
                "The control socket is the owner's; user %u was turned away.", (unsigned)peer.uid);
        return false;
}

static void turn_away(int fd) {
        _cleanup_free_ char *frame = NULL;
        size_t size;

        if (varlink_reply_format(VARLINK_E_PERMISSION_DENIED, NULL, false, &frame, &size) >= 0)
                (void)send(fd, frame, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)shutdown(fd, SHUT_RDWR);
}

/* Makes room by ending whoever has been silent the longest. False: all are at work. */
static bool drop_idle(Control *c) {
        Connection *k;

        TAILQ_FOREACH(k, &c->connections, entry)
                if (!k->dead && control_connection_is_idle(k)) {
                        control_connection_free(k);
                        return true;
                }
        return false;
}

static void welcome(Control *c, int fd) {
        if (!peer_is_welcome(fd))
                turn_away(fd);
        else if (c->n_connections < CONTROL_CONNECTIONS_MAX || drop_idle(c)) {
                (void)control_connection_new(c, fd);
                return;
        }
        safe_close(fd);
}

void control_reserve(Control *c) {
        if (c->reserve < 0)
                c->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Where there are no descriptors left, whoever asks what is wrong is let in all the same, one at a time. */
static int accept_peer(Control *c) {
        int peer = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (peer >= 0 || (errno != EMFILE && errno != ENFILE) || c->reserve < 0)
                return peer;
        c->reserve = safe_close(c->reserve);
        return accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static int pause_listening(Control *c) {
        int r;

        log_debug("No connection can be taken on the control socket just now: %s", strerror(errno));
        r = sd_event_source_set_enabled(c->listening, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_time(c->resume, clock_boottime() + ACCEPT_PAUSE);
        return r < 0 ? r : sd_event_source_set_enabled(c->resume, SD_EVENT_ONESHOT);
}

int control_accept_again(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Control *c = userdata;

        return sd_event_source_set_enabled(c->listening, SD_EVENT_ON);
}

int control_accept(
        sd_event_source *s _unused_, int fd _unused_, uint32_t revents _unused_, void *userdata) {
        Control *c = userdata;

        for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
                int peer = accept_peer(c);

                if (peer >= 0)
                        welcome(c, peer);
                else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                        return pause_listening(c);
                else if (errno == EAGAIN)
                        return 0;
                else if (errno != ECONNABORTED && errno != EINTR)
                        return pause_listening(c);
        }
        return 0;
}
