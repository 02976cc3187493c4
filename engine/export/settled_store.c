/* Holding the store at a checkpoint. */
#include "engine/export/settled_store.h"

#include "engine/base/alloc.h"
#include "engine/engine_impl.h"

static enum status count_keys(struct settled_store *s)
{
	struct slot_stat *stats = mem_alloc(SLOTS * sizeof *stats);
	enum status st = stats == NULL ? ST_NO_MEMORY : store_reader_slots(s->reader, stats);

	for (size_t i = 0; st == ST_OK && i < SLOTS; i++) {
		s->keys += stats[i].keys;
		s->expires += stats[i].expires;
	}
	mem_free(stats);
	return st;
}

enum status settled_store_open(struct engine *e, struct settled_store *out)
{
	struct settled_store s = {0};
	struct store_state state;
	enum status st = store_reader_open(e->store, &s.reader);

	if (st == ST_OK) {
		st = store_reader_state(s.reader, &state);
	}
	if (st == ST_OK && state.drain_lsn > state.checkpoint_lsn) {
		st = ST_AGAIN;
	}
	if (st == ST_OK) {
		st = count_keys(&s);
	}
	if (st != ST_OK) {
		settled_store_close(&s);
		return st;
	}
	s.view.base = s.reader;
	s.lsn = state.checkpoint_lsn;
	*out = s;
	return ST_OK;
}

void settled_store_close(struct settled_store *s)
{
	if (s->reader != NULL) {
		store_reader_close(s->reader);
	}
	*s = (struct settled_store){0};
}

enum status settled_store_libraries(const struct settled_store *s, struct library_set *out)
{
	return library_set_load(s->reader, out);
}
