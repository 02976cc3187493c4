/* Filters over records and operations. */
#include "tools/wal_filter.h"

bool wal_filter_record(const struct wal_filter *f, const struct wal_record *rec,
		       const struct log_place *place)
{
	if (f->start.set && position_cmp(place->epoch, rec->lsn, &f->start) < 0) {
		return false;
	}
	if (f->end.set && position_cmp(place->epoch, rec->lsn, &f->end) > 0) {
		return false;
	}
	if (rec->time_ms < f->since || rec->time_ms >= f->until) {
		return false;
	}
	if (f->epoch != UINT64_MAX && place->epoch != f->epoch) {
		return false;
	}
	if (f->timeline != 0 && place->timeline != f->timeline) {
		return false;
	}
	if (f->client != 0 && rec->client_id != f->client) {
		return false;
	}
	return f->cmds == NULL || list_has(f->cmds, rec->cmd);
}

bool wal_filter_past(const struct wal_filter *f, const struct wal_record *rec,
		     const struct log_place *place)
{
	return f->end.set && position_cmp(place->epoch, rec->lsn, &f->end) > 0;
}

bool wal_filter_key(const struct wal_filter *f, struct slice key, uint16_t slot)
{
	if (f->slots.count > 0 && !slot_set_has(&f->slots, slot)) {
		return false;
	}
	if (f->key != NULL && !slice_eq(key, slice_str(f->key))) {
		return false;
	}
	if (f->prefix != NULL && !slice_has_prefix(key, slice_str(f->prefix))) {
		return false;
	}
	return f->match == NULL || glob_fits(slice_str(f->match), key);
}

bool wal_filter_has_ops(const struct wal_filter *f)
{
	return f->slots.count > 0 || f->key != NULL || f->prefix != NULL || f->match != NULL ||
	       f->types != NULL;
}

bool wal_filter_op(const struct wal_filter *f, const struct op_facts *facts)
{
	if (facts->is_library) {
		return !wal_filter_has_ops(f); /* who wants certain keys wants no libraries */
	}
	if (!facts->has_slot) {
		return true;
	}
	if (f->types != NULL &&
	    (!facts->has_type || !list_has(f->types, slice_str(value_type_text(facts->type))))) {
		return false;
	}
	if (!facts->has_key) {
		return f->key == NULL && f->prefix == NULL && f->match == NULL &&
		       (f->slots.count == 0 || slot_set_has(&f->slots, facts->slot));
	}
	return wal_filter_key(f, facts->key, facts->slot);
}

static bool wants(const void *f, struct slice key)
{
	return wal_filter_key(f, key, keyslot(key));
}

struct key_choice wal_filter_choice(const struct wal_filter *f)
{
	return (struct key_choice){.wants = wal_filter_has_ops(f) ? wants : NULL, .arg = f};
}
