/* Whether the nodes of a shard hold the same: each checkpoint of a primary is one of its replicas
 * at the same LSN, where they can, and then the digests of all slots must be equal.
 *
 * The primary says at which LSN it puts its memory aside (M), and, when that is in its store, what
 * each slot holds (C). A replica does the same and compares. All of it is done for a checkpoint
 * that is made anyway: nobody looks at a key for it. A replica that was amid a checkpoint of its
 * own lets this one pass; the next will do. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/proto/repl_message.h"
#include "net/replication_impl.h"
#include "net/server.h"

#include <inttypes.h>

enum { LINES_MAX = 16 /* slots that one comparison reports one by one */ };

/* --- as a primary --- */

static enum status encode(const struct engine *e, uint64_t lsn, struct buf *out)
{
	static const struct digest none;
	enum status st = repl_contents_begin(lsn, out);

	for (unsigned slot = 0; st == ST_OK && slot < SLOTS; slot++) {
		struct slot_content content;
		uint8_t raw[DIGEST_LEN];

		engine_slot_content(e, (uint16_t)slot, &content);
		if (content.known) {
			digest_put(raw, content.digest);
			st = repl_contents_add(out, (uint16_t)slot,
					       digest_eq(content.digest, none) ? NULL : raw);
		}
	}
	return st;
}

static void tell_replicas(struct replication *r, uint64_t lsn)
{
	struct buf payload = {0};
	enum status st = encode(r->server->engine, lsn, &payload);

	for (struct replica *p = r->replicas; st == ST_OK && p != NULL; p = p->next) {
		st = replica_contents(p, buf_slice(&payload));
	}
	if (st != ST_OK) {
		logger(LOG_LVL_WARNING,
		       "out of memory: replicas can't compare the digests of LSN "
		       "%" PRIu64 " with this node's",
		       lsn);
	}
	buf_deinit(&payload);
}

/* --- as a replica --- */

static void keep_mine(struct replication *r, uint64_t lsn)
{
	struct shard_digests *d = &r->digests;

	if (d->mine == NULL) {
		d->mine = mem_calloc(SLOTS, sizeof *d->mine);
	}
	d->mine_lsn = d->mine == NULL ? 0 : lsn;
	for (unsigned slot = 0; d->mine != NULL && slot < SLOTS; slot++) {
		engine_slot_content(r->server->engine, (uint16_t)slot, &d->mine[slot]);
	}
}

static void report(struct shard_digests *d, uint16_t slot, struct digest theirs, unsigned line)
{
	char here[DIGEST_TEXT_LEN + 1], there[DIGEST_TEXT_LEN + 1];
	uint8_t bit = (uint8_t)(1u << (slot % 8));

	if (repl_slot_bit(d->reported, slot)) {
		return;
	}
	d->reported[slot / 8] |= bit;
	if (line >= LINES_MAX) {
		return;
	}
	digest_text(d->mine[slot].digest, here);
	digest_text(theirs, there);
	logger(LOG_LVL_WARNING,
	       "slot %u differs from the primary's at LSN %" PRIu64
	       ": its digest is %s here (%" PRIu64
	       " keys) and %s there. One of the two nodes does not hold what the log says: "
	       "cairn-slot diff --slot %u on both data directories shows which keys, cairn-slot "
	       "check --deep which node; give that one a new copy",
	       (unsigned)slot, d->mine_lsn, here, d->mine[slot].keys, there, (unsigned)slot);
}

static void compare_all(struct shard_digests *d, const struct repl_contents *c)
{
	const uint8_t *at = c->digests;
	uint64_t differ = 0, before = d->differ;

	for (unsigned i = 0; i < SLOTS; i++) {
		uint16_t slot = (uint16_t)i;
		struct digest theirs = {0};

		if (repl_slot_bit(c->filled, slot)) {
			theirs = digest_get(at);
			at += DIGEST_LEN;
		}
		if (!repl_slot_bit(c->known, slot) || !d->mine[slot].known) {
			continue;
		}
		if (digest_eq(theirs, d->mine[slot].digest)) {
			d->reported[slot / 8] &= (uint8_t) ~(1u << (slot % 8));
		} else {
			report(d, slot, theirs, (unsigned)differ);
			differ++;
		}
	}
	d->checks++;
	d->checked_lsn = c->lsn;
	d->differ = differ;
	d->mismatches += differ;
	if (differ > LINES_MAX) {
		logger(LOG_LVL_WARNING,
		       "%" PRIu64 " slots in all differ from the primary's at LSN %" PRIu64, differ,
		       c->lsn);
	}
	if (differ == 0 && before > 0) {
		logger(LOG_LVL_NOTICE, "all slots are the primary's again at LSN %" PRIu64, c->lsn);
	}
}

/* Compares when both sides are of one LSN. */
static void try_to_compare(struct replication *r)
{
	struct shard_digests *d = &r->digests;
	struct repl_contents c;

	if (d->theirs.len == 0 || d->mine_lsn == 0 ||
	    repl_get_contents(buf_slice(&d->theirs), &c) != ST_OK || c.lsn > d->mine_lsn) {
		return;
	}
	if (c.lsn == d->mine_lsn) {
		compare_all(d, &c);
	}
	d->theirs.len = 0; /* this node has gone beyond it, or is done with it */
}

enum status replication_digests_heard(struct replication *r, struct slice payload)
{
	struct buf *b = &r->digests.theirs;
	enum status st;

	b->len = 0;
	st = buf_append(b, payload.data, payload.len);
	if (st == ST_OK) {
		try_to_compare(r);
	}
	return st;
}

void replication_digests_step(struct replication *r)
{
	struct shard_digests *d = &r->digests;
	uint64_t lsn;

	if (!engine_digest_lsn(r->server->engine, &lsn) || lsn == d->seen_lsn) {
		return;
	}
	d->seen_lsn = lsn;
	if (r->replicas != NULL) {
		tell_replicas(r, lsn);
	}
	if (r->replica) {
		keep_mine(r, lsn);
		try_to_compare(r);
	}
}

void replication_digests_forget(struct replication *r)
{
	struct shard_digests *d = &r->digests;

	d->seen_lsn = 0;
	d->mine_lsn = 0;
	d->theirs.len = 0;
	d->differ = 0;
	memset(d->reported, 0, sizeof d->reported);
}

void replication_digests_deinit(struct replication *r)
{
	mem_free(r->digests.mine);
	buf_deinit(&r->digests.theirs);
}
