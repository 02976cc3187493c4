/* A client that waits for keys (net/command/blocked.h): its request stays at the front of its
 * buffer, what it sends meanwhile behind it, and a timer of the event loop ends its patience. */
#include "net/conn_impl.h"
#include "net/server.h"

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	server_refresh_clock(c->server);
	if (c->session.blocked != NULL &&
	    dispatch_unblock(c->server->dispatch, &c->session, UNBLOCKED_TIMEOUT)) {
		conn_set_wait(c, CONN_READY);
		conn_run(c);
	}
}

static void stop_timer(struct conn *c)
{
	if (c->block_timer != NULL) {
		(void)event_del(c->block_timer);
	}
}

void conn_block(struct conn *c)
{
	uint64_t now_us = clock_system()->mono_us(NULL), end_us, us;
	struct timeval wait;

	conn_set_wait(c, CONN_BLOCKED);
	if (c->session.wait.deadline_ms == 0) {
		stop_timer(c);
		return;
	}
	if (c->block_timer == NULL) {
		c->block_timer = event_new(c->server->base, -1, 0, on_deadline, c);
	}
	end_us = c->session.wait.deadline_ms * 1000;
	us = end_us > now_us ? end_us - now_us : 0;
	wait = (struct timeval){.tv_sec = (time_t)(us / 1000000),
				.tv_usec = (suseconds_t)(us % 1000000)};
	if (c->block_timer == NULL || event_add(c->block_timer, &wait) != 0) {
		conn_stop(c); /* it would wait for longer than it asked for */
	}
}

void conn_block_end(struct conn *c)
{
	blocked_forget(&c->session);
	if (c->block_timer != NULL) {
		event_free(c->block_timer);
		c->block_timer = NULL;
	}
}

void conn_unblock(struct conn *c)
{
	stop_timer(c);
	conn_set_wait(c, CONN_LATER);
	conn_touch(c);
}

bool conn_run_blocked(struct conn *c)
{
	if (c->dead || c->wait != CONN_BLOCKED) {
		return true; /* what else it waits for will have it run */
	}
	conn_set_wait(c, CONN_READY);
	conn_run_some(c, 1);
	if (c->dead || c->session.blocked != NULL) {
		/* It was no reason, or this is not the time: memtables are full, writes are paused,
		 * MIGRATE holds the key. */
		bool again = !c->dead && c->wait != CONN_BLOCKED && c->wait != CONN_FULL;

		if (again) {
			conn_set_wait(c, CONN_BLOCKED);
		}
		return !again;
	}
	stop_timer(c);
	if (c->in.len > 0 && c->wait == CONN_READY) {
		conn_set_wait(c, CONN_LATER); /* the rest after those who come next */
	}
	return true;
}
