/* SPDX-License-Identifier: Apache-2.0 */

/* The socket, from flowcronctl's side: see client.h. */

#include "client.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "fileio.h"
#include "text.h"

#define INTERFACE "org.flowcron.Control."

/* A daemon that does not even take the connection, or what we send, is as good as none. */
#define SEND_DEADLINE_S 10

struct Client {
        int fd;
        VarlinkReader reader;
};

Client *client_free(Client *c) {
        if (!c)
                return NULL;
        safe_close(c->fd);
        varlink_reader_done(&c->reader);
        free(c);
        return NULL;
}

/* Through the folder's descriptor, since the whole path may be longer than an address takes. */
static int fill_address(struct sockaddr_un *sun, const char *path, int *ret_dir) {
        _cleanup_free_ char *folder = strdup(path);
        char *slash = folder ? strrchr(folder, '/') : NULL;
        int n;

        if (!folder)
                return -ENOMEM;
        if (!slash || !slash[1])
                return -EINVAL;
        *sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
        *slash = 0;
        *ret_dir = open(slash == folder ? "/" : folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (*ret_dir < 0)
                return -errno;
        n = snprintf(
                sun->sun_path, sizeof(sun->sun_path), "/proc/self/fd/%d/%s", *ret_dir, slash + 1);
        return n < 0 || (size_t)n >= sizeof(sun->sun_path) ? -ENAMETOOLONG : 0;
}

static int check_peer(int fd, Error *e) {
        struct ucred peer = {};
        socklen_t size = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return -errno;
        if (peer.uid == geteuid() || peer.uid == 0 || geteuid() == 0)
                return 0;
        return error_set(e, -EPERM, "the socket belongs to another user (%u)", (unsigned)peer.uid);
}

static int connect_to(int fd, const char *path) {
        const struct timeval patience = { .tv_sec = SEND_DEADLINE_S };
        _cleanup_close_ int dir = -1;
        struct sockaddr_un sun;
        int r;

        r = fill_address(&sun, path, &dir);
        if (r < 0)
                return r;
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        return connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
}

int client_open(const char *path, Client **ret, Error *e) {
        _cleanup_(client_freep) Client *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->reader.max = VARLINK_REPLY_MAX;
        c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0)
                return error_set(e, -errno, "%m");
        r = connect_to(c->fd, path);
        if (r < 0)
                return error_set(e, r, "%s", r == -ENOENT ? "there is no socket" : strerror(-r));
        r = check_peer(c->fd, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int client_send(Client *c, const char *method, cJSON *parameters, bool more) {
        _cleanup_free_ char *frame = NULL, *full = xasprintf(INTERFACE "%s", method);
        size_t size, sent = 0;
        int r;

        if (!full) {
                cJSON_Delete(parameters);
                return -ENOMEM;
        }
        r = varlink_call_format(full, parameters, more, false, &frame, &size);
        if (r < 0)
                return r;
        while (sent < size) {
                ssize_t n = send(c->fd, frame + sent, size - sent, MSG_NOSIGNAL);

                /* A daemon that turned us away has left its reason for us to read. */
                if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
                        return 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
                sent += n > 0 ? (size_t)n : 0;
        }
        return 0;
}

static int wait_readable(int fd, usec_t until) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        usec_t now = clock_boottime();
        int ms = -1, r;

        if (until != USEC_INFINITY) {
                if (now >= until)
                        return -ETIMEDOUT;
                ms = (until - now) / USEC_PER_MSEC > 3600000
                        ? 3600000
                        : (int)((until - now) / USEC_PER_MSEC) + 1;
        }
        r = poll(&p, 1, ms);
        return r < 0 ? -errno : 0;
}

static int read_some(Client *c) {
        char buffer[65536];
        ssize_t n = recv(c->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

        if (n == 0)
                return -ECONNRESET;
        if (n < 0)
                return errno == EAGAIN ? 0 : -errno;
        return varlink_reader_feed(&c->reader, buffer, (size_t)n);
}

int client_receive(Client *c, usec_t deadline, VarlinkReply *ret, Error *e) {
        usec_t until = deadline == USEC_INFINITY ? USEC_INFINITY : clock_boottime() + deadline;

        for (;;) {
                const char *frame;
                size_t size;
                int r;

                r = varlink_reader_next(&c->reader, &frame, &size);
                if (r > 0)
                        return varlink_reply_parse(frame, size, ret, e);
                if (r == 0)
                        r = read_some(c);
                if (r == 0 && c->reader.end == c->reader.scanned)
                        r = wait_readable(c->fd, until);
                if (r < 0)
                        return error_set(e, r, "%s",
                                r == -ECONNRESET          ? "flowcrond ended the connection"
                                        : r == -ETIMEDOUT ? "flowcrond does not answer"
                                                          : strerror(-r));
        }
}

int client_call(Client *c, const char *method, cJSON *parameters, VarlinkReply *ret, Error *e) {
        int r = client_send(c, method, parameters, false);

        if (r < 0)
                return error_set(e, r, "%s", strerror(-r));
        return client_receive(c, CLIENT_DEADLINE, ret, e);
}
