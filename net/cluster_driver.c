/* Events to steps, updates to deeds. */
#include "net/cluster_driver.h"

#include "cluster/cluster_view.h"
#include "engine/base/alloc.h"
#include "engine/base/invariant.h"
#include "engine/base/logger.h"
#include "net/nodes_file.h"

#include <errno.h>
#include <stdio.h>

enum {
	MESSAGE_MAX = 64 << 20, /* of a node of the cluster: a long PUBLISH */
	STRANGER_MAX = 1 << 20, /* of anybody: more gossip than any cluster has */
	OUTPUT_MAX = 256 << 20, /* built-in bound of a link's output */
	INBOUND_SPARE = 64,	/* strangers beside one link per node */
	CONNECT_MS_MIN = 100,
	CONNECT_MS_MAX = 5000,
	SAVE_EVERY_MS = 1000, /* of what may be lost */
	STRANGERS_EVERY_MS = 1000,
	STRANGER_MS_MIN = 1000,
	OFFSET_EVERY_MS = 5,
	PUBLISH_HEAD = BUS_HEADER_LEN + 8,
};

struct cluster_driver {
	struct cluster *core;
	void *memory;
	struct cluster_driver_node node;
	struct bus *bus;
	struct nodes_file file;
	struct event_base *base;
	struct event *timer;
	struct cluster_update first;  /* of the start, until cluster_driver_start */
	struct buf text;	      /* nodes.conf */
	struct buf message;	      /* the one being encoded */
	struct cluster_engine engine; /* as last told */
	uint64_t engine_ms, saved_ms, strangers_ms, armed_ms;
	uint32_t nodes_max;
	bool started, busy, dead, dirty, save_failed;
	/* Decided within a script, and persisted; the rest is carried out when the script has
	 * ended. There is no step before that, since this points into the core. */
	struct cluster_update put_off;
	bool waiting;
};

/* --- carrying out an update --- */

static void give_up(struct cluster_driver *d, enum status st, struct buf *error)
{
	char text[512];

	(void)snprintf(text, sizeof text,
		       "Fatal: can't update cluster config file %s: %.*s. A vote or an epoch that "
		       "is not durable must not be heard of: this node stops here",
		       d->file.path, (int)error->len, (const char *)error->data);
	d->dead = true;
	d->node.fatal(d->node.ctx, st, text);
}

static enum status save(struct cluster_driver *d, struct buf *error)
{
	size_t need = cluster_save(d->core, (char *)d->text.data, d->text.cap);

	if (need > d->text.cap) {
		d->text.len = 0;
		if (buf_reserve(&d->text, need) != ST_OK) {
			buf_note(error, "out of memory");
			return ST_NO_MEMORY;
		}
		need = cluster_save(d->core, (char *)d->text.data, d->text.cap);
	}
	return nodes_file_save(&d->file, slice_of(d->text.data, need), error);
}

static void persist(struct cluster_driver *d, enum cluster_persist how, uint64_t now)
{
	struct buf error = {0};
	enum status st;

	if (how != PERSIST_SYNC) {
		d->dirty |= how == PERSIST_SAVE;
		return;
	}
	st = save(d, &error);
	if (st == ST_OK) {
		d->dirty = false;
		d->saved_ms = now;
	} else {
		give_up(d, st, &error);
	}
	buf_deinit(&error);
}

/* What may be lost: soon, but not at every change. */
static void save_due(struct cluster_driver *d, uint64_t now)
{
	struct buf error = {0};

	if (!d->dirty || now - d->saved_ms < SAVE_EVERY_MS) {
		return;
	}
	d->saved_ms = now;
	if (save(d, &error) == ST_OK) {
		d->dirty = d->save_failed = false;
	} else if (!d->save_failed) {
		d->save_failed = true;
		logger(LOG_LVL_WARNING,
		       "cluster config file %s: %.*s; nothing of weight is lost yet, it is tried "
		       "again every second",
		       d->file.path, (int)error.len, (const char *)error.data);
	}
	buf_deinit(&error);
}

static void send_op(struct cluster_driver *d, const struct cluster_op *op)
{
	struct cluster_send_cursor cursor = {0};
	uint64_t link;
	size_t len;

	while (
	    cluster_send_next(d->core, op, &cursor, d->message.data, d->message.cap, &link, &len)) {
		bus_send(d->bus, link, slice_of(d->message.data, len));
	}
}

static void carry_out_ops(struct cluster_driver *d, const struct cluster_update *up)
{
	for (size_t i = 0; i < up->ops_count; i++) {
		const struct cluster_op *op = &up->ops[i];

		switch (op->kind) {
		case OP_CLOSE:
			bus_close(d->bus, op->link);
			break;
		case OP_CONNECT:
			bus_connect(d->bus, op->link, op->addr.ip, op->addr.bus_port);
			break;
		case OP_SEND:
			send_op(d, op);
			break;
		}
	}
}

static void arm(struct cluster_driver *d, uint64_t at_ms, uint64_t now)
{
	uint64_t ms = at_ms > now ? at_ms - now : 0;
	struct timeval wait = {.tv_sec = (time_t)(ms / 1000),
			       .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

	/* A timer that fires too early costs less than moving it at every step. */
	if (d->armed_ms == 0 || at_ms < d->armed_ms) {
		d->armed_ms = at_ms;
		(void)event_add(d->timer, &wait);
	}
}

/* All but what must be durable first. */
static void carry_out_rest(struct cluster_driver *d, const struct cluster_update *up, uint64_t now)
{
	if (up->role_changed || up->flush_data || up->lost_slots != NULL) {
		d->node.role(d->node.ctx, up);
	}
	if (up->pause_changed) {
		d->node.pause(d->node.ctx, up->paused);
	}
	if (up->routes_changed) {
		d->node.routes(d->node.ctx);
	}
	carry_out_ops(d, up);
	if (up->publish) {
		d->node.publish(d->node.ctx, up->publish_channel, up->publish_payload,
				up->publish_sharded);
	}
	if (up->handover != HANDOVER_NONE) {
		d->node.handover(d->node.ctx, up->handover);
	}
	arm(d, up->deadline_ms, now);
}

static bool mid_script(const struct cluster_driver *d)
{
	return d->node.mid_script != NULL && d->node.mid_script(d->node.ctx);
}

static void carry_out(struct cluster_driver *d, const struct cluster_update *up, uint64_t now)
{
	persist(d, up->persist, now);
	if (d->dead) {
		return;
	}
	if ((up->role_changed || up->flush_data || up->lost_slots != NULL) && mid_script(d)) {
		logger(LOG_LVL_NOTICE, "cluster: that is carried out when the script has ended");
		d->put_off = *up;
		d->waiting = true;
		bus_hold(d->bus);
		return;
	}
	carry_out_rest(d, up, now);
}

/* Carries out what was put off. False: the script still runs. */
static bool caught_up(struct cluster_driver *d)
{
	uint64_t now, wall;

	if (!d->waiting) {
		return true;
	}
	if (mid_script(d)) {
		return false;
	}
	d->node.now(d->node.ctx, &now, &wall);
	d->waiting = false;
	d->busy = true;
	carry_out_rest(d, &d->put_off, now);
	d->busy = false;
	bus_release(d->bus);
	return true;
}

static bool room_for_publish(struct cluster_driver *d, const struct cluster_event *ev)
{
	size_t need = PUBLISH_HEAD + ev->publish.channel.len + ev->publish.payload.len;

	if (need > MESSAGE_MAX) {
		logger(LOG_LVL_WARNING, "a message of %zu bytes is too long for the cluster bus",
		       need);
		return false;
	}
	d->message.len = 0;
	return buf_reserve(&d->message, need) == ST_OK;
}

void cluster_driver_event(struct cluster_driver *d, struct cluster_event *ev,
			  struct cluster_reply *reply)
{
	struct cluster_update up;

	INVARIANT(!d->busy);
	if (d->dead || !d->started || !caught_up(d) ||
	    (ev->kind == CLUSTER_EV_PUBLISH && !room_for_publish(d, ev))) {
		if (reply != NULL) {
			/* While it waits only the script itself gets here. */
			*reply = (struct cluster_reply){.kind = REPLY_ERROR};
			(void)snprintf(reply->text, sizeof reply->text, "CLUSTERDOWN the %s",
				       d->waiting ? "role of this node is changing"
						  : "node is starting");
		}
		return;
	}
	d->node.now(d->node.ctx, &ev->now_ms, &ev->wall_ms);
	d->busy = true;
	cluster_step(d->core, ev, &up);
	carry_out(d, &up, ev->now_ms);
	d->busy = false;
	if (reply != NULL) {
		*reply = up.reply;
	}
}

/* --- events --- */

static void on_up(void *ctx, uint64_t link)
{
	struct cluster_event ev = {.kind = CLUSTER_EV_LINK_UP, .link = link};

	cluster_driver_event(ctx, &ev, NULL);
}

static void on_down(void *ctx, uint64_t link)
{
	struct cluster_event ev = {.kind = CLUSTER_EV_LINK_DOWN, .link = link};

	cluster_driver_event(ctx, &ev, NULL);
}

static void on_message(void *ctx, uint64_t link, struct slice bytes, const char *peer_ip,
		       const char *local_ip)
{
	struct cluster_event ev = {.kind = CLUSTER_EV_MESSAGE};

	ev.message.link = link;
	ev.message.bytes = bytes;
	ev.message.peer_ip = peer_ip;
	ev.message.local_ip = local_ip;
	cluster_driver_event(ctx, &ev, NULL);
}

static bool is_known(void *ctx, uint64_t link)
{
	const struct cluster_driver *d = ctx;
	struct cluster_view_node n;

	for (uint16_t i = 0; i < cluster_view_places(d->core); i++) {
		if (cluster_view_node(d->core, i, &n) && n.inbound == link) {
			return true;
		}
	}
	return false;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct cluster_driver *d = arg;
	struct cluster_event ev = {.kind = CLUSTER_EV_TIME};

	(void)fd;
	(void)what;
	d->armed_ms = 0;
	cluster_driver_event(d, &ev, NULL);
}

static bool same_but_offset(const struct cluster_engine *a, const struct cluster_engine *b)
{
	return a->history_epoch == b->history_epoch && a->link_up == b->link_up &&
	       a->can_stand == b->can_stand && a->paused == b->paused;
}

void cluster_driver_engine(struct cluster_driver *d, const struct cluster_engine *e)
{
	struct cluster_event ev = {.kind = CLUSTER_EV_ENGINE, .engine = *e};
	bool same = same_but_offset(e, &d->engine);
	uint64_t now, wall;

	if (same && e->offset == d->engine.offset && e->last_io_ms == d->engine.last_io_ms) {
		return;
	}
	d->node.now(d->node.ctx, &now, &wall);
	if (same && now - d->engine_ms < OFFSET_EVERY_MS) {
		if (d->started) {
			arm(d, d->engine_ms + OFFSET_EVERY_MS, now);
		}
		return;
	}
	d->engine = *e;
	d->engine_ms = now;
	cluster_driver_event(d, &ev, NULL);
}

void cluster_driver_turn_end(struct cluster_driver *d)
{
	const struct cluster_settings *s = cluster_view_settings(d->core);
	uint64_t now, wall;

	bus_begin_turn(d->bus);
	if (d->dead || !caught_up(d)) {
		return;
	}
	d->node.now(d->node.ctx, &now, &wall);
	save_due(d, now);
	if (now - d->strangers_ms >= STRANGERS_EVERY_MS) {
		uint64_t idle = 2 * (uint64_t)s->node_timeout_ms;

		d->strangers_ms = now;
		bus_close_strangers(d->bus, idle < STRANGER_MS_MIN ? STRANGER_MS_MIN : idle);
	}
	if (d->node.may_speak(d->node.ctx)) {
		bus_flush(d->bus);
	}
}

void cluster_driver_serve(struct cluster_driver *d)
{
	uint64_t now, wall;

	if (d->dead || !d->started || d->busy || d->waiting) {
		return;
	}
	bus_poll(d->bus);
	d->node.now(d->node.ctx, &now, &wall);
	if (!d->waiting && d->armed_ms != 0 && now >= d->armed_ms) {
		on_timer(-1, EV_TIMEOUT, d);
	}
	cluster_driver_turn_end(d);
}

/* --- settings --- */

static void link_limits(const struct cluster_driver *d, const struct cluster_settings *s,
			uint64_t output_max, const char *source_addr, const struct tls *tls,
			struct bus_limits *out)
{
	uint32_t connect_ms = s->node_timeout_ms / 2;

	connect_ms = connect_ms < CONNECT_MS_MIN ? CONNECT_MS_MIN : connect_ms;
	*out = (struct bus_limits){
	    .message_max = MESSAGE_MAX,
	    .stranger_max = STRANGER_MAX,
	    .output_max = output_max == 0 ? OUTPUT_MAX : output_max,
	    .inbound_max = d->nodes_max + INBOUND_SPARE,
	    .connect_timeout_ms = connect_ms > CONNECT_MS_MAX ? CONNECT_MS_MAX : connect_ms,
	    .keepalive_s = s->node_timeout_ms / 1000 * 2,
	    .tls = s->tls_cluster ? tls : NULL,
	    .source_addr = source_addr,
	};
}

void cluster_driver_settings(struct cluster_driver *d, const struct cluster_settings *settings,
			     uint64_t link_output_max, const char *source_addr,
			     const struct tls *tls)
{
	struct cluster_event ev = {.kind = CLUSTER_EV_SETTINGS, .settings = settings};
	struct bus_limits limits;

	link_limits(d, settings, link_output_max, source_addr, tls, &limits);
	bus_set_limits(d->bus, &limits);
	cluster_driver_event(d, &ev, NULL);
}

/* --- life --- */

static void trace_line(void *ctx, enum cluster_trace_level level, const char *text)
{
	static const enum log_level levels[] = {LOG_LVL_DEBUG, LOG_LVL_NOTICE, LOG_LVL_WARNING};

	(void)ctx;
	logger(levels[level], "cluster: %s", text);
}

static enum status make_core(struct cluster_driver *d, const struct cluster_driver_options *o,
			     struct slice conf, struct buf *error)
{
	struct cluster_config cfg = {
	    .nodes_max = o->nodes_max,
	    .seed = o->seed,
	    .settings = o->settings,
	    .trace = {.line = trace_line,
		      .min = o->trace_debug ? CLUSTER_TRACE_DEBUG : CLUSTER_TRACE_NOTICE},
	    .keys = o->keys,
	    .conf = conf,
	    .store_is_new = o->store_is_new,
	};
	char why[160] = "";
	enum status st;

	d->node.now(d->node.ctx, &cfg.now_ms, &cfg.wall_ms);
	d->memory = mem_alloc(cluster_sizeof(&cfg));
	if (d->memory == NULL) {
		return ST_NO_MEMORY;
	}
	st = cluster_init(d->memory, &cfg, &d->core, &d->first, why);
	if (st != ST_OK) {
		d->core = NULL;
		buf_note(error, "cluster config file %s: %s", o->path, why);
		return st;
	}
	return buf_reserve(&d->message, cluster_message_max(d->core));
}

enum status cluster_driver_create(const struct cluster_driver_options *opts,
				  const struct cluster_driver_node *node,
				  struct cluster_start *start, struct cluster_driver **out,
				  struct buf *error)
{
	struct cluster_driver *d = mem_calloc(1, sizeof *d);
	struct bus_events events = {
	    .up = on_up, .down = on_down, .message = on_message, .known = is_known, .ctx = d};
	struct bus_limits limits;
	enum status st;

	if (d == NULL) {
		return ST_NO_MEMORY;
	}
	d->node = *node;
	d->base = opts->base;
	d->nodes_max = opts->nodes_max;
	d->file.fd = -1;
	link_limits(d, &opts->settings, opts->link_output_max, opts->source_addr, opts->tls,
		    &limits);
	st = bus_create(opts->base, &events, &limits, &d->bus);
	if (st == ST_OK) {
		d->timer = event_new(opts->base, -1, 0, on_timer, d);
		st = d->timer == NULL ? ST_NO_MEMORY
				      : make_core(d, opts, buf_slice(&start->text), error);
	}
	if (st != ST_OK) {
		cluster_driver_destroy(d);
		return st;
	}
	d->file = *start->file;
	start->file->path = NULL;
	start->file->fd = -1;
	cluster_start_release(start);
	*out = d;
	return ST_OK;
}

void cluster_driver_destroy(struct cluster_driver *d)
{
	struct buf error = {0};

	if (d == NULL) {
		return;
	}
	if (d->started && d->dirty && !d->dead && save(d, &error) != ST_OK) {
		logger(LOG_LVL_WARNING, "cluster config file %s: %.*s", d->file.path,
		       (int)error.len, (const char *)error.data);
	}
	buf_deinit(&error);
	bus_destroy(d->bus);
	if (d->timer != NULL) {
		event_free(d->timer);
	}
	nodes_file_close(&d->file);
	buf_deinit(&d->text);
	buf_deinit(&d->message);
	mem_free(d->memory);
	mem_free(d);
}

enum status cluster_driver_listen(struct cluster_driver *d, int fd)
{
	return bus_listen(d->bus, fd);
}

void cluster_driver_start(struct cluster_driver *d)
{
	uint64_t now, wall;

	d->node.now(d->node.ctx, &now, &wall);
	d->started = true;
	d->busy = true;
	carry_out(d, &d->first, now);
	d->busy = false;
}

struct cluster *cluster_driver_core(struct cluster_driver *d)
{
	return d->core;
}

bool cluster_driver_link(const struct cluster_driver *d, uint64_t link, struct bus_link_info *out)
{
	return bus_link_info(d->bus, link, out);
}

void cluster_driver_totals(const struct cluster_driver *d, struct bus_totals *out)
{
	bus_totals(d->bus, out);
}

void cluster_driver_stop_listening(struct cluster_driver *d)
{
	bus_stop_listening(d->bus);
}
