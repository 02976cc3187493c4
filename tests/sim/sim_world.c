/* Nodes, clocks, disks, and the loop: carries out what the core says, in the order it says. */
#include "tests/sim/sim.h"

#include "cluster/cluster_view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

struct sim_outgoing {
	struct sim_outgoing *next;
	uint64_t link;
	size_t len;
	uint8_t bytes[];
};

static void *must(void *p)
{
	if (p == NULL) {
		(void)fprintf(stderr, "out of memory\n");
		exit(2);
	}
	return p;
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->seq < b->seq;
}

void sim_push(struct sim *s, uint64_t at_us, enum sim_event_kind kind, unsigned a, unsigned b,
	      uint64_t id)
{
	struct sim_event ev = {
	    .at_us = at_us, .seq = s->seq++, .kind = kind, .a = a, .b = b, .id = id};
	size_t i;

	if (s->heap_len == s->heap_cap) {
		s->heap_cap = s->heap_cap == 0 ? 1024 : s->heap_cap * 2;
		s->heap = must(realloc(s->heap, s->heap_cap * sizeof *s->heap));
	}
	i = s->heap_len++;
	while (i > 0 && before(&ev, &s->heap[(i - 1) / 2])) {
		s->heap[i] = s->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->heap[i] = ev;
}

static struct sim_event pop(struct sim *s)
{
	struct sim_event top = s->heap[0];
	struct sim_event last = s->heap[--s->heap_len];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= s->heap_len) {
			break;
		}
		if (child + 1 < s->heap_len && before(&s->heap[child + 1], &s->heap[child])) {
			child++;
		}
		if (!before(&s->heap[child], &last)) {
			break;
		}
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return top;
}

uint64_t sim_local_ms(const struct sim *s, const struct sim_node *n)
{
	int64_t drift = (int64_t)(s->now_us / 1000000) * n->rate_ppm;

	return (n->mono_base_us + s->now_us + (uint64_t)drift) / 1000;
}

uint64_t sim_wall_ms(const struct sim *s, const struct sim_node *n)
{
	return (uint64_t)((int64_t)(UINT64_C(1700000000000) + s->now_us / 1000) + n->wall_skew_ms);
}

unsigned sim_find_address(const struct sim *s, const char *ip)
{
	unsigned high;
	unsigned low;

	if (sscanf(ip, "10.0.%u.%u", &high, &low) == 2) {
		for (unsigned i = 0; i < s->node_count; i++) {
			if (s->nodes[i].address == high * 256 + low) {
				return i;
			}
		}
	}
	return SIM_NODES_MAX;
}

unsigned sim_find_id(const struct sim *s, const struct node_id *id)
{
	for (unsigned i = 0; i < s->node_count; i++) {
		if (s->nodes[i].c != NULL && node_id_eq(&self(s->nodes[i].c)->id, id)) {
			return i;
		}
	}
	return SIM_NODES_MAX;
}

void sim_say(struct sim *s, const char *fmt, ...)
{
	va_list args;

	if (s->opts.trace == NULL) {
		return;
	}
	(void)fprintf(s->opts.trace, "[%9.3f]      ", (double)s->now_us / 1e6);
	va_start(args, fmt);
	(void)vfprintf(s->opts.trace, fmt, args);
	va_end(args);
	(void)fputc('\n', s->opts.trace);
}

/* Ids are random; a reader wants to know which node it is. */
static void print_named(const struct sim *s, const char *text)
{
	while (*text != '\0') {
		unsigned at = s->node_count;

		for (unsigned i = 0; i < s->node_count && at == s->node_count; i++) {
			if (s->nodes[i].c != NULL &&
			    strncmp(text, self(s->nodes[i].c)->id.text, 8) == 0) {
				at = i;
			}
		}
		if (at < s->node_count) {
			(void)fprintf(s->opts.trace, "node %u", at);
			text += 8;
		} else {
			(void)fputc(*text++, s->opts.trace);
		}
	}
}

struct trace_ctx {
	struct sim *s;
	unsigned node;
};

static void on_trace(void *ctx, enum cluster_trace_level level, const char *text)
{
	struct trace_ctx *t = ctx;

	(void)level;
	(void)fprintf(t->s->opts.trace, "[%9.3f] %3u: ", (double)t->s->now_us / 1e6, t->node);
	print_named(t->s, text);
	(void)fputc('\n', t->s->opts.trace);
}

static uint64_t keys_in_slot(void *ctx, unsigned slot)
{
	(void)slot;
	return ((struct sim_node *)ctx)->keys;
}

static uint64_t keys_total(void *ctx)
{
	return ((struct sim_node *)ctx)->keys;
}

static uint64_t number_after(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	return at == NULL ? 0 : strtoull(at + strlen(word), NULL, 10);
}

/* What the durable file promises. */
static void read_durable(struct sim_node *n)
{
	const char *me = strstr(n->durable, "myself");

	n->durable_vote = number_after(n->durable, "lastVoteEpoch ");
	n->durable_current = number_after(n->durable, "currentEpoch ");
	if (me != NULL) {
		unsigned long long ping;
		unsigned long long pong;
		unsigned long long epoch = 0;
		const char *rest = strchr(me, ' ');

		rest = rest == NULL ? NULL : strchr(rest + 1, ' ');
		if (rest != NULL && sscanf(rest, " %llu %llu %llu", &ping, &pong, &epoch) == 3) {
			n->durable_config = epoch;
		}
	}
}

static char *take_text(struct sim *s, const struct sim_node *n)
{
	size_t len = cluster_save(n->c, s->text, s->text_cap);
	char *copy;

	while (len >= s->text_cap) {
		s->text_cap = len * 2;
		s->text = must(realloc(s->text, s->text_cap));
		len = cluster_save(n->c, s->text, s->text_cap);
	}
	copy = must(malloc(len + 1));
	memcpy(copy, s->text, len);
	copy[len] = '\0';
	return copy;
}

static void send_all(struct sim *s, struct sim_node *n)
{
	while (n->outgoing != NULL) {
		struct sim_outgoing *o = n->outgoing;

		n->outgoing = o->next;
		sim_check_send(s, n, o->bytes, o->len);
		sim_net_send(s, n, o->link, o->bytes, o->len);
		free(o);
	}
	n->outgoing_last = NULL;
}

static void queue(struct sim_node *n, uint64_t link, const uint8_t *bytes, size_t len)
{
	struct sim_outgoing *o = must(malloc(sizeof *o + len));

	o->next = NULL;
	o->link = link;
	o->len = len;
	memcpy(o->bytes, bytes, len);
	if (n->outgoing == NULL) {
		n->outgoing = o;
	} else {
		n->outgoing_last->next = o;
	}
	n->outgoing_last = o;
}

/* Writes nodes.conf; true when messages must wait until that is durable. */
static bool persist(struct sim *s, struct sim_node *n, enum cluster_persist how)
{
	char *text;

	if (how == PERSIST_NONE) {
		return false;
	}
	if (s->node_count > SIM_TOLD_NODES_MAX) {
		/* A text of a thousand rows for each row that changes would be most of the work. */
		n->durable_due = true;
		if (how == PERSIST_SYNC) {
			n->durable_vote = n->c->last_vote_epoch;
			n->durable_current = n->c->current_epoch;
			n->durable_config = self(n->c)->config_epoch;
		}
		return false;
	}
	text = take_text(s, n);
	free(n->cached);
	n->cached = NULL;
	if (how == PERSIST_SAVE) {
		n->cached = text;
		return false;
	}
	if (n->disk_slow_us == 0) {
		free(n->durable);
		n->durable = text;
		read_durable(n);
		return false;
	}
	n->unsynced = text;
	n->blocked_until_us = s->now_us + n->disk_slow_us;
	sim_push(s, n->blocked_until_us, SIM_EV_SYNCED, n->index, 0, n->boot);
	return true;
}

static void synced(struct sim *s, struct sim_node *n)
{
	if (n->unsynced != NULL) {
		free(n->durable);
		n->durable = n->unsynced;
		n->unsynced = NULL;
		read_durable(n);
	}
	send_all(s, n);
}

static void do_ops(struct sim *s, struct sim_node *n, const struct cluster_update *up, bool wait)
{
	for (size_t i = 0; i < up->ops_count; i++) {
		const struct cluster_op *op = &up->ops[i];
		struct cluster_send_cursor cursor = {0};
		uint64_t link;
		size_t len;

		switch (op->kind) {
		case OP_CLOSE:
			sim_net_close(s, n, op->link);
			break;
		case OP_CONNECT:
			sim_net_connect(s, n, op->link, op->addr.ip);
			break;
		case OP_SEND:
			while (
			    cluster_send_next(n->c, op, &cursor, s->buf, s->buf_cap, &link, &len)) {
				if (wait) {
					queue(n, link, s->buf, len);
				} else {
					sim_check_send(s, n, s->buf, len);
					sim_net_send(s, n, link, s->buf, len);
				}
			}
			break;
		}
	}
}

static void arm_timer(struct sim *s, struct sim_node *n, uint64_t deadline_ms)
{
	uint64_t in_us = deadline_ms > n->local_ms ? (deadline_ms - n->local_ms) * SIM_MS : SIM_MS;

	sim_push(s, s->now_us + in_us, SIM_EV_TIMER, n->index, 0, ++n->timer);
}

static void carry_out(struct sim *s, struct sim_node *n, const struct cluster_update *up)
{
	bool wait = persist(s, n, up->persist);

	if (up->role_changed) {
		sim_check_promotion(s, n, up);
		sim_engine_role(s, n, up);
	}
	if (up->pause_changed) {
		n->engine.pause_asked = up->paused;
		n->engine.paused = n->engine.paused && up->paused;
		if (up->paused) {
			/* The last writes before the pause get their LSNs. */
			sim_push(s, s->now_us + SIM_MS, SIM_EV_PAUSED, n->index, 0, n->boot);
		}
	}
	do_ops(s, n, up, wait);
	if (up->reply.kind != REPLY_NONE) {
		n->reply_kind = up->reply.kind;
		(void)snprintf(n->reply, sizeof n->reply, "%s", up->reply.text);
	}
	if (up->handover != HANDOVER_NONE) {
		n->handover = up->handover;
		if (n->stopping) {
			sim_push(s, s->now_us + SIM_MS, SIM_EV_RESTART, n->index, 1, n->boot);
		}
	}
	arm_timer(s, n, up->deadline_ms);
	sim_check_step(s, n, up);
}

void sim_step(struct sim *s, struct sim_node *n, struct cluster_event *ev)
{
	struct cluster_update up;
	uint64_t local = sim_local_ms(s, n);

	if (s->violations > 0) {
		return;
	}
	n->local_ms = local > n->local_ms ? local : n->local_ms;
	ev->now_ms = n->local_ms;
	ev->wall_ms = sim_wall_ms(s, n);
	s->steps++;
	cluster_step(n->c, ev, &up);
	s->hash = (s->hash ^ (up.ops_count * 31 + ev->now_ms + (uint64_t)ev->kind)) *
		  UINT64_C(0x100000001b3);
	carry_out(s, n, &up);
}

void sim_start(struct sim *s, unsigned node)
{
	struct sim_node *n = &s->nodes[node];
	struct cluster_update up;
	char error[160] = "";
	enum status st;

	if (n->alive) {
		return;
	}
	n->alive = true;
	n->host_up = true;
	n->boot++;
	n->blocked_until_us = 0;
	n->paused = false;
	n->stopping = false;
	n->handover = HANDOVER_NONE;
	n->engine.primary = false;
	n->engine.linked = false;
	n->engine.pause_asked = n->engine.paused = false;
	n->engine.last_io_us = 0;
	memset(n->out_link, 0, sizeof n->out_link);
	memset(n->answer_us, 0, s->node_count * sizeof *n->answer_us);
	n->majority_marks = 0;
	n->told_marks = 0;
	n->seen_current = 0;
	n->local_ms = sim_local_ms(s, n);
	n->cfg.seed = rng_next(&s->rng);
	n->cfg.now_ms = n->local_ms;
	n->cfg.wall_ms = sim_wall_ms(s, n);
	n->cfg.conf = n->durable == NULL ? slice_of(NULL, 0) : slice_str(n->durable);
	if (s->opts.trace != NULL) {
		sim_say(s, "node %u starts", node);
	}
	st = cluster_init(n->memory, &n->cfg, &n->c, &up, error);
	if (st != ST_OK) {
		sim_broken(s, "node %u does not start: %s\n%s", node, error,
			   n->durable == NULL ? "" : n->durable);
		return;
	}
	n->cfg.store_is_new = false;
	sim_check_boot(s, n);
	carry_out(s, n, &up);
	sim_push(s, s->now_us + 1, SIM_EV_ENGINE, node, 0, n->boot);
}

void sim_add_marks(struct sim *s, const struct sim_node *n)
{
	for (int m = 0; n->alive && m < MARKS; m++) {
		s->marks[m] += cluster_mark_count(n->c, (enum cluster_mark)m);
	}
}

void sim_kill(struct sim *s, unsigned node, bool power)
{
	struct sim_node *n = &s->nodes[node];
	bool lost;

	if (!n->alive) {
		return;
	}
	sim_say(s, "node %u %s", node, power ? "loses power" : "is killed");
	sim_add_marks(s, n);
	if (n->durable_due) {
		free(n->durable);
		n->durable = take_text(s, n);
		n->durable_due = false;
	}
	/* Peers learn of it by the end of the connections, or not at all. */
	sim_net_drop_node(s, node, power);
	n->alive = false;
	n->host_up = !power;
	while (n->outgoing != NULL) {
		struct sim_outgoing *o = n->outgoing;

		n->outgoing = o->next;
		free(o);
	}
	n->outgoing_last = NULL;
	/* What was not synced is there or not, as the kernel pleased; a file half written never is:
	 * it is renamed into place. */
	if (n->unsynced != NULL && rng_below(&s->rng, 2) == 0) {
		free(n->durable);
		n->durable = n->unsynced;
		n->unsynced = NULL;
	}
	lost = n->unsynced != NULL;
	if (n->cached != NULL && (!power || rng_below(&s->rng, 2) == 0)) {
		free(n->durable);
		n->durable = n->cached;
		n->cached = NULL;
	}
	free(n->unsynced);
	free(n->cached);
	n->unsynced = n->cached = NULL;
	if (n->durable != NULL) {
		read_durable(n);
		/* An epoch whose write was under way was not told yet either: C6. */
		if (lost && n->seen_config > n->durable_config) {
			n->seen_config = n->durable_config;
		}
	}
}

void sim_stop(struct sim *s, unsigned node)
{
	struct sim_node *n = &s->nodes[node];
	struct cluster_event ev = {.kind = CLUSTER_EV_HANDOVER};

	if (!n->alive || n->blocked_until_us > s->now_us) {
		return;
	}
	sim_say(s, "node %u is told to stop", node);
	n->stopping = true;
	sim_step(s, n, &ev);
}

void sim_pause(struct sim *s, unsigned node, uint64_t for_us)
{
	struct sim_node *n = &s->nodes[node];

	if (n->alive && n->blocked_until_us <= s->now_us) {
		sim_say(s, "node %u stands still for %" PRIu64 " ms", node, for_us / SIM_MS);
		n->blocked_until_us = s->now_us + for_us;
		n->paused = true;
	}
}

void sim_cut(struct sim *s, unsigned from, unsigned to, bool cut)
{
	s->cut[from * s->node_count + to] = cut;
}

void sim_reset_links(struct sim *s, unsigned node)
{
	for (unsigned at = 0; at < s->link_count; at++) {
		struct sim_link *l = &s->links[at];

		if (l->used && l->open && !l->broken &&
		    (l->node[0] == node || l->node[1] == node)) {
			l->broken = true;
			for (unsigned side = 0; side < 2; side++) {
				if (!l->closed[side]) {
					uint64_t when = l->last_us[side] > s->now_us
							    ? l->last_us[side]
							    : s->now_us;

					sim_push(s, when, SIM_EV_DOWN, at, side, l->serial);
				}
			}
		}
	}
}

void sim_heal(struct sim *s)
{
	size_t pairs = (size_t)s->node_count * s->node_count;

	sim_say(s, "everything is mended");
	memset(s->cut, 0, pairs * sizeof *s->cut);
	memset(s->hold_until_us, 0, pairs * sizeof *s->hold_until_us);
	memset(s->slow_until_us, 0, pairs * sizeof *s->slow_until_us);
	for (unsigned i = 0; i < s->node_count; i++) {
		s->nodes[i].disk_slow_us = 0;
		s->nodes[i].stopping = false;
		sim_start(s, i);
	}
}

bool sim_command(struct sim *s, unsigned node, const char *fmt, ...)
{
	static char text[SLOTS * 8];
	static struct slice argv[SLOTS + 8];
	struct sim_node *n = &s->nodes[node];
	struct cluster_event ev = {.kind = CLUSTER_EV_COMMAND};
	va_list args;
	char *at = text;

	if (!n->alive || n->blocked_until_us > s->now_us) {
		return false;
	}
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	ev.command.argv = argv;
	while (*at != '\0') {
		char *end = strchr(at, ' ');
		size_t len = end == NULL ? strlen(at) : (size_t)(end - at);

		argv[ev.command.argc++] = slice_of(at, len);
		at += len + (end != NULL);
	}
	if (s->opts.trace != NULL && strlen(text) < 200) {
		sim_say(s, "node %u: CLUSTER %s", node, text);
	}
	if (strncmp(text, "FAILOVER", 8) == 0) {
		n->forced = strcmp(text, "FAILOVER") != 0;
	}
	n->reply_kind = REPLY_NONE;
	n->reply[0] = '\0';
	sim_step(s, n, &ev);
	if (n->reply_kind == REPLY_ERROR) {
		sim_say(s, "node %u says: %s", node, n->reply);
	}
	return n->reply_kind == REPLY_OK;
}

/* The node an event is for; SIM_NODES_MAX when it is for the world. */
static unsigned target_of(const struct sim *s, const struct sim_event *ev)
{
	switch (ev->kind) {
	case SIM_EV_ARRIVE:
	case SIM_EV_DOWN:
		return s->links[ev->a].used && s->links[ev->a].serial == ev->id
			   ? s->links[ev->a].node[ev->b]
			   : SIM_NODES_MAX;
	case SIM_EV_CONNECT:
		return s->links[ev->a].used && s->links[ev->a].serial == ev->id
			   ? s->links[ev->a].node[0]
			   : SIM_NODES_MAX;
	case SIM_EV_TIMER:
	case SIM_EV_ENGINE:
	case SIM_EV_PAUSED:
		return ev->a;
	case SIM_EV_SYNCED:
	case SIM_EV_CHECK:
	case SIM_EV_FAULT:
	case SIM_EV_OPERATOR:
	case SIM_EV_RESTART:
		break;
	}
	return SIM_NODES_MAX;
}

static void node_event(struct sim *s, const struct sim_event *ev)
{
	struct sim_node *n = &s->nodes[ev->a];
	struct cluster_event time = {.kind = CLUSTER_EV_TIME};

	if (!n->alive) {
		return;
	}
	if (ev->kind == SIM_EV_TIMER) {
		if (ev->id == n->timer) {
			sim_step(s, n, &time);
		}
		return;
	}
	if (ev->id != n->boot) {
		return;
	}
	if (ev->kind == SIM_EV_ENGINE) {
		sim_engine_tick(s, n);
	} else if (ev->kind == SIM_EV_PAUSED) {
		n->engine.paused = n->engine.pause_asked;
		sim_engine_report(s, n);
	} else if (ev->kind == SIM_EV_SYNCED) {
		synced(s, n);
	}
}

static void handle(struct sim *s, struct sim_event *ev)
{
	unsigned target = target_of(s, ev);

	if (target < s->node_count && s->nodes[target].alive &&
	    s->nodes[target].blocked_until_us > s->now_us) {
		/* It does not run: later, in the same order. */
		sim_push(s, s->nodes[target].blocked_until_us, ev->kind, ev->a, ev->b, ev->id);
		return;
	}
	switch (ev->kind) {
	case SIM_EV_ARRIVE:
	case SIM_EV_CONNECT:
	case SIM_EV_DOWN:
		sim_net_event(s, ev);
		return;
	case SIM_EV_TIMER:
	case SIM_EV_ENGINE:
	case SIM_EV_SYNCED:
	case SIM_EV_PAUSED:
		node_event(s, ev);
		return;
	case SIM_EV_CHECK:
		sim_check_periodic(s);
		sim_push(s, s->now_us + 100 * SIM_MS, SIM_EV_CHECK, 0, 0, 0);
		return;
	case SIM_EV_FAULT:
		sim_fault(s);
		return;
	case SIM_EV_OPERATOR:
		sim_operator(s);
		return;
	case SIM_EV_RESTART:
		if (ev->b == 1) {
			/* The end of an orderly stop; somebody starts it again later. */
			if (s->nodes[ev->a].boot == ev->id && s->nodes[ev->a].stopping) {
				sim_kill(s, ev->a, false);
				sim_push(s, s->now_us + SIM_S + rng_below(&s->rng, 5 * SIM_S),
					 SIM_EV_RESTART, ev->a, 0, 0);
			}
		} else {
			sim_start(s, ev->a);
		}
		return;
	}
}

void sim_run_until(struct sim *s, uint64_t until_us)
{
	while (s->violations == 0 && s->heap_len > 0 && s->heap[0].at_us <= until_us) {
		struct sim_event ev = pop(s);

		s->now_us = ev.at_us;
		handle(s, &ev);
	}
	if (s->violations == 0) {
		s->now_us = until_us;
	}
}

static void open_node(struct sim *s, unsigned i, struct trace_ctx *ctx)
{
	struct sim_node *n = &s->nodes[i];
	const struct sim_options *o = &s->opts;

	n->index = i;
	n->address = i + 257;
	n->engine.follows = SIM_NODES_MAX;
	n->voted_for = SIM_NODES_MAX;
	n->mono_base_us = SIM_S * 1000 + rng_below(&s->rng, SIM_S * 100000);
	if (o->faults.skew) {
		n->wall_skew_ms = (int64_t)rng_below(&s->rng, 60000) - 30000;
		n->rate_ppm = (int64_t)rng_below(&s->rng, 200) - 100;
	}
	n->cfg.nodes_max = o->nodes * 2 + 4;
	n->cfg.reports_max = o->nodes * 16;
	cluster_settings_default(&n->cfg.settings);
	n->cfg.settings.node_timeout_ms = o->timeout_ms;
	n->cfg.keys = (struct cluster_keys){.in_slot = keys_in_slot, .total = keys_total, .ctx = n};
	if (o->trace != NULL) {
		*ctx = (struct trace_ctx){.s = s, .node = i};
		n->cfg.trace =
		    (struct cluster_trace){.line = on_trace, .ctx = ctx, .min = o->trace_level};
	}
	n->memory = must(malloc(cluster_sizeof(&n->cfg)));
	n->answer_us = must(calloc(o->nodes, sizeof *n->answer_us));
	if (o->nodes <= SIM_TOLD_NODES_MAX) {
		n->told_us = must(calloc((size_t)o->nodes * o->nodes, sizeof *n->told_us));
	}
	n->failed = must(calloc(n->cfg.nodes_max, sizeof *n->failed));
	n->index_of = must(calloc(n->cfg.nodes_max, sizeof *n->index_of));
	n->epoch_of = must(calloc(n->cfg.nodes_max, sizeof *n->epoch_of));
	n->epoch_serial = must(calloc(n->cfg.nodes_max, sizeof *n->epoch_serial));
}

void sim_open(struct sim *s, const struct sim_options *opts)
{
	static struct trace_ctx contexts[SIM_NODES_MAX];
	size_t pairs = (size_t)opts->nodes * opts->nodes;

	memset(s, 0, sizeof *s);
	s->opts = *opts;
	s->node_count = opts->nodes;
	s->returning = SIM_NODES_MAX;
	rng_seed(&s->rng, opts->seed);
	s->nodes = must(calloc(opts->nodes, sizeof *s->nodes));
	s->cut = must(calloc(pairs, sizeof *s->cut));
	s->hold_until_us = must(calloc(pairs, sizeof *s->hold_until_us));
	s->slow_until_us = must(calloc(pairs, sizeof *s->slow_until_us));
	s->equal_since_us = must(calloc(pairs, sizeof *s->equal_since_us));
	s->writer_since_us = must(calloc(pairs, sizeof *s->writer_since_us));
	s->text_cap = 65536;
	s->text = must(malloc(s->text_cap));
	s->now_us = 1;
	for (unsigned i = 0; i < opts->nodes; i++) {
		open_node(s, i, &contexts[i]);
	}
	for (unsigned i = 0; i < opts->nodes; i++) {
		sim_start(s, i);
		if (s->buf == NULL) {
			s->buf_cap = cluster_message_max(s->nodes[i].c);
			s->buf = must(malloc(s->buf_cap));
		}
	}
	sim_push(s, 100 * SIM_MS, SIM_EV_CHECK, 0, 0, 0);
}

void sim_close(struct sim *s)
{
	for (unsigned i = 0; i < s->node_count; i++) {
		struct sim_node *n = &s->nodes[i];

		while (n->outgoing != NULL) {
			struct sim_outgoing *o = n->outgoing;

			n->outgoing = o->next;
			free(o);
		}
		free(n->memory);
		free(n->durable);
		free(n->cached);
		free(n->unsynced);
		free(n->answer_us);
		free(n->told_us);
		free(n->failed);
		free(n->index_of);
		free(n->epoch_of);
		free(n->epoch_serial);
	}
	sim_net_free(s);
	free(s->nodes);
	free(s->heap);
	free(s->cut);
	free(s->hold_until_us);
	free(s->slow_until_us);
	free(s->equal_since_us);
	free(s->writer_since_us);
	free(s->buf);
	free(s->text);
	free(s->won);
}

static bool all_agree(const struct sim *s)
{
	for (unsigned i = 0; i < s->node_count; i++) {
		const struct cluster *c = s->nodes[i].c;
		struct cluster_view_info info;

		cluster_view_info(c, s->nodes[i].local_ms, &info);
		if (info.known_nodes != s->node_count || !info.ok) {
			return false;
		}
		if (i >= s->opts.primaries && !s->nodes[i].engine.linked) {
			return false;
		}
	}
	return true;
}

bool sim_create(struct sim *s)
{
	unsigned p = s->opts.primaries;
	uint64_t until;

	for (unsigned i = 0; i < p; i++) {
		unsigned first = i * SLOTS / p;
		unsigned last = (i + 1) * SLOTS / p - 1;

		(void)sim_command(s, i, "ADDSLOTSRANGE %u %u", first, last);
	}
	for (unsigned i = 0; i < s->node_count; i++) {
		(void)sim_command(s, i, "SET-CONFIG-EPOCH %" PRIu64, s->opts.epoch_start + i + 1);
	}
	for (unsigned i = 1; i < s->node_count; i++) {
		(void)sim_command(s, i, "MEET 10.0.%u.%u 6379", s->nodes[0].address >> 8,
				  s->nodes[0].address & 255);
	}
	until = s->now_us + 60 * SIM_S;
	for (unsigned i = p; i < s->node_count;) {
		sim_run_until(s, s->now_us + 200 * SIM_MS);
		if (sim_command(s, i, "REPLICATE %s", self(s->nodes[i % p].c)->id.text)) {
			i++;
		} else if (s->now_us > until || s->violations > 0) {
			return false;
		}
	}
	while (!all_agree(s)) {
		sim_run_until(s, s->now_us + 200 * SIM_MS);
		if (s->now_us > until + 60 * SIM_S || s->violations > 0) {
			return false;
		}
	}
	return s->violations == 0;
}
