/* Loading and saving. Nodes in a handshake have a made-up id and are not saved. */
#include "cluster/conf_file.h"

#include "cluster/cluster_view.h"
#include "cluster/migration.h"
#include "cluster/node_table.h"
#include "cluster/slot_map.h"

#include <inttypes.h>
#include <stdio.h>

/* Flags that a file may set; the others are found out anew. */
#define FLAGS_KEPT (NODE_PRIMARY | NODE_REPLICA | NODE_FAIL | NODE_NOADDR | NODE_NOFAILOVER)

/* The node of that id, added when a line before its own names it. */
static struct cnode *obtain(struct cluster *c, const struct node_id *id)
{
	struct cnode *n = node_find(c, id);

	return n != NULL ? n : node_add(c, id, NODE_PRIMARY);
}

static void apply_slots(struct cluster *c, struct cnode *n, const struct nodes_conf_row *row)
{
	for (unsigned s = 0; s < SLOTS; s++) {
		if (slot_bits_get(&row->slots, s)) {
			slot_bind(c, s, n);
		}
	}
}

static bool apply_open(struct cluster *c, const struct nodes_conf_row *row)
{
	struct slice rest = row->open;
	struct nodes_conf_open open;

	while (nodes_conf_next_open(&rest, &open)) {
		struct cnode *peer = obtain(c, &open.peer);

		if (peer == NULL) {
			return false;
		}
		if (open.importing) {
			c->importing_from[open.slot] = index_of(c, peer);
		} else {
			c->migrating_to[open.slot] = index_of(c, peer);
		}
	}
	return true;
}

static enum status apply_row(struct cluster *c, const struct nodes_conf_row *row)
{
	struct cnode *n = obtain(c, &row->id);
	struct cnode *primary = NULL;

	if (n == NULL) {
		return ST_LIMIT;
	}
	if ((row->flags & NODE_REPLICA) != 0 && !node_id_empty(&row->primary)) {
		primary = obtain(c, &row->primary);
		if (primary == NULL) {
			return ST_LIMIT;
		}
		if (primary == n) {
			return ST_CORRUPT;
		}
	}
	n->flags = (row->flags & FLAGS_KEPT) | (n == self(c) ? (unsigned)NODE_MYSELF : 0);
	n->addr = row->addr;
	memcpy(n->hostname, row->hostname, sizeof n->hostname);
	memcpy(n->name, row->name, sizeof n->name);
	if (!node_id_empty(&row->shard)) {
		n->shard = row->shard;
	}
	if (has_flag(n, NODE_FAIL)) {
		n->fail_ms = c->now_ms;
	}
	/* A fair chance for everybody: silence counts from this start. */
	n->pong_ms = row->pong_wall_ms != 0 ? c->now_ms : 0;
	if (is_replica(n)) {
		node_set_replica_role(c, n, primary);
	} else {
		n->flags |= NODE_PRIMARY;
		n->config_epoch = row->epoch;
		n->heir = true;
	}
	if (row->epoch > c->current_epoch) {
		c->current_epoch = row->epoch;
	}
	apply_slots(c, n, row);
	if (is_replica(n)) {
		slot_map_abandon(c, n);
	}
	return apply_open(c, row) ? ST_OK : ST_LIMIT;
}

/* One pass over the text: the first finds this node, which must be at its place before all others;
 * the second takes the rest. */
static enum status pass(struct cluster *c, struct slice text, bool first, char error[160])
{
	struct nodes_conf_reader r;
	struct nodes_conf_row row;
	enum nodes_conf_kind kind;
	enum status st;
	unsigned selves = 0;

	nodes_conf_open_text(&r, text);
	while ((st = nodes_conf_next(&r, &row, &kind)) == ST_OK) {
		if (kind != NODES_CONF_NODE) {
			struct cnode *n = first ? NULL : node_find(c, &row.id);

			if (n != NULL && kind == NODES_CONF_SHARD) {
				n->shard = row.shard;
			} else if (n != NULL) {
				memcpy(n->name, row.name, sizeof n->name);
			}
			continue;
		}
		if (first) {
			if ((row.flags & NODE_MYSELF) != 0) {
				selves++;
				if (selves == 1) {
					(void)node_add(c, &row.id, NODE_MYSELF);
				}
			}
			continue;
		}
		st = apply_row(c, &row);
		if (st != ST_OK) {
			(void)snprintf(error, 160, "line %u: %s", r.line,
				       st == ST_LIMIT ? "more nodes than this node can hold"
						      : "a node that replicates itself");
			return st;
		}
	}
	if (st == ST_CORRUPT) {
		(void)snprintf(error, 160, "line %u: %s", r.line, r.error);
		return st;
	}
	if (first && selves != 1) {
		(void)snprintf(error, 160, "%u lines have the flag myself, one must", selves);
		return ST_CORRUPT;
	}
	if (!first) {
		if (r.current_epoch > c->current_epoch) {
			c->current_epoch = r.current_epoch;
		}
		c->last_vote_epoch = PLANTED(137) ? 0 : r.last_vote_epoch;
		if (c->last_vote_epoch > c->current_epoch) {
			c->current_epoch = c->last_vote_epoch;
		}
	}
	return ST_OK;
}

enum status conf_file_load(struct cluster *c, struct slice text, char error[160])
{
	enum status st = pass(c, text, true, error);

	if (st == ST_OK) {
		st = pass(c, text, false, error);
	}
	return st;
}

void conf_file_put_node(const struct cluster *c, const struct cnode *n, enum conf_use use,
			struct conf_text *t)
{
	struct nodes_conf_row row;
	struct nodes_conf_open open;

	memset(&row, 0, sizeof row);
	row.id = n->id;
	row.addr = n->addr;
	if (use != CONF_SAVED) {
		row.addr.port = cluster_view_client_port(c, index_of(c, n), use == CONF_SHOWN_TLS);
	}
	memcpy(row.hostname, n->hostname, sizeof row.hostname);
	row.flags = n->flags;
	row.ping_sent_wall_ms = wall_of(c, n->ping_ms);
	row.pong_wall_ms = wall_of(c, n->pong_ms);
	row.epoch = n->config_epoch;
	row.connected = n == self(c) || n->link_state == LINK_UP;
	if (is_replica(n) && n->primary != NONE) {
		row.primary = c->nodes[n->primary].id;
		row.epoch = c->nodes[n->primary].config_epoch;
	}
	if (is_primary(n) || use == CONF_SAVED) {
		row.slots = n->slots;
	}
	nodes_conf_put_row(t, &row);
	if (n != self(c) || !migration_any(c)) {
		return;
	}
	for (unsigned s = 0; s < SLOTS; s++) {
		if (c->migrating_to[s] == NONE && c->importing_from[s] == NONE) {
			continue;
		}
		open.slot = (uint16_t)s;
		open.importing = c->migrating_to[s] == NONE;
		open.peer = c->nodes[open.importing ? c->importing_from[s] : c->migrating_to[s]].id;
		nodes_conf_put_open(t, &open);
	}
}

size_t cluster_save(const struct cluster *c, char *buf, size_t cap)
{
	struct conf_text t = {.data = buf, .cap = cap};

	FOR_EACH_NODE(c, n)
	{
		if (!has_flag(n, NODE_HANDSHAKE)) {
			conf_file_put_node(c, n, CONF_SAVED, &t);
			conf_printf(&t, "\n");
		}
	}
	conf_printf(&t, "vars currentEpoch %" PRIu64 " lastVoteEpoch %" PRIu64, c->current_epoch,
		    c->last_vote_epoch);
	FOR_EACH_NODE(c, n)
	{
		if (is_primary(n) && !has_flag(n, NODE_HANDSHAKE) && !node_id_empty(&n->shard)) {
			conf_printf(&t, " shard-%s %s", n->id.text, n->shard.text);
		}
		if (!has_flag(n, NODE_HANDSHAKE) && n->name[0] != '\0') {
			conf_printf(&t, " name-%s %s", n->id.text, n->name);
		}
	}
	conf_printf(&t, "\n");
	return t.len;
}
