/* How fast writers may go while a frozen table is being drained: so that the active table is full
 * when the drain ends, and no earlier. Whoever has to wait then waits a little at each write and
 * not for seconds at the end. */
#include "engine/engine_impl.h"

enum {
	HOLD_US_MIN = 1000,   /* less is left to add up: the event loop's timers are no finer */
	HOLD_US_MAX = 100000, /* at most that at once: by then more is known */
};

static const double spare_part = 0.1;  /* of the drain's time, for its last commit */
static const double known_part = 0.05; /* of the table: from here on its own pace tells */

static uint64_t now_us(const struct engine *e)
{
	return e->opts.clock->mono_us(e->opts.clock->ctx);
}

void engine_pace_drain(struct engine *e)
{
	e->pace.drain_began_us = now_us(e);
}

void engine_pace_drained(struct engine *e)
{
	e->pace.drain_us = now_us(e) - e->pace.drain_began_us;
}

/* Microseconds that the drain will still take. Before enough of it is done the one before it tells,
 * or, failing that, what it has taken so far. */
static double drain_left_us(const struct engine *e, uint64_t now)
{
	double done = checkpoint_progress(e->checkpoint);
	double left = 1 + spare_part - done;
	double so_far = (double)(now - e->pace.drain_began_us) + 1;

	if (done >= known_part) {
		return so_far / done * left;
	}
	left *= (double)e->pace.drain_us;
	return left > so_far ? left : so_far;
}

uint32_t engine_backpressure_us(struct engine *e)
{
	struct engine_pace *p = &e->pace;
	size_t used = memtable_bytes(e->active), before = p->counted;
	uint64_t now, wait;

	p->counted = used;
	if (e->frozen == NULL || used <= e->memtable_max / 2) {
		p->next_us = 0;
		return 0;
	}
	now = now_us(e);
	if (p->next_us < now) {
		p->next_us = now;
	}
	if (used > before) {
		double room = used < e->memtable_max ? (double)(e->memtable_max - used) : 1;
		double us = (double)(used - before) / room * drain_left_us(e, now);

		p->next_us += us < HOLD_US_MAX ? (uint64_t)us : HOLD_US_MAX;
	}
	if (p->next_us > now + HOLD_US_MAX) {
		p->next_us = now + HOLD_US_MAX;
	}
	wait = p->next_us - now;
	return wait < HOLD_US_MIN ? 0 : (uint32_t)wait;
}
