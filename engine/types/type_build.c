/* Collections from a stream of elements: a blob as long as they fit, then records. */
#include "engine/types/type_build.h"

#include "engine/base/invariant.h"
#include "engine/types/hash_expiry.h"
#include "engine/types/type_list.h"

static void begin(struct type_build *b, struct engine *e, const struct store_key *key,
		  enum value_type type)
{
	b->engine = e;
	b->key = key;
	b->meta = (struct meta){.type = type, .form = FORM_INLINE};
	small_blob_clear(&b->blob);
}

void type_build_list(struct type_build *b, struct engine *e, const struct store_key *key)
{
	begin(b, e, key, TYPE_LIST);
}

void type_build_hash(struct type_build *b, struct engine *e, const struct store_key *key,
		     const struct hash_limits *limits)
{
	begin(b, e, key, TYPE_HASH);
	b->limits = *limits;
}

void type_build_set(struct type_build *b, struct engine *e, const struct store_key *key,
		    const struct set_limits *limits)
{
	begin(b, e, key, TYPE_SET);
	b->set_limits = *limits;
}

enum status type_build_element(struct type_build *b, struct slice value)
{
	enum status st = ST_OK;

	if (b->meta.form == FORM_INLINE) {
		if (small_blob_splice(&b->blob, b->blob.len, 0, 0, &value, 1,
				      COLLECTION_INLINE_MAX)) {
			return ST_OK;
		}
		st = list_spill(b->engine, b->key, &b->blob, &b->meta);
	}
	if (st == ST_OK) {
		st = list_elem_put(b->engine, b->key, &b->meta, b->meta.aux[1]++, value);
		b->meta.count++;
	}
	return st;
}

/* What a lookup would find of the collection as it is now. */
static struct meta present(const struct type_build *b)
{
	struct meta m = b->meta;

	m.fields_at_ms = 0; /* a field whose time has come is there as well */
	if (m.form == FORM_INLINE) {
		m.payload = small_blob_slice(&b->blob);
	}
	return m;
}

/* Adds a named element with (count 2) or without a value (1). ST_EXISTS. */
static enum status add_named(struct type_build *b, const struct slice *entries, uint32_t count)
{
	struct meta m = present(b);
	struct slice there;
	enum status st = named_get(b->engine, b->key, &m, entries[0], &there);

	if (st != ST_NOT_FOUND) {
		return st == ST_OK ? ST_EXISTS : st;
	}
	if (b->meta.form == FORM_INLINE) {
		if (small_blob_splice(&b->blob, b->blob.len, 0, 0, entries, count,
				      COLLECTION_INLINE_MAX)) {
			return ST_OK;
		}
		st = named_spill(b->engine, b->key, &b->blob, &b->meta);
		if (st != ST_OK) {
			return st;
		}
	}
	b->meta.count++;
	return ks_field_put(b->engine, b->key->slot, b->meta.id, entries[0], &entries[1],
			    count - 1);
}

enum status type_build_field(struct type_build *b, struct slice field, struct slice value)
{
	struct slice pair[2] = {field, value};
	enum status st = add_named(b, pair, 2);

	if (st == ST_OK && (field.len > b->limits.value || value.len > b->limits.value)) {
		b->meta.flags |= META_ENCODED;
	}
	return st;
}

enum status type_build_field_expiry(struct type_build *b, struct slice field, uint64_t at_ms)
{
	enum status st = ST_OK;

	if (b->meta.form == FORM_INLINE) {
		st = named_spill(b->engine, b->key, &b->blob, &b->meta);
	}
	return st == ST_OK ? hash_expiry_set(b->engine, b->key->slot, &b->meta, field, at_ms) : st;
}

enum status type_build_member(struct type_build *b, struct slice member)
{
	uint64_t before = b->meta.form == FORM_LARGE ? b->meta.count : small_blob_entries(&b->blob);
	enum status st = add_named(b, &member, 1);

	if (st == ST_OK) {
		b->meta.flags = type_set_flags(b->meta.flags, before, member, &b->set_limits);
	}
	return st;
}

enum status type_build_end(struct type_build *b, uint64_t expire_at_ms)
{
	struct slice part = small_blob_slice(&b->blob);
	struct meta old;
	/* Only now: what a lookup gives is borrowed until the next write. */
	enum status st = ks_lookup(b->engine, b->key, &old);
	uint64_t entries =
	    b->meta.form == FORM_LARGE ? b->meta.count : small_blob_entries(&b->blob) / 2;

	if (st != ST_OK && st != ST_NOT_FOUND) {
		return st;
	}
	INVARIANT(b->meta.form == FORM_LARGE || small_blob_entries(&b->blob) > 0);
	if (b->meta.type == TYPE_HASH && entries > b->limits.entries) {
		b->meta.flags |= META_ENCODED;
	}
	b->meta.expire_at_ms = expire_at_ms;
	return ks_put(b->engine, b->key, st == ST_OK ? &old : NULL, &b->meta, &part,
		      b->meta.form == FORM_INLINE ? 1 : 0);
}
