/* The keys of lost slots go in small batches. */
#include "net/slot_purge.h"

#include "engine/base/buf.h"
#include "engine/base/bytes.h"
#include "engine/base/logger.h"
#include "engine/keyspace.h"

enum { BATCH = 64 };

void slot_purge_add(struct slot_purge *p, const struct slot_bits *slots)
{
	for (unsigned s = 0; s < SLOTS; s++) {
		if (slot_bits_get(slots, s) && !slot_bits_get(&p->slots, s)) {
			slot_bits_set(&p->slots, s);
			p->count++;
		}
	}
}

void slot_purge_drop(struct slot_purge *p)
{
	*p = (struct slot_purge){0};
}

/* The names of the slot's first keys, each after its length. */
static enum status collect(struct engine *e, unsigned slot, unsigned most, struct buf *names,
			   unsigned *count)
{
	struct ks_iter it;
	enum status st = ks_keys_open(e, (uint16_t)slot, 0, &it);

	*count = 0;
	if (st != ST_OK) {
		return st;
	}
	while (st == ST_OK && *count < most) {
		struct slice name;
		struct meta meta;
		uint64_t order;
		uint8_t len[4];

		st = ks_keys_next(&it, &order, &name, &meta);
		if (st == ST_OK) {
			bytes_put_u32le(len, (uint32_t)name.len);
			st = buf_append(names, len, sizeof len);
		}
		if (st == ST_OK) {
			st = buf_append(names, name.data, name.len);
			*count += st == ST_OK;
		}
	}
	ks_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

static enum status delete_named(struct engine *e, struct slice names)
{
	enum status st = ST_OK;

	while (st == ST_OK && names.len > 0) {
		uint32_t len = bytes_get_u32le(names.data);
		struct store_key key;

		store_key_of_key(&key, slice_of(names.data + 4, len));
		names = slice_skip(names, 4 + (size_t)len);
		st = ks_remove(e, &key);
	}
	return st;
}

/* Some keys of one slot, in the open batch. */
static enum status remove_some(struct engine *e, unsigned slot, unsigned most, unsigned *removed)
{
	struct buf names = {0};
	enum status st = collect(e, slot, most, &names, removed);

	if (st == ST_OK) {
		st = delete_named(e, buf_slice(&names));
	}
	buf_deinit(&names);
	return st;
}

static enum status remove_batch(struct engine *e, unsigned slot, unsigned most, uint64_t now_ms,
				unsigned *removed)
{
	enum status st;

	engine_begin(e, slice_str("del"), now_ms, 0);
	st = remove_some(e, slot, most, removed);
	if (st == ST_OK) {
		(void)engine_commit(e);
	} else {
		engine_rollback(e);
		*removed = 0;
	}
	return st;
}

static void done(struct slot_purge *p, unsigned slot)
{
	slot_bits_clear(&p->slots, slot);
	p->count--;
}

unsigned slot_purge_step(struct slot_purge *p, struct engine *e, uint64_t now_ms, unsigned keys_max)
{
	unsigned all = 0;

	while (p->count > 0 && all < keys_max && engine_writable(e) == ST_OK) {
		unsigned removed = 0, most = keys_max - all < BATCH ? keys_max - all : BATCH;

		while (!slot_bits_get(&p->slots, p->next)) {
			p->next = (p->next + 1) % SLOTS;
		}
		if (remove_batch(e, p->next, most, now_ms, &removed) != ST_OK) {
			return all; /* a damaged key, or no memory: the next turn tries again */
		}
		if (removed < most) {
			done(p, p->next);
		}
		all += removed;
	}
	return all;
}

enum status slot_purge_finish(struct slot_purge *p, struct engine *e, unsigned slot,
			      uint64_t now_ms, bool in_batch)
{
	enum status st = ST_OK;
	unsigned removed = BATCH;

	if (!slot_bits_get(&p->slots, slot)) {
		return ST_OK;
	}
	while (st == ST_OK && removed == BATCH) {
		st = in_batch ? remove_some(e, slot, BATCH, &removed)
			      : remove_batch(e, slot, BATCH, now_ms, &removed);
	}
	if (st == ST_OK) {
		done(p, slot);
	}
	return st;
}
