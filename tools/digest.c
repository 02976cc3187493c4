/* Digests by XXH3-64: over bytes and elements in their order, or, where a type has none, summed. */
#include "tools/digest.h"

#include "engine/base/bytes.h"
#include "engine/types/stream_format.h"

#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

/* Two parts hash differently from any other division of the same bytes. */
static uint64_t pair(uint64_t seed, struct slice a, struct slice b)
{
	uint64_t first = XXH3_64bits_withSeed(a.data, a.len, seed);

	return XXH3_64bits_withSeed(b.data, b.len, first);
}

enum status digest_of(const struct view *v, const struct key_record *record, uint64_t *out)
{
	uint8_t head[16];
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
		case TYPE_STREAM:
			/* Groups and consumers have numbers that depend on what was before. */
			content += name.data[0] == STREAM_ENTRY ? pair(0, name, value) : 0;
			break;
		default:
			content += pair(0, name, value);
			break;
		}
	}
	value_close(&w);
	if (st != ST_END) {
		return st;
	}
	content += record->meta.type == TYPE_STRING ? XXH3_64bits_digest(&pieces) : 0;
	bytes_put_u64le(head, record->meta.expire_at_ms);
	bytes_put_u64le(head + 8, content);
	*out = pair(record->meta.type, record->name, slice_of(head, sizeof head));
	return ST_OK;
}
