/* IDs, subkeys and entries of streams as bytes. */
#include "engine/types/stream_format.h"

#include "engine/base/bytes.h"

#include <xxhash.h>

enum { NAME_HASH_LEN = 16, NAME_CUT = STREAM_NAME_DIRECT + 1 - NAME_HASH_LEN };

/* --- IDs and subkeys --- */

int stream_id_compare(struct stream_id a, struct stream_id b)
{
	if (a.ms != b.ms) {
		return a.ms < b.ms ? -1 : 1;
	}
	return a.seq < b.seq ? -1 : a.seq > b.seq;
}

bool stream_id_next(struct stream_id *id)
{
	if (id->seq == UINT64_MAX && id->ms == UINT64_MAX) {
		return false;
	}
	id->ms += id->seq == UINT64_MAX;
	id->seq++;
	return true;
}

bool stream_id_previous(struct stream_id *id)
{
	if (stream_id_is_zero(*id)) {
		return false;
	}
	id->ms -= id->seq == 0;
	id->seq--;
	return true;
}

void stream_id_put(uint8_t dst[STREAM_ID_LEN], struct stream_id id)
{
	bytes_put_u64be(dst, id.ms);
	bytes_put_u64be(dst + 8, id.seq);
}

struct stream_id stream_id_at(const uint8_t *bytes)
{
	return (struct stream_id){bytes_get_u64be(bytes), bytes_get_u64be(bytes + 8)};
}

void stream_subkey_init(struct stream_subkey *k, enum stream_record kind)
{
	k->bytes[0] = (uint8_t)kind;
	k->len = 1;
}

void stream_subkey_number(struct stream_subkey *k, uint64_t number)
{
	bytes_put_u64be(k->bytes + k->len, number);
	k->len += 8;
}

void stream_subkey_id(struct stream_subkey *k, struct stream_id id)
{
	stream_id_put(k->bytes + k->len, id);
	k->len += STREAM_ID_LEN;
}

void stream_subkey_name(struct stream_subkey *k, struct slice name)
{
	size_t direct = name.len <= STREAM_NAME_DIRECT ? name.len : NAME_CUT;

	if (direct > 0) {
		memcpy(k->bytes + k->len, name.data, direct);
	}
	k->len += direct;
	if (direct < name.len) {
		XXH128_canonical_t hash;

		XXH128_canonicalFromHash(&hash, XXH3_128bits(name.data, name.len));
		memcpy(k->bytes + k->len, hash.digest, NAME_HASH_LEN);
		k->len += NAME_HASH_LEN;
	}
}

/* --- entries --- */

bool stream_entry_next(struct slice *rest, struct slice *out)
{
	uint64_t len;
	size_t head = rest->len == 0 ? 0 : bytes_get_varint(rest->data, rest->len, &len);

	if (head == 0 || len > rest->len - head) {
		return false;
	}
	*out = slice_of(rest->data + head, (size_t)len);
	*rest = slice_skip(*rest, head + (size_t)len);
	return true;
}

enum status stream_entry_count(struct slice value, size_t *out)
{
	struct slice ignored;

	for (*out = 0; stream_entry_next(&value, &ignored);) {
		*out += 1;
	}
	return value.len > 0 || *out % 2 != 0 ? ST_CORRUPT : ST_OK;
}
