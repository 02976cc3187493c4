/* The table of nodes. Places are reused, so whoever keeps one past a step keeps its serial too. */
#include "cluster/node_table.h"

#include "cluster/failure.h"
#include "cluster/migration.h"
#include "cluster/outbox.h"
#include "cluster/slot_map.h"

#include <stdio.h>

static uint32_t bucket_of(const struct cluster *c, const struct node_id *id)
{
	uint64_t h = 0;

	for (int i = 0; i < NODE_ID_LEN; i += 8) {
		uint64_t word;

		memcpy(&word, id->text + i, sizeof word);
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return (uint32_t)(h ^ h >> 32) & c->buckets_mask;
}

static void link_bucket(struct cluster *c, struct cnode *n)
{
	uint16_t *head = &c->buckets[bucket_of(c, &n->id)];

	n->next_in_bucket = *head;
	*head = index_of(c, n);
}

static void unlink_bucket(struct cluster *c, struct cnode *n)
{
	uint16_t *at = &c->buckets[bucket_of(c, &n->id)];

	while (*at != index_of(c, n)) {
		at = &c->nodes[*at].next_in_bucket;
	}
	*at = n->next_in_bucket;
}

void node_table_init(struct cluster *c)
{
	for (uint32_t i = 0; i <= c->buckets_mask; i++) {
		c->buckets[i] = NONE;
	}
	memset(c->nodes, 0, sizeof *c->nodes * c->nodes_max);
	c->nodes_high = 0;
	c->nodes_count = 0;
}

void node_id_random(struct cluster *c, struct node_id *out)
{
	memset(out, 0, sizeof *out);
	for (int i = 0; i < NODE_ID_LEN; i++) {
		out->text[i] = "0123456789abcdef"[rng_below(&c->rng, 16)];
	}
}

struct cnode *node_find(const struct cluster *c, const struct node_id *id)
{
	uint16_t at = c->buckets[bucket_of(c, id)];

	while (at != NONE && !node_id_eq(&c->nodes[at].id, id)) {
		at = c->nodes[at].next_in_bucket;
	}
	return at == NONE ? NULL : &c->nodes[at];
}

struct cnode *node_add(struct cluster *c, const struct node_id *id, unsigned flags)
{
	struct cnode *n = c->nodes;

	while (n < c->nodes + c->nodes_high && n->used) {
		n++;
	}
	if (n == c->nodes + c->nodes_max) {
		MARK(c, TABLE_FULL);
		WARN(c, "node %.*s not taken in: the table is full (%u nodes)", NODE_ID_LEN,
		     id->text, c->nodes_max);
		return NULL;
	}
	if (n == c->nodes + c->nodes_high) {
		c->nodes_high++;
	}
	memset(n, 0, sizeof *n);
	n->used = true;
	n->id = *id;
	n->flags = flags;
	n->primary = NONE;
	n->serial = ++c->serial;
	n->created_ms = c->now_ms;
	n->reports = NO_REPORT;
	c->nodes_count++;
	link_bucket(c, n);
	return n;
}

void node_rename(struct cluster *c, struct cnode *n, const struct node_id *id)
{
	INVARIANT(node_find(c, id) == NULL);
	unlink_bucket(c, n);
	n->id = *id;
	link_bucket(c, n);
}

static void detach(struct cluster *c, struct cnode *n)
{
	if (n->primary != NONE) {
		struct cnode *p = &c->nodes[n->primary];

		INVARIANT(p->replicas_count > 0);
		p->replicas_count--;
		if (p->replicas_count == 0) {
			p->flags &= ~(unsigned)NODE_MIGRATE_TO;
		}
		n->primary = NONE;
	}
}

void node_remove(struct cluster *c, struct cnode *n)
{
	INVARIANT(n != self(c) && n->used && !n->doomed);
	slot_map_unbind_all(c, n);
	migration_drop(c, n);
	failure_forget(c, n);
	outbox_close_links(c, n);
	detach(c, n);
	FOR_EACH_NODE(c, other)
	{
		if (other->primary == index_of(c, n)) {
			other->primary = NONE;
		}
	}
	if (c->manual.replica == index_of(c, n)) {
		c->manual.replica = NONE;
	}
	unlink_bucket(c, n);
	n->doomed = true;
	c->nodes_count--;
}

void node_table_sweep(struct cluster *c)
{
	for (struct cnode *n = c->nodes; n < c->nodes + c->nodes_high; n++) {
		if (n->doomed) {
			n->doomed = false;
			n->used = false;
		}
	}
	while (c->nodes_high > 1 && !c->nodes[c->nodes_high - 1].used) {
		c->nodes_high--;
	}
}

void node_set_primary_role(struct cluster *c, struct cnode *n)
{
	bool had_primary = is_replica(n) && n->primary != NONE;

	detach(c, n);
	n->flags = (n->flags & ~(unsigned)NODE_REPLICA) | NODE_PRIMARY;
	if (had_primary) {
		n->flags |= NODE_MIGRATE_TO;
		n->heir = true;
	}
}

void node_set_replica_role(struct cluster *c, struct cnode *n, struct cnode *primary)
{
	detach(c, n);
	n->flags = (n->flags & ~(unsigned)(NODE_PRIMARY | NODE_MIGRATE_TO)) | NODE_REPLICA;
	if (primary != NULL) {
		INVARIANT(primary != n);
		n->primary = index_of(c, primary);
		primary->replicas_count++;
		if (is_primary(primary)) {
			primary->flags |= NODE_MIGRATE_TO;
		}
		if (!node_id_empty(&primary->shard)) {
			n->shard = primary->shard;
		}
	}
}

struct cnode *node_by_link(const struct cluster *c, uint64_t link)
{
	uint32_t place = (uint32_t)(link & 0xffff);
	struct cnode *n = &c->nodes[place];

	if (place >= c->nodes_high || !n->used || n->doomed || n->link != link ||
	    n->link_state == LINK_NONE) {
		return NULL;
	}
	return n;
}

struct cnode *node_by_inbound(const struct cluster *c, uint64_t link)
{
	FOR_EACH_NODE(c, n)
	{
		if (n->inbound == link) {
			return n;
		}
	}
	return NULL;
}

/* Its place among the forgotten, or forgotten_count. */
static uint32_t forgotten_at(const struct cluster *c, const struct node_id *id)
{
	uint32_t i = 0;

	while (i < c->forgotten_count && !node_id_eq(&c->forgotten[i].id, id)) {
		i++;
	}
	return i;
}

static void expire_forgotten(struct cluster *c)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < c->forgotten_count; i++) {
		if (c->forgotten[i].until_ms > c->now_ms) {
			c->forgotten[kept++] = c->forgotten[i];
		}
	}
	c->forgotten_count = kept;
}

void node_forget(struct cluster *c, const struct node_id *id, uint64_t ttl_ms, bool commanded)
{
	uint32_t at;

	MARK(c, NODE_FORGOTTEN);
	expire_forgotten(c);
	at = forgotten_at(c, id);
	if (at == c->forgotten_count) {
		if (c->forgotten_count == FORGOTTEN_MAX) {
			/* The oldest has nearly served its time. */
			memmove(c->forgotten, c->forgotten + 1,
				sizeof c->forgotten[0] * (FORGOTTEN_MAX - 1));
			c->forgotten_count--;
		}
		at = c->forgotten_count++;
		c->forgotten[at].id = *id;
	}
	c->forgotten[at].until_ms = c->now_ms + ttl_ms;
	c->forgotten[at].commanded = commanded;
}

bool node_is_forgotten(const struct cluster *c, const struct node_id *id)
{
	uint32_t at = forgotten_at(c, id);

	return at < c->forgotten_count && c->forgotten[at].until_ms > c->now_ms;
}

void node_unforget(struct cluster *c, const struct node_id *id)
{
	uint32_t at;

	if (node_id_empty(id)) {
		c->forgotten_count = 0;
		return;
	}
	at = forgotten_at(c, id);

	if (at < c->forgotten_count) {
		c->forgotten[at].until_ms = 0;
		expire_forgotten(c);
	}
}

unsigned node_good_replicas(const struct cluster *c, const struct cnode *n, bool working)
{
	unsigned bad = NODE_FAIL | (working ? (unsigned)NODE_PFAIL : 0);
	uint16_t primary = index_of(c, n);
	unsigned count = 0;

	FOR_EACH_NODE(c, r)
	{
		count += r->primary == primary && is_replica(r) && !has_flag(r, bad);
	}
	return count;
}

const char *node_label(const struct cnode *n, char out[LABEL_CAP])
{
	bool named = n->name[0] != '\0';

	(void)snprintf(out, LABEL_CAP, "%.8s%s%s%s", n->id.text, named ? " (" : "", n->name,
		       named ? ")" : "");
	return out;
}
