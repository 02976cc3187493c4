/* A patch and its names as bytes. */
#include "engine/refetch.h"

#include "engine/base/bytes.h"
#include "engine/refetch_impl.h"

enum { COUNT_LEN = 4, ID_LEN = 10, KEY_LEN_MAX = 512 << 20 };

static enum status put_u32(struct buf *out, uint32_t v)
{
	uint8_t bytes[4];

	bytes_put_u32le(bytes, v);
	return buf_append(out, bytes, sizeof bytes);
}

static bool take_u32(struct slice *in, uint32_t *v)
{
	if (in->len < sizeof *v) {
		return false;
	}
	*v = bytes_get_u32le(in->data);
	*in = slice_skip(*in, sizeof *v);
	return true;
}

enum status refetch_names_encode(const struct divergent_names *n, struct buf *out)
{
	size_t keys = byte_list_count(&n->keys);
	enum status st = put_u32(out, (uint32_t)keys);

	for (size_t i = 0; st == ST_OK && i < keys; i++) {
		struct slice key = byte_list_at(&n->keys, i);

		st = put_u32(out, (uint32_t)key.len);
		if (st == ST_OK) {
			st = buf_append(out, key.data, key.len);
		}
	}
	if (st == ST_OK) {
		st = put_u32(out, (uint32_t)n->ids_count);
	}
	for (size_t i = 0; st == ST_OK && i < n->ids_count; i++) {
		uint8_t bytes[ID_LEN];

		bytes_put_u16le(bytes, n->ids[i].slot);
		bytes_put_u64le(bytes + 2, n->ids[i].id);
		st = buf_append(out, bytes, sizeof bytes);
	}
	return st;
}

static enum status decode_names(struct slice *in, struct divergent_names *out)
{
	uint32_t count, len;
	enum status st = ST_OK;

	if (!take_u32(in, &count)) {
		return ST_CORRUPT;
	}
	for (uint32_t i = 0; st == ST_OK && i < count; i++) {
		if (!take_u32(in, &len) || len > in->len || len > KEY_LEN_MAX) {
			return ST_CORRUPT;
		}
		st = byte_list_add(&out->keys, slice_of(in->data, len));
		*in = slice_skip(*in, len);
	}
	if (st == ST_OK && (!take_u32(in, &count) || count > in->len / ID_LEN)) {
		return ST_CORRUPT;
	}
	for (uint32_t i = 0; st == ST_OK && i < count; i++) {
		uint16_t slot = bytes_get_u16le(in->data);

		if (slot >= SLOTS) {
			return ST_CORRUPT;
		}
		st = divergent_names_add_id(out, slot, bytes_get_u64le(in->data + 2));
		*in = slice_skip(*in, ID_LEN);
	}
	return st == ST_OK ? divergent_names_settle(out) : st;
}

enum status refetch_names_decode(struct slice *in, struct divergent_names *out)
{
	enum status st;

	*out = (struct divergent_names){0};
	st = decode_names(in, out);
	if (st != ST_OK) {
		divergent_names_deinit(out);
	}
	return st;
}

enum status refetch_encode(const struct refetch *p, struct slice block, struct buf *out)
{
	uint8_t head[REFETCH_HEAD_LEN], len[8];
	enum status st;

	bytes_put_u32le(head, REFETCH_VERSION);
	bytes_put_u64le(head + 4, p->fork_lsn);
	bytes_put_u64le(head + 12, p->checkpoint_lsn);
	bytes_put_u64le(head + 20, p->drain_lsn);
	bytes_put_u64le(head + 28, p->next_id);
	bytes_put_u64le(len, block.len);
	st = buf_append(out, head, sizeof head);
	if (st == ST_OK) {
		st = wal_history_encode(&p->history, out);
	}
	if (st == ST_OK) {
		st = refetch_names_encode(&p->names, out);
	}
	if (st == ST_OK) {
		st = buf_append(out, len, sizeof len);
	}
	return st == ST_OK ? buf_append(out, block.data, block.len) : st;
}

enum status refetch_decode(struct slice in, struct refetch *out)
{
	enum status st;

	*out = (struct refetch){0};
	if (in.len < REFETCH_HEAD_LEN) {
		return ST_CORRUPT;
	}
	if (bytes_get_u32le(in.data) != REFETCH_VERSION) {
		return ST_VERSION;
	}
	out->fork_lsn = bytes_get_u64le(in.data + 4);
	out->checkpoint_lsn = bytes_get_u64le(in.data + 12);
	out->drain_lsn = bytes_get_u64le(in.data + 20);
	out->next_id = bytes_get_u64le(in.data + 28);
	in = slice_skip(in, REFETCH_HEAD_LEN);
	st = wal_history_decode(&in, &out->history);
	if (st == ST_OK) {
		st = refetch_names_decode(&in, &out->names);
	}
	if (st == ST_OK && (in.len < 8 || bytes_get_u64le(in.data) != in.len - 8)) {
		divergent_names_deinit(&out->names);
		return ST_CORRUPT;
	}
	if (st == ST_OK) {
		out->block = slice_skip(in, 8);
	}
	return st;
}
