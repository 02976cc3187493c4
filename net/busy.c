/* Other clients and the cluster's bus, while a script holds the executor for long. The event loop
 * can't be run from within a command, and nothing that it would do may happen now: so sockets are
 * looked at here, what clients send is run (dispatch refuses nearly all of it), and their replies
 * are sent.
 *
 * The script's own arguments, and what others sent in the same turn, lie in the server's shared
 * buffer: it is put aside meanwhile. */
#include "engine/base/alloc.h"
#include "net/conn_impl.h"
#include "net/server.h"

#include <poll.h>

/* Clients that may be read from: not the one whose script it is, nor those who wait. */
static bool may_serve(const struct conn *c, const struct session *but)
{
	return !c->dead && c->reading && !c->in_arrived && &c->session != but;
}

/* Reads from, and answers, one client that has sent something. */
static void serve(struct conn *c)
{
	struct server *s = c->server;

	conn_read(c);
	conn_run_all_arrived(s);
	conn_flush(c);
}

static void serve_all(struct server *s, const struct session *but, struct pollfd *fds, size_t count)
{
	struct conn *c = s->conns;
	size_t n = 0;

	for (; c != NULL && n < count; c = c->next) {
		if (may_serve(c, but)) {
			fds[n++] = (struct pollfd){.fd = c->stream.fd, .events = POLLIN};
		}
	}
	if (poll(fds, (nfds_t)n, 0) < 0) {
		return;
	}
	/* Closed clients stay in the list until the turn ends. */
	c = s->conns;
	for (size_t i = 0; i < n && c != NULL; c = c->next) {
		if (c->stream.fd == fds[i].fd) {
			if (fds[i].revents != 0 || c->stream.again) {
				serve(c);
			}
			i++;
		}
	}
}

/* What was read in the same turn as the script, and what could not be sent before. */
static void serve_arrived(struct server *s, const struct session *but)
{
	conn_run_all_arrived(s);
	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		if (&c->session != but && conn_output(c) > 0) {
			conn_flush(c);
		}
	}
}

void busy_serve_bus(struct command_host *h)
{
	struct server *s = server_of_host(h);

	s->now_fresh = false;
	server_refresh_clock(s);
	cluster_node_serve(s->cluster);
}

void busy_serve(struct command_host *h, const struct session *but)
{
	struct server *s = server_of_host(h);
	uint8_t *shared = s->read_shared;
	size_t used = s->read_used;
	struct pollfd *fds;
	size_t count;

	s->now_fresh = false;
	s->shakes = 0; /* of this look */
	server_refresh_clock(s);
	serve_arrived(s, but);
	listener_poll(s);
	count = (size_t)s->host.stats.clients;
	fds = mem_calloc(count + 1, sizeof *fds);
	s->read_shared = mem_alloc(READ_SHARED);
	s->read_used = 0;
	if (fds != NULL && s->read_shared != NULL) {
		serve_all(s, but, fds, count);
	}
	mem_free(fds);
	mem_free(s->read_shared);
	s->read_shared = shared;
	s->read_used = used;
}
