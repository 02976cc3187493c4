/* Guests: clients that have not authenticated. All together they hold little memory, and one that
 * does not log in makes room for others. */
#include "engine/base/logger.h"
#include "net/conn_impl.h"
#include "net/server.h"

enum {
	GUESTS_BYTES_MAX = 16 << 20,
	GUEST_BYTES_FAIR = 4 * 1024, /* what each may have even when all have too much */
	GUEST_LOGIN_MS = 5000,
};

static void add_guest(struct conn *c)
{
	struct server *s = c->server;

	c->guest = true;
	c->guest_next = NULL;
	c->guest_prev = s->guests_last;
	*(s->guests_last != NULL ? &s->guests_last->guest_next : &s->guests) = c;
	s->guests_last = c;
}

static void remove_guest(struct conn *c)
{
	struct server *s = c->server;

	*(c->guest_prev != NULL ? &c->guest_prev->guest_next : &s->guests) = c->guest_next;
	*(c->guest_next != NULL ? &c->guest_next->guest_prev : &s->guests_last) = c->guest_prev;
	c->guest = false;
	s->guest_bytes -= c->guest_bytes;
	c->guest_bytes = 0;
}

void guest_forget(struct conn *c)
{
	if (c->guest) {
		remove_guest(c);
	}
}

bool guest_check(struct conn *c)
{
	struct server *s = c->server;
	bool is = !c->dead && !c->session.authenticated;
	size_t bytes;

	if (is != c->guest) {
		if (is) {
			add_guest(c);
		} else {
			remove_guest(c);
		}
	}
	if (!is) {
		return !c->dead;
	}
	bytes = sizeof *c + c->in.cap + c->out.cap;
	s->guest_bytes += bytes - c->guest_bytes;
	c->guest_bytes = bytes;
	if (s->guest_bytes <= GUESTS_BYTES_MAX || bytes <= sizeof *c + GUEST_BYTES_FAIR) {
		return true;
	}
	logger(LOG_LVL_WARNING,
	       "Client id=%llu addr=%s closed: clients that have not authenticated hold too much "
	       "memory.",
	       (unsigned long long)c->session.id, c->session.addr);
	conn_close(c);
	/* At once, not at the end of the turn: many may be closed in one. */
	buf_deinit(&c->in);
	buf_deinit(&c->out);
	c->out_sent = 0;
	return false;
}

bool guest_close_idle(struct server *s)
{
	struct conn *c = s->guests;

	if (c == NULL || s->mono_ms - c->created_ms < GUEST_LOGIN_MS) {
		return false;
	}
	logger(LOG_LVL_VERBOSE,
	       "Client id=%llu addr=%s closed: it has not authenticated, and "
	       "others wait",
	       (unsigned long long)c->session.id, c->session.addr);
	conn_close(c);
	return true;
}
