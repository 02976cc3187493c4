/* Changes a store of a node that is down, in ways that no checksum shows. alter_store FILE KEY
 * VALUE gives a string key, which the checkpoint has, another value behind the back of counters and
 * digests. alter_store FILE forgets all digests: what is left when a store from before there were
 * digests has just been opened. */
#include "engine/base/buf.h"
#include "engine/key_codec.h"
#include "engine/store.h"

#include <stdio.h>

static enum status alter(struct store *s, const char *name, const char *value)
{
	struct store_txn *txn;
	struct store_key key;
	struct slice old;
	struct buf record = {0};
	size_t len = strlen(value);
	enum status st = store_txn_begin(s, &txn);

	if (st != ST_OK) {
		return st;
	}
	store_key_of_key(&key, slice_str(name));
	st = store_txn_get(txn, store_key_slice(&key), &old);
	if (st == ST_OK && old.len < len) {
		st = ST_INVALID;
	}
	if (st == ST_OK) {
		st = buf_append(&record, old.data, old.len - len);
	}
	if (st == ST_OK) {
		st = buf_append(&record, value, len);
	}
	if (st == ST_OK) {
		st = store_txn_put(txn, store_key_slice(&key), buf_slice(&record));
	}
	buf_deinit(&record);
	if (st != ST_OK) {
		store_txn_abort(txn);
		return st;
	}
	return store_txn_commit(txn);
}

static enum status forget(struct store *s)
{
	static struct slot_stat stats[SLOTS];
	struct store_reader *r = NULL;
	struct store_txn *txn;
	enum status st = store_reader_open(s, &r);

	if (st == ST_OK) {
		st = store_reader_slots(r, stats);
	}
	store_reader_close(r);
	if (st == ST_OK) {
		st = store_txn_begin(s, &txn);
	}
	if (st != ST_OK) {
		return st;
	}
	for (uint16_t slot = 0; st == ST_OK && slot < SLOTS; slot++) {
		stats[slot].undigested = true;
		st = store_txn_sums_clear(txn, slot);
		if (st == ST_OK && stats[slot].bytes > 0) {
			st = store_txn_slot(txn, slot, &stats[slot]);
		}
	}
	if (st != ST_OK) {
		store_txn_abort(txn);
		return st;
	}
	return store_txn_commit(txn);
}

int main(int argc, char **argv)
{
	struct store_options opts = {.io = io_posix(), .map_size_max = (uint64_t)1 << 32};
	struct buf error = {0};
	struct store *s = NULL;
	enum status st;

	if (argc != 2 && argc != 4) {
		return 2;
	}
	opts.path = argv[1];
	st = store_open(&opts, &s, &error);
	if (st == ST_OK) {
		st = argc == 2 ? forget(s) : alter(s, argv[2], argv[3]);
	}
	store_close(s);
	if (st != ST_OK) {
		(void)fprintf(stderr, "%s: %.*s\n", status_text(st), (int)error.len,
			      error.len > 0 ? (const char *)error.data : "");
	}
	buf_deinit(&error);
	return st == ST_OK ? 0 : 1;
}
