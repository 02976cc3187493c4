/* In a cluster: whether this node is the one to run a command, and what the client is told when it
 * is not. Nothing of this is reached without a cluster. */
#include "cluster/cluster_view.h"
#include "cluster/route.h"
#include "engine/base/alloc.h"
#include "net/command/command_groups.h"
#include "net/command/command_keys.h"
#include "net/command/dispatch_state.h"
#include "net/command/txn_queue.h"

enum {
	KEYS_CAP_MIN = 64,
	KEYS_CAP_KEPT = 4096, /* a longer list of keys is freed after its command */
	ERROR_MAX = NODE_HOSTNAME_CAP + 64,
};

/* Keys gathered for one decision, in dispatch's list. */
struct gathered {
	struct dispatch *d;
	size_t count;
	bool failed; /* no memory */
};

static bool gather(void *arg, struct slice key, struct slice flags)
{
	struct gathered *g = arg;
	struct dispatch *d = g->d;

	(void)flags;
	if (g->count == d->route_cap) {
		size_t cap = d->route_cap == 0 ? KEYS_CAP_MIN : d->route_cap * 2;
		struct slice *grown = mem_realloc(d->route_keys, cap * sizeof *grown);

		if (grown == NULL) {
			g->failed = true;
			return false;
		}
		d->route_keys = grown;
		d->route_cap = cap;
	}
	d->route_keys[g->count++] = key;
	return true;
}

static void gather_request(struct gathered *g, const struct command_entry *entry,
			   const struct slice *argv, size_t argc)
{
	if ((entry->cmd->flags & CMD_MOVABLE_KEYS) != 0) {
		/* A request that makes no sense goes where its keys up to there say; the command
		 * itself tells what is wrong with it. */
		(void)command_keys_each(entry, argv, argc, true, gather, g);
		return;
	}
	for (size_t at = 0; !g->failed && command_key_next(entry->cmd, argc, &at);) {
		(void)gather(g, argv[at], slice_of(NULL, 0));
	}
}

/* The keys of a request, or of all that EXEC would run. Those that stand side by side in the
 * request are used where they are. ST_NO_MEMORY. */
static enum status find_keys(struct dispatch *d, const struct session *s,
			     const struct command_entry *entry, const struct slice *argv,
			     size_t argc, bool exec, struct route_query *q)
{
	struct gathered g = {.d = d};
	size_t at = 0;

	if (!exec && (entry->cmd->flags & CMD_MOVABLE_KEYS) == 0 && entry->cmd->keys.step <= 1) {
		const struct command_keys *k = &entry->cmd->keys;

		if (command_key_next(entry->cmd, argc, &at)) {
			size_t last = k->last < 0 ? argc - (size_t)-k->last : (size_t)k->last;

			q->keys = argv + at;
			q->keys_count = (last < argc ? last : argc - 1) - at + 1;
		}
		return ST_OK;
	}
	if (exec) {
		for (size_t i = 0; i < s->queue_len && !g.failed; i++) {
			gather_request(&g, s->queue[i].entry, s->queue[i].argv, s->queue[i].argc);
		}
	} else {
		gather_request(&g, entry, argv, argc);
	}
	q->keys = d->route_keys;
	q->keys_count = g.count;
	return g.failed ? ST_NO_MEMORY : ST_OK;
}

static bool is_migrate(const struct command_entry *e)
{
	return (e->cmd->flags & CMD_MOVABLE_KEYS) != 0 && strcmp(e->full_name, "migrate") == 0;
}

static bool is_shard_pubsub(const struct command *cmd)
{
	return (cmd->flags & CMD_PUBSUB) != 0 && cmd->keys.first > 0;
}

static unsigned flags_of(const struct session *s, const struct command_entry *entry,
			 uint32_t cmd_flags, bool exec)
{
	unsigned flags = 0;
	bool pubsub = is_shard_pubsub(entry->cmd);

	if ((cmd_flags & CMD_WRITE) != 0 || (exec && s->queue_writes)) {
		flags |= ROUTE_WRITE;
	}
	if (s->readonly) {
		flags |= ROUTE_READONLY;
	}
	if (s->asking || (entry->cmd->flags & CMD_ASKING) != 0) {
		flags |= ROUTE_ASKING;
	}
	if (is_migrate(entry)) {
		flags |= ROUTE_MIGRATE;
	}
	if (pubsub) {
		flags |= ROUTE_SHARD_PUBSUB;
	}
	return flags;
}

/* What can't be read is here: the command will say what is wrong with it. */
static bool key_is_here(void *arg, struct slice name)
{
	struct dispatch *d = arg;
	struct store_key key;
	struct meta meta;

	store_key_of_key(&key, name);
	return ks_lookup(d->engine, &key, &meta) != ST_NOT_FOUND;
}

/* A slot on its way to or from this node: where a key is decides. */
static bool slot_is_open(const struct cluster *c, const struct route_query *q)
{
	uint16_t to, from;

	if (q->keys_count == 0) {
		return false;
	}
	cluster_view_marks(c, keyslot(q->keys[0]), &to, &from);
	return to != VIEW_NO_NODE || from != VIEW_NO_NODE;
}

/* Decides with the keys looked at. The answer tells of them, so it waits for what they wait for. */
static void decide_open(struct dispatch *d, struct session *s, struct route_query *q,
			uint64_t now_ms, struct route *out)
{
	uint64_t seen;

	engine_begin(d->engine, slice_str("route"), now_ms, s->id);
	q->exists = key_is_here;
	q->ctx = d;
	route_command(d->host->cluster, q, out);
	seen = engine_seen_lsn(d->engine);
	engine_rollback(d->engine);
	if (seen > s->gate_lsn) {
		s->gate_lsn = seen;
	}
}

/* A transaction that a redirected command belongs to is lost; EXEC's reply is the redirection. */
static void redirect(struct dispatch *d, struct session *s, const struct command_entry *entry,
		     bool exec, const char *text, struct resp_writer *w)
{
	size_t at = w->out->len;

	d->stats.records[entry->index].rejected++;
	if (exec) {
		txn_reset(s);
	} else {
		s->multi_failed |= s->in_multi;
	}
	resp_error(w, "%s", text);
	if (!w->failed) {
		dispatch_count_error(d, w->out, at);
	}
}

enum dispatch_routed dispatch_route(struct dispatch *d, struct session *s,
				    const struct command_entry *entry, uint32_t flags,
				    const struct slice *argv, size_t argc, uint64_t now_ms,
				    struct resp_writer *w)
{
	const struct cluster *c = d->host->cluster;
	bool exec = s->in_multi && strcmp(entry->full_name, "exec") == 0;
	struct route_query q = {0};
	struct route route;
	char text[ERROR_MAX];
	enum status st;

	d->route_slot = SLOTS;
	if (!exec && !command_has_keys(entry)) {
		return ROUTED_HERE;
	}
	st = find_keys(d, s, entry, argv, argc, exec, &q);
	if (st != ST_OK) {
		redirect(d, s, entry, exec, "OOM out of memory: too many keys", w);
		return ROUTED_AWAY;
	}
	q.flags = flags_of(s, entry, flags, exec);
	q.now_ms = d->clock->mono_us(d->clock->ctx) / 1000;
	if (slot_is_open(c, &q)) {
		d->probes = true;
		if (dispatch_is_cold(d, s, entry, argv, argc, exec)) {
			return ROUTED_COLD;
		}
		decide_open(d, s, &q, now_ms, &route);
	} else {
		route_command(c, &q, &route);
	}
	if (d->route_cap > KEYS_CAP_KEPT) {
		mem_free(d->route_keys);
		d->route_keys = NULL;
		d->route_cap = 0;
	}
	d->route_slot = route.slot;
	if (route.kind == ROUTE_SERVE) {
		return ROUTED_HERE;
	}
	(void)route_error(c, &route, s->tls, text, sizeof text);
	redirect(d, s, entry, exec, text, w);
	return ROUTED_AWAY;
}

const char *dispatch_misplaced(struct dispatch *d, struct session *s,
			       const struct command_entry *entry, const struct slice *argv,
			       size_t argc, bool cross_slots, uint16_t *slot)
{
	struct route_query q = {0};
	struct route route;

	if (!command_has_keys(entry)) {
		return NULL;
	}
	if (find_keys(d, s, entry, argv, argc, false, &q) != ST_OK) {
		return "OOM out of memory: too many keys";
	}
	if (q.keys_count == 0) {
		return NULL;
	}
	q.flags = flags_of(s, entry, entry->cmd->flags, false);
	q.now_ms = d->clock->mono_us(d->clock->ctx) / 1000;
	q.exists = key_is_here;
	q.ctx = d;
	route_command(d->host->cluster, &q, &route);
	switch (route.kind) {
	case ROUTE_SERVE:
		break;
	case ROUTE_DOWN_WRITES:
		return "ERR Script attempted to execute a write command while the cluster is down "
		       "and readonly";
	case ROUTE_DOWN:
		return "ERR Script attempted to execute a command while the cluster is down";
	case ROUTE_CROSSSLOT:
	case ROUTE_UNBOUND:
	case ROUTE_MOVED:
	case ROUTE_ASK:
	case ROUTE_TRYAGAIN:
		return "ERR Script attempted to access a non local key in a cluster node";
	}
	if (*slot != SLOTS && *slot != route.slot && !cross_slots) {
		return "ERR Script attempted to access keys that do not hash to the same slot";
	}
	*slot = route.slot;
	return NULL;
}
