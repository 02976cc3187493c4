/* Encoding of records by hand. */
#include "tests/support/made_record.h"

#include "engine/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void made_begin(struct made_record *m, const char *cmd)
{
	m->bytes.len = 0;
	assert_int_equal(wal_record_begin(&m->bytes, slice_str(cmd), 1000, 7, &m->start), ST_OK);
}

static void add(struct made_record *m, const struct wal_op *op, struct slice first,
		struct slice second)
{
	struct slice parts[2] = {first, second};

	assert_int_equal(wal_record_add(&m->bytes, m->start, op, parts, 2), ST_OK);
}

void made_meta(struct made_record *m, const char *key, const struct meta *meta)
{
	struct wal_op op = {.kind = WAL_OP_PUT_KEY, .name = slice_str(key)};
	uint8_t head[META_ENCODED_MAX];

	add(m, &op, slice_of(head, meta_encode(meta, head)), meta->payload);
}

void made_string(struct made_record *m, const char *key, const char *value, uint64_t expire_at_ms)
{
	struct meta meta = {
	    .type = TYPE_STRING, .expire_at_ms = expire_at_ms, .payload = slice_str(value)};

	made_meta(m, key, &meta);
}

void made_elem(struct made_record *m, const char *key, uint64_t id, uint64_t position,
	       const char *value)
{
	uint8_t sub[8];
	struct wal_op op = {.kind = value == NULL ? WAL_OP_DEL_ELEM : WAL_OP_PUT_ELEM,
			    .slot = keyslot(slice_str(key)),
			    .id = id,
			    .name = slice_of(sub, sizeof sub)};

	bytes_put_u64be(sub, position);
	add(m, &op, slice_str(value == NULL ? "" : value), slice_of(NULL, 0));
}

void made_chunk(struct made_record *m, const char *key, uint64_t id, uint32_t chunk,
		struct slice value)
{
	uint8_t sub[4];
	struct wal_op op = {.kind = WAL_OP_PUT_ELEM,
			    .slot = keyslot(slice_str(key)),
			    .id = id,
			    .name = slice_of(sub, sizeof sub)};

	bytes_put_u16be(sub, (uint16_t)(chunk >> 16));
	bytes_put_u16be(sub + 2, (uint16_t)chunk);
	add(m, &op, value, slice_of(NULL, 0));
}

void made_field(struct made_record *m, const char *key, uint64_t id, const char *field,
		const char *value)
{
	struct wal_op op = {.kind = value == NULL ? WAL_OP_DEL_FIELD : WAL_OP_PUT_FIELD,
			    .slot = keyslot(slice_str(key)),
			    .id = id,
			    .name = slice_str(field)};

	add(m, &op, slice_str(value == NULL ? "" : value), slice_of(NULL, 0));
}

void made_op(struct made_record *m, enum wal_op_kind kind, const char *key, uint64_t id,
	     const char *name)
{
	struct wal_op op = {
	    .kind = kind, .slot = keyslot(slice_str(key)), .id = id, .name = slice_str(name)};

	add(m, &op, slice_of(NULL, 0), slice_of(NULL, 0));
}

void made_end(struct made_record *m, uint64_t lsn, struct wal_record *out)
{
	size_t used;

	wal_record_end(&m->bytes, m->start);
	assert_int_equal(wal_record_decode(buf_slice(&m->bytes), out, &used), ST_OK);
	out->lsn = lsn;
}

void made_deinit(struct made_record *m)
{
	buf_deinit(&m->bytes);
}
