/* SHA-1 over values, as Redis puts it together. */
#include "net/command/value_digest.h"

#include "engine/base/bytes.h"
#include "engine/types/hash_expiry.h"
#include "engine/types/named_walk.h"
#include "engine/types/type_list.h"
#include "engine/types/type_stream.h"
#include "engine/types/type_string.h"
#include "engine/types/zset_node.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

enum { SCORE_TEXT_MAX = 32 };

static void combine(uint8_t digest[VALUE_DIGEST_LEN], const uint8_t with[VALUE_DIGEST_LEN])
{
	for (int i = 0; i < VALUE_DIGEST_LEN; i++) {
		digest[i] ^= with[i];
	}
}

static enum status sha1(struct slice bytes, uint8_t out[VALUE_DIGEST_LEN])
{
	/* An empty text is one, too. */
	return EVP_Digest(bytes.len > 0 ? (const void *)bytes.data : "", bytes.len, out, NULL,
			  EVP_sha1(), NULL) == 1
		   ? ST_OK
		   : ST_NO_MEMORY;
}

static enum status add(uint8_t digest[VALUE_DIGEST_LEN], struct slice bytes)
{
	uint8_t hash[VALUE_DIGEST_LEN];
	enum status st = sha1(bytes, hash);

	if (st == ST_OK) {
		combine(digest, hash);
	}
	return st;
}

/* The second half of a mix. */
static enum status stir(uint8_t digest[VALUE_DIGEST_LEN])
{
	uint8_t hash[VALUE_DIGEST_LEN];
	enum status st = sha1(slice_of(digest, VALUE_DIGEST_LEN), hash);

	if (st == ST_OK) {
		memcpy(digest, hash, sizeof hash);
	}
	return st;
}

static enum status mix(uint8_t digest[VALUE_DIGEST_LEN], struct slice bytes)
{
	enum status st = add(digest, bytes);

	return st == ST_OK ? stir(digest) : st;
}

static enum status mix_u32(uint8_t digest[VALUE_DIGEST_LEN], uint32_t v)
{
	uint8_t bytes[4];

	bytes_put_u32be(bytes, v);
	return mix(digest, slice_of(bytes, sizeof bytes));
}

/* A string in pieces. */
static enum status hash_pieces(struct string_reader *r, EVP_MD_CTX *sha)
{
	struct slice piece;
	enum status st = string_reader_next(r, &piece);

	for (; st == ST_OK; st = string_reader_next(r, &piece)) {
		for (size_t at = 0; at < piece.len;) {
			size_t len = piece.len - at;

			if (piece.data == NULL && len > STRING_CHUNK) {
				len = STRING_CHUNK;
			}
			if (EVP_DigestUpdate(sha,
					     piece.data != NULL ? piece.data + at : string_zeros,
					     len) != 1) {
				return ST_NO_MEMORY;
			}
			at += len;
		}
	}
	return st == ST_END ? ST_OK : st;
}

static enum status digest_string(struct engine *e, const struct store_key *key,
				 const struct meta *m, uint8_t digest[VALUE_DIGEST_LEN])
{
	uint8_t hash[VALUE_DIGEST_LEN];
	struct string_reader r;
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	enum status st =
	    sha != NULL && EVP_DigestInit_ex(sha, EVP_sha1(), NULL) == 1 ? ST_OK : ST_NO_MEMORY;

	if (st == ST_OK) {
		st = string_reader_open(e, key->slot, m, 0, UINT64_MAX, &r);
		if (st == ST_OK) {
			st = hash_pieces(&r, sha);
		}
		string_reader_close(&r);
	}
	if (st == ST_OK && EVP_DigestFinal_ex(sha, hash, NULL) != 1) {
		st = ST_NO_MEMORY;
	}
	EVP_MD_CTX_free(sha);
	if (st == ST_OK) {
		combine(digest, hash);
		st = stir(digest);
	}
	return st;
}

static enum status digest_list(struct engine *e, const struct store_key *key, const struct meta *m,
			       uint8_t digest[VALUE_DIGEST_LEN])
{
	struct type_list_iter it;
	struct slice value;
	enum status st = type_list_iter_open(e, key, m, 0, false, &it);

	while (st == ST_OK) {
		st = type_list_iter_next(&it, &value);
		if (st == ST_OK) {
			st = mix(digest, value);
		}
	}
	type_list_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

/* A score as text. */
static enum status score_text(struct slice value, char text[SCORE_TEXT_MAX], struct slice *out)
{
	double score;
	enum status st = zset_score_get(value, &score);

	if (st == ST_OK) {
		(void)snprintf(text, SCORE_TEXT_MAX, "%.17g", score);
		*out = slice_str(text);
	}
	return st;
}

/* The entries alone, not what consumer groups know of them. */
static enum status digest_stream(struct engine *e, const struct store_key *key,
				 const struct meta *m, uint8_t digest[VALUE_DIGEST_LEN])
{
	struct stream s;
	struct stream_iter it = {0};
	struct stream_id id;
	struct slice value, text;
	enum status st = stream_open(&s, e, key, m);

	if (st == ST_OK) {
		st = stream_iter_open(&s, STREAM_ID_MIN, STREAM_ID_MAX, false, &it);
	}
	while (st == ST_OK) {
		char name[48];

		st = stream_iter_next(&it, &id, &value);
		if (st == ST_OK) {
			(void)snprintf(name, sizeof name, "%" PRIu64 ".%" PRIu64, id.ms, id.seq);
			st = mix(digest, slice_str(name));
		}
		while (st == ST_OK && stream_entry_next(&value, &text)) {
			st = mix(digest, text);
		}
	}
	stream_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

/* That a field expires, as Redis 7.4 has it. */
static enum status mix_expiry(struct engine *e, const struct store_key *key, const struct meta *m,
			      struct slice field, uint8_t pair[VALUE_DIGEST_LEN])
{
	uint64_t at;
	enum status st = hash_expiry_get(e, key->slot, m, field, &at);

	return st == ST_OK && at != 0 ? add(pair, slice_str("!!hexpire!!")) : st;
}

/* In an order of no meaning: fields with their values, or members, also with their scores. */
static enum status digest_named(struct engine *e, const struct store_key *key, const struct meta *m,
				uint8_t digest[VALUE_DIGEST_LEN])
{
	struct named_iter it;
	struct slice name, value;
	char text[SCORE_TEXT_MAX];
	uint64_t order;
	enum status st = named_iter_open(e, key, m, 0, &it);

	while (st == ST_OK) {
		uint8_t pair[VALUE_DIGEST_LEN] = {0};

		st = named_iter_next(&it, &order, &name, &value);
		if (st == ST_OK && !it.has_values) {
			st = add(digest, name);
			continue;
		}
		if (st == ST_OK && m->type == TYPE_ZSET) {
			st = score_text(value, text, &value);
		}
		if (st == ST_OK) {
			st = mix(pair, name);
		}
		if (st == ST_OK) {
			st = mix(pair, value);
		}
		if (st == ST_OK && m->fields_timed > 0) {
			st = mix_expiry(e, key, m, name, pair);
		}
		if (st == ST_OK) {
			st = add(digest, slice_of(pair, sizeof pair));
		}
	}
	named_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

enum status value_digest(struct engine *e, const struct store_key *key, const struct meta *m,
			 uint8_t digest[VALUE_DIGEST_LEN])
{
	enum status st;

	switch (m->type) {
	case TYPE_STRING:
		st = mix_u32(digest, 0);
		st = st == ST_OK ? digest_string(e, key, m, digest) : st;
		break;
	case TYPE_LIST:
		st = mix_u32(digest, 1);
		st = st == ST_OK ? digest_list(e, key, m, digest) : st;
		break;
	case TYPE_SET:
		st = mix_u32(digest, 2);
		st = st == ST_OK ? digest_named(e, key, m, digest) : st;
		break;
	case TYPE_ZSET:
		st = mix_u32(digest, 3);
		st = st == ST_OK ? digest_named(e, key, m, digest) : st;
		break;
	case TYPE_HASH:
		st = mix_u32(digest, 4);
		st = st == ST_OK ? digest_named(e, key, m, digest) : st;
		break;
	case TYPE_STREAM:
		st = mix_u32(digest, 6);
		st = st == ST_OK ? digest_stream(e, key, m, digest) : st;
		break;
	default:
		return ST_WRONG_TYPE;
	}
	return st == ST_OK && m->expire_at_ms != 0 ? add(digest, slice_str("!!expire!!")) : st;
}

/* The keys of a slot. */
static enum status digest_slot(struct engine *e, uint16_t slot, uint8_t digest[VALUE_DIGEST_LEN],
			       bool *any)
{
	struct ks_iter it = {0};
	struct slice name;
	struct meta m;
	uint64_t order;
	enum status st = ks_keys_open(e, slot, 0, &it);

	while (st == ST_OK) {
		uint8_t one[VALUE_DIGEST_LEN] = {0};
		struct store_key key;

		st = ks_keys_next(&it, &order, &name, &m);
		if (st != ST_OK) {
			break;
		}
		st = *any ? ST_OK : mix_u32(digest, 0); /* the database's number */
		*any = true;
		store_key_of_key(&key, name);
		if (st == ST_OK) {
			st = mix(one, name);
		}
		if (st == ST_OK) {
			st = value_digest(e, &key, &m, one);
		}
		if (st == ST_OK) {
			st = add(digest, slice_of(one, sizeof one));
		}
	}
	ks_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

enum status dataset_digest(struct engine *e, uint8_t digest[VALUE_DIGEST_LEN])
{
	enum status st = ST_OK;
	bool any = false;

	memset(digest, 0, VALUE_DIGEST_LEN);
	for (unsigned slot = 0; st == ST_OK && slot < SLOTS; slot++) {
		st = digest_slot(e, (uint16_t)slot, digest, &any);
	}
	return st;
}
