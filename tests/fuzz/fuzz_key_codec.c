/* Store keys, key records and the store's own values from bytes, and back.
 *
 * Input: a byte that chooses what is tried, then its bytes. */
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/key_codec.h"
#include "engine/store_format.h"
#include "tests/fuzz/fuzz_input.h"

enum { NAME_MAX_TRIED = 2000 };

/* The name is found again in the key and the value that is stored under it. */
static void check_split(const struct store_key *k, struct slice value)
{
	static uint8_t stored[4 + NAME_MAX_TRIED + 65536];
	struct slice key = store_key_slice(k), name, got;
	size_t at = 0;

	INVARIANT(store_key_check(key) == ST_OK && key.len <= STORE_KEY_MAX);
	INVARIANT(store_key_slot(key) == k->slot);
	if (store_key_is_long(key)) {
		bytes_put_u32le(stored, (uint32_t)k->name.len);
		memcpy(stored + 4, k->name.data, k->name.len);
		at = 4 + k->name.len;
	}
	if (value.len > 0) {
		memcpy(stored + at, value.data, value.len);
	}
	INVARIANT(stored_split(key, slice_of(stored, at + value.len), &name, &got) == ST_OK);
	INVARIANT(slice_eq(name, k->name) && slice_eq(got, value));
}

/* A name, repeated to be long, as the name of a key and of a field. */
static void try_name(struct slice in)
{
	static uint8_t long_name[NAME_MAX_TRIED];
	size_t repeat = 1 + fuzz_u8(&in) % 64;
	uint64_t id = fuzz_number(&in);
	struct slice piece = fuzz_counted(&in);
	struct store_key k, mark;
	struct slice name;
	size_t len = 0;

	while (repeat-- > 0 && len + piece.len <= sizeof long_name && piece.len > 0) {
		memcpy(long_name + len, piece.data, piece.len);
		len += piece.len;
	}
	name = slice_of(long_name, len);
	store_key_of_key(&k, name);
	INVARIANT(k.slot == keyslot(name) && store_key_space(store_key_slice(&k)) == 'K');
	check_split(&k, in);
	store_key_of_field(&k, k.slot, id, name);
	INVARIANT(store_key_id(store_key_slice(&k)) == id);
	check_split(&k, in);
	if (len <= STORE_KEY_DIRECT_MAX - ELEM_PREFIX_LEN) {
		store_key_of_elem(&k, k.slot, id, name);
		INVARIANT(store_key_check(store_key_slice(&k)) == ST_OK);
	}
	store_key_of_garbage(&mark, k.slot, id);
	INVARIANT(store_key_check(store_key_slice(&mark)) == ST_OK);
	INVARIANT(slice_cmp(store_key_slice(&mark), store_key_slice(&k)) < 0);
}

/* A key and its stored value as they come from disk. */
static void try_stored(struct slice in)
{
	size_t key_len = (size_t)fuzz_u8(&in) * 3;
	struct slice key = fuzz_take(&in, key_len), name, value;

	if (store_key_check(key) != ST_OK || store_key_space(key) == KEYSPACE_GARBAGE) {
		return;
	}
	if (stored_split(key, in, &name, &value) == ST_OK) {
		INVARIANT(value.len <= in.len);
		INVARIANT(store_key_is_long(key) ? name.len + value.len < in.len
						 : name.len < key.len);
	}
}

static void try_record(struct slice in)
{
	uint8_t again[META_ENCODED_MAX];
	struct meta m;
	size_t n;

	if (meta_decode(in, &m) != ST_OK) {
		return;
	}
	n = meta_encode(&m, again);
	INVARIANT(n + m.payload.len == in.len && memcmp(again, in.data, n) == 0);
	INVARIANT(strcmp(value_type_text(m.type), "none") != 0);
	FUZZ_CANARY(m.type == TYPE_ZSET && m.form == FORM_LARGE && m.expire_at_ms != 0 &&
		    m.count > UINT32_MAX);
}

static void try_index(struct slice in)
{
	uint8_t bytes[STORE_INDEX_MAX];
	uint64_t at_ms = fuzz_number(&in), back_ms;
	struct slice value, key;
	size_t len;

	if (store_key_check(in) == ST_OK) {
		len = store_index_encode(at_ms, in, bytes, &value);
		INVARIANT(len <= sizeof bytes);
		INVARIANT(store_index_decode(slice_of(bytes, len), value, &back_ms, &key) == ST_OK);
		INVARIANT(back_ms == at_ms && slice_eq(key, in));
	}
	/* And any bytes as an entry. */
	len = in.len / 2;
	if (store_index_decode(slice_of(in.data, len), slice_skip(in, len), &back_ms, &key) ==
	    ST_OK) {
		INVARIANT(store_key_check(key) == ST_OK);
	}
}

static void try_values(struct slice in)
{
	uint8_t again[STORE_STATE_MAX];
	struct store_state state;
	struct slot_stat stat;
	struct slice value;

	if (store_state_decode(in, &state) == ST_OK) {
		INVARIANT(store_state_encode(&state, again) == in.len);
		INVARIANT(memcmp(again, in.data, in.len) == 0);
	}
	if (store_slot_decode(in, &stat) == ST_OK) {
		size_t len = store_slot_encode(&stat, again);

		/* An empty slot's digest is known, whoever wrote it. */
		INVARIANT(len == in.len || (stat.bytes == 0 && len > in.len));
		INVARIANT(memcmp(again, in.data, in.len) == 0);
	}
	if (in.len >= STORE_SUM_LEN && in.len <= sizeof again) {
		size_t len = in.len - STORE_SUM_LEN;

		memcpy(again, in.data, len);
		bytes_put_u32le(again + len, store_sum(slice_str("k"), slice_of(again, len)));
		INVARIANT(store_sum_check(slice_str("k"), slice_of(again, in.len), &value) ==
			  ST_OK);
		INVARIANT(value.len == len);
	}
	(void)(store_sum_check(slice_str("k"), in, &value) == ST_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(struct slice in) = {try_name, try_stored, try_record,
							 try_index, try_values};
	struct slice in = slice_of(data, size);
	uint8_t what = fuzz_u8(&in) % (sizeof tries / sizeof tries[0]);
	uint8_t *exact = fuzz_exact(in);

	tries[what](slice_of(exact, in.len));
	free(exact);
	return 0;
}
