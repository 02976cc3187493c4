/* Digests by XXH3-64: over bytes and elements in their order, or, where a type has none, summed. */
#include "tools/digest.h"

#include "engine/base/bytes.h"
#include "engine/export/stream_groups.h"

#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

/* Two parts hash differently from any other division of the same bytes. */
static uint64_t pair(uint64_t seed, struct slice a, struct slice b)
{
	uint64_t first = XXH3_64bits_withSeed(a.data, a.len, seed);

	return XXH3_64bits_withSeed(b.data, b.len, first);
}

static struct slice number_bytes(uint8_t dst[8], uint64_t v)
{
	bytes_put_u64le(dst, v);
	return slice_of(dst, 8);
}

/* Last ID and what is known of removed entries. */
static uint64_t stream_numbers(const struct stream_groups *g)
{
	const struct meta *m = &g->record->meta;
	uint8_t bytes[STREAM_ID_LEN + 8], deleted[STREAM_ID_LEN];

	stream_id_put(bytes, (struct stream_id){m->aux[0], m->aux[1]});
	bytes_put_u64le(bytes + STREAM_ID_LEN, m->count + g->removed);
	stream_id_put(deleted, g->max_deleted);
	return pair(STREAM_EXTRA, slice_of(bytes, sizeof bytes), slice_of(deleted, sizeof deleted));
}

static uint64_t group_content(const struct group_facts *f)
{
	uint8_t last[STREAM_ID_LEN], read[8];

	stream_id_put(last, f->last);
	return XXH3_64bits_withSeed(
	    last, sizeof last,
	    pair(STREAM_GROUP, f->name, number_bytes(read, (uint64_t)f->entries_read)));
}

/* A record of a stream, *out being 0 for one that says nothing of its own. Groups and consumers go
 * by their names: their numbers depend on what was before. When a consumer was last seen is left
 * out. */
static enum status stream_part(const struct stream_groups *g, struct slice subkey,
			       struct slice value, uint64_t *out)
{
	const struct group_facts *f = NULL;
	struct slice consumer;
	enum status st = ST_OK;

	*out = 0;
	switch (subkey.data[0]) {
	case STREAM_ENTRY:
		*out = pair(0, subkey, value);
		break;
	case STREAM_CONSUMER:
		st = stream_groups_of(g, subkey, &f);
		if (st == ST_OK && value.len >= STREAM_CONSUMER_LEN) {
			*out =
			    pair(STREAM_CONSUMER, f->name, slice_skip(value, STREAM_CONSUMER_LEN));
		}
		break;
	case STREAM_PENDING:
		st = stream_groups_of(g, subkey, &f);
		if (st == ST_OK) {
			st = stream_groups_consumer(g, subkey, value, &consumer);
		}
		if (st == ST_OK) {
			*out = pair(pair(STREAM_PENDING, f->name, consumer),
				    slice_skip(subkey, 1 + 8), slice_skip(value, 8));
		}
		break;
	default:
		break;
	}
	return st;
}

/* Sums what a stream holds. */
static enum status stream_content(const struct view *v, const struct key_record *record,
				  uint64_t *out)
{
	struct stream_groups g;
	struct value_walk w;
	struct slice subkey, value;
	size_t count = 0;
	enum status st = stream_groups_read(v, record, &g), walked = ST_END;

	*out = stream_numbers(&g);
	if (st == ST_OK) {
		const struct group_facts *all = stream_groups_all(&g, &count);

		for (size_t i = 0; i < count; i++) {
			*out += group_content(&all[i]);
		}
		walked = value_open(v, record, &w);
		while (walked == ST_OK) {
			uint64_t part;

			walked = value_next(&w, &subkey, &value);
			if (walked == ST_OK) {
				walked = stream_part(&g, subkey, value, &part);
				*out += part;
			}
		}
		value_close(&w);
	}
	stream_groups_deinit(&g);
	return st != ST_OK ? st : walked;
}

/* Puts together what any other type holds. */
static enum status plain_content(const struct view *v, const struct key_record *record,
				 uint64_t *out)
{
	uint64_t content = 0, length = 0;
	struct value_walk w;
	struct slice name, value;
	XXH3_state_t pieces;
	enum status st = value_open(v, record, &w);

	(void)XXH3_64bits_reset(&pieces);
	while (st == ST_OK) {
		st = value_next(&w, &name, &value);
		if (st != ST_OK) {
			break;
		}
		switch (record->meta.type) {
		case TYPE_STRING:
			(void)XXH3_64bits_update(&pieces, value.data, value.len);
			break;
		case TYPE_LIST:
			content = XXH3_64bits_withSeed(value.data, value.len, content + ++length);
			break;
		default:
			content += pair(w.field_at_ms, name, value);
			break;
		}
	}
	value_close(&w);
	*out = record->meta.type == TYPE_STRING ? XXH3_64bits_digest(&pieces) : content;
	return st;
}

enum status digest_of(const struct view *v, const struct key_record *record, uint64_t *out)
{
	uint8_t head[16];
	uint64_t content = 0;
	enum status st = record->meta.type == TYPE_STREAM ? stream_content(v, record, &content)
							  : plain_content(v, record, &content);

	if (st != ST_END) {
		return st;
	}
	bytes_put_u64le(head, record->meta.expire_at_ms);
	bytes_put_u64le(head + 8, content);
	*out = pair(record->meta.type, record->name, slice_of(head, sizeof head));
	return ST_OK;
}
