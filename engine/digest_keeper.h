/* Keeps the digests of slots (engine/content_digest.h) right while a transaction of the store
 * changes entries. Whoever writes key records or elements into a store says so here.
 *
 * For each large collection the store's "sums" table has the sum of its elements' digests and the
 * number of key records that name it: a record that begins to name it adds the sum to the slot's
 * digest, one that ceases takes it away, and an element counts as often as its collection is named.
 * So a collection comes and goes at the cost of its record.
 *
 * A slot of a store that was written before there were digests has none (slot_stat.undigested) and
 * nothing is kept for it until one is built: entries of the slot that is being built count up to
 * the place that the builder has reached. */
#ifndef CAIRN_ENGINE_DIGEST_KEEPER_H
#define CAIRN_ENGINE_DIGEST_KEEPER_H

#include "engine/content_digest.h"
#include "engine/key_codec.h"
#include "engine/store.h"

struct digest_keeper {
	struct store_txn *txn;
	/* The collection dealt with last, not yet in the store when changed. */
	bool known, changed;
	uint16_t slot;
	uint64_t id;
	struct collection_sum sum;
	/* The slot that is being built, and its last key that counts. */
	bool building;
	struct store_key built;
};

/* An entry before or after a change; zeroed: it is not there. */
struct kept_entry {
	struct digest digest;
	uint64_t id; /* of a key record: its large collection, 0: none */
};

/* What counts of a key's stored record. ST_CORRUPT: it is none. */
MUST_CHECK enum status kept_entry_read(struct slice key, struct slice stored,
				       struct kept_entry *out);

/* Goes on in a transaction. What was not saved before is forgotten. */
void digest_keeper_begin(struct digest_keeper *k, struct store_txn *txn);
/* Before the commit. Errors as store_txn_put. */
MUST_CHECK enum status digest_keeper_save(struct digest_keeper *k);

/* An entry's part in the change of a slot whose counters are stat. Errors of all of these as
 * store_txn_get and store_txn_put. */
MUST_CHECK enum status digest_keeper_record(struct digest_keeper *k, struct slot_stat *stat,
					    struct slice key, const struct kept_entry *before,
					    const struct kept_entry *after);
MUST_CHECK enum status digest_keeper_element(struct digest_keeper *k, struct slot_stat *stat,
					     struct slice key, struct digest before,
					     struct digest after);
/* All elements of a collection are taken out at once. */
MUST_CHECK enum status digest_keeper_empty(struct digest_keeper *k, struct slot_stat *stat,
					   uint16_t slot, uint64_t id);
/* Everything of a slot is gone, or begins anew: stat has no digest of it any more. */
MUST_CHECK enum status digest_keeper_clear(struct digest_keeper *k, struct slot_stat *stat,
					   uint16_t slot);

#endif
