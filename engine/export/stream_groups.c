/* Groups are few: they are kept in a list, which is searched. */
#include "engine/export/stream_groups.h"

#include "engine/base/bytes.h"

enum {
	CONSUMER_SUBKEY_LEN = 1 + 8 + 8,
	PENDING_SUBKEY_LEN = 1 + 8 + STREAM_ID_LEN,
};

static enum status note_record(struct stream_groups *g, struct slice subkey, struct slice value)
{
	struct group_facts facts;

	if (subkey.data[0] == STREAM_EXTRA && value.len == STREAM_EXTRA_LEN) {
		g->removed = bytes_get_u64le(value.data);
		g->max_deleted = stream_id_at(value.data + 8);
		g->entry_max = bytes_get_u64le(value.data + 48);
	}
	if (subkey.data[0] == STREAM_ENTRY && stream_id_is_zero(g->first)) {
		g->first = stream_id_at(subkey.data + 1);
	}
	if (subkey.data[0] != STREAM_GROUP) {
		return ST_OK;
	}
	if (value.len < STREAM_GROUP_LEN) {
		return ST_CORRUPT;
	}
	facts = (struct group_facts){.number = bytes_get_u64le(value.data),
				     .last = stream_id_at(value.data + 8),
				     .entries_read = (int64_t)bytes_get_u64le(value.data + 40),
				     .pending = bytes_get_u64le(value.data + 48),
				     .consumers = bytes_get_u64le(value.data + 56),
				     .name = slice_skip(value, STREAM_GROUP_LEN)};
	return buf_append(&g->groups, &facts, sizeof facts);
}

enum status stream_groups_read(const struct view *v, const struct key_record *record,
			       struct stream_groups *out)
{
	struct value_walk w;
	struct slice subkey, value;
	enum status st = value_open(v, record, &w);

	*out = (struct stream_groups){.view = v, .record = record};
	while (st == ST_OK) {
		st = value_next(&w, &subkey, &value);
		if (st == ST_OK) {
			st = note_record(out, subkey, value);
		}
	}
	value_close(&w);
	return st == ST_END ? ST_OK : st;
}

void stream_groups_deinit(struct stream_groups *g)
{
	buf_deinit(&g->groups);
}

const struct group_facts *stream_groups_all(const struct stream_groups *g, size_t *count)
{
	*count = g->groups.len / sizeof(struct group_facts);
	return (const struct group_facts *)(const void *)g->groups.data;
}

enum status stream_groups_of(const struct stream_groups *g, struct slice subkey,
			     const struct group_facts **out)
{
	size_t count;
	const struct group_facts *all = stream_groups_all(g, &count);
	size_t len = subkey.data[0] == STREAM_CONSUMER ? CONSUMER_SUBKEY_LEN : PENDING_SUBKEY_LEN;

	for (size_t i = 0; subkey.len == len && i < count; i++) {
		if (all[i].number == bytes_get_u64be(subkey.data + 1)) {
			*out = &all[i];
			return ST_OK;
		}
	}
	return ST_CORRUPT;
}

enum status stream_groups_consumer(const struct stream_groups *g, struct slice subkey,
				   struct slice value, struct slice *out)
{
	struct stream_subkey k;
	struct store_key key;
	struct slice stored;
	enum status st;

	if (subkey.len != PENDING_SUBKEY_LEN || value.len != STREAM_PENDING_LEN) {
		return ST_CORRUPT;
	}
	stream_subkey_init(&k, STREAM_CONSUMER);
	stream_subkey_number(&k, bytes_get_u64be(subkey.data + 1));
	stream_subkey_number(&k, bytes_get_u64le(value.data));
	store_key_of_elem(&key, g->record->slot, g->record->meta.id, stream_subkey_slice(&k));
	st = view_get(g->view, store_key_slice(&key), &stored);
	if (st != ST_OK || stored.len < STREAM_CONSUMER_LEN) {
		return st == ST_OK || st == ST_NOT_FOUND ? ST_CORRUPT : st;
	}
	*out = slice_skip(stored, STREAM_CONSUMER_LEN);
	return ST_OK;
}
