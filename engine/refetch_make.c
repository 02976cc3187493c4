/* What a primary's store holds of the keys and collections that a replica asks for: one snapshot.
 */
#include "engine/engine_impl.h"
#include "engine/refetch_impl.h"
#include "engine/snapshot_block.h"

struct making {
	struct store_reader *reader;
	struct store_cursor *cursor;
	struct divergent_names *names;
	struct buf raw; /* entries */
	uint32_t entries;
};

static enum status add(struct making *m, struct slice key, struct slice value)
{
	enum status st = ST_LIMIT;

	if (m->raw.len + snapshot_entry_len(key, value) <= REFETCH_BYTES_MAX &&
	    m->entries < UINT32_MAX) {
		st = snapshot_entry_encode(key, value, &m->raw);
		m->entries++;
	}
	return st;
}

/* A key's record; the collection that it holds is wanted as well. */
static enum status add_key(struct making *m, struct slice name)
{
	struct store_key key;
	struct slice stored, own_name, value;
	struct meta meta;
	enum status st;

	store_key_of_key(&key, name);
	st = store_get(m->reader, store_key_slice(&key), &stored);
	if (st == ST_NOT_FOUND) {
		return ST_OK;
	}
	if (st == ST_OK) {
		st = stored_split(store_key_slice(&key), stored, &own_name, &value);
	}
	if (st == ST_OK) {
		st = meta_decode(value, &meta);
	}
	if (st == ST_OK && meta.form == FORM_LARGE) {
		st = divergent_names_add_id(m->names, key.slot, meta.id);
	}
	return st == ST_OK ? add(m, store_key_slice(&key), stored) : st;
}

static enum status add_collection(struct making *m, const struct collection_id *id)
{
	struct store_key mark, first;
	struct slice key, value, prefix;
	enum status st;

	store_key_of_garbage(&mark, id->slot, id->id);
	st = store_get(m->reader, store_key_slice(&mark), &value);
	if (st == ST_OK) {
		st = add(m, store_key_slice(&mark), value);
	} else if (st == ST_NOT_FOUND) {
		st = ST_OK;
	}
	if (st != ST_OK) {
		return st;
	}
	store_key_of_elem(&first, id->slot, id->id, slice_of(NULL, 0));
	prefix = store_key_slice(&first);
	st = store_cursor_seek(m->cursor, prefix, &key, &value);
	while (st == ST_OK && slice_has_prefix(key, prefix)) {
		st = add(m, key, value);
		if (st == ST_OK) {
			st = store_cursor_next(m->cursor, &key, &value);
		}
	}
	return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status gather(struct making *m)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < byte_list_count(&m->names->keys); i++) {
		st = add_key(m, byte_list_at(&m->names->keys, i));
	}
	if (st == ST_OK) {
		st = divergent_names_settle(m->names);
	}
	for (size_t i = 0; st == ST_OK && i < m->names->ids_count; i++) {
		st = add_collection(m, &m->names->ids[i]);
	}
	return st;
}

static enum status seal(struct making *m, const struct refetch *p, struct buf *block)
{
	struct snapshot_block head = {
	    .lsn = p->fork_lsn, .drain_lsn = p->drain_lsn, .entries = m->entries};
	struct snapshot_codec *codec = NULL;
	enum status st = m->entries > 0 ? snapshot_codec_create(&codec) : ST_OK;

	if (st == ST_OK && m->entries > 0) {
		st = snapshot_block_encode(codec, &head, buf_slice(&m->raw), block);
	}
	snapshot_codec_destroy(codec);
	return st;
}

enum status refetch_make(struct engine *e, const struct wal_history *history, uint64_t fork_lsn,
			 uint64_t until_lsn, struct divergent_names *names, struct buf *out)
{
	struct making m = {.names = names};
	struct refetch p = {.fork_lsn = fork_lsn, .history = *history};
	struct store_state state;
	struct buf block = {0};
	enum status st = store_reader_open(e->store, &m.reader);

	if (st == ST_OK) {
		st = store_reader_state(m.reader, &state);
	}
	if (st == ST_OK) {
		st = store_cursor_open(m.reader, &m.cursor);
	}
	if (st == ST_OK) {
		st = gather(&m);
	}
	if (st == ST_OK) {
		p.checkpoint_lsn = state.checkpoint_lsn;
		p.drain_lsn = until_lsn;
		p.drain_lsn = state.drain_lsn > p.drain_lsn ? state.drain_lsn : p.drain_lsn;
		p.drain_lsn =
		    state.checkpoint_lsn > p.drain_lsn ? state.checkpoint_lsn : p.drain_lsn;
		p.next_id = state.next_id;
		p.names = *names; /* borrowed */
		st = seal(&m, &p, &block);
	}
	if (st == ST_OK) {
		st = refetch_encode(&p, buf_slice(&block), out);
	}
	store_cursor_close(m.cursor);
	store_reader_close(m.reader);
	buf_deinit(&m.raw);
	buf_deinit(&block);
	return st;
}
