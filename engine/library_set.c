/* Libraries in an array by name. */
#include "engine/library_set.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/store.h"

enum { VERSION = 1, VERSION_LEN = 1, HEADER_LEN = 8, CAP_MIN = 8 };

const char library_set_note[] = "libraries";

struct library *library_hold(struct library *l)
{
	l->refs++;
	return l;
}

void library_let_go(struct library *l)
{
	if (l != NULL && --l->refs == 0) {
		mem_free(l);
	}
}

void library_set_deinit(struct library_set *s)
{
	for (size_t i = 0; i < s->count; i++) {
		library_let_go(s->items[i]);
	}
	mem_free(s->items);
	*s = (struct library_set){0};
}

/* Where the name is, or belongs. */
static size_t place_of(const struct library_set *s, struct slice name, bool *found)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = slice_cmp(library_name(s->items[mid]), name);

		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	*found = false;
	return low;
}

struct library *library_set_find(const struct library_set *s, struct slice name)
{
	bool found;
	size_t at = place_of(s, name, &found);

	return found ? s->items[at] : NULL;
}

static size_t encoded_len(const struct library *l)
{
	return HEADER_LEN + l->name_len + l->code_len;
}

static struct library *make(struct slice name, struct slice code)
{
	struct library *l = mem_alloc(sizeof *l + name.len + code.len);

	if (l == NULL) {
		return NULL;
	}
	l->refs = 1;
	l->name_len = name.len;
	l->code_len = code.len;
	if (name.len > 0) {
		memcpy(l->bytes, name.data, name.len);
	}
	if (code.len > 0) {
		memcpy(l->bytes + name.len, code.data, code.len);
	}
	return l;
}

static enum status room_for_one(struct library_set *s)
{
	size_t cap = s->cap == 0 ? CAP_MIN : s->cap * 2;
	struct library **items;

	if (s->count < s->cap) {
		return ST_OK;
	}
	items = mem_realloc(s->items, cap * sizeof(*items));
	if (items == NULL) {
		return ST_NO_MEMORY;
	}
	s->items = items;
	s->cap = cap;
	return ST_OK;
}

enum status library_set_put(struct library_set *s, struct slice name, struct slice code)
{
	bool found;
	size_t at = place_of(s, name, &found);
	size_t bytes = s->bytes - (found ? encoded_len(s->items[at]) : 0);
	struct library *l;

	if (name.len > LIBRARY_SET_BYTES_MAX || code.len > LIBRARY_SET_BYTES_MAX ||
	    bytes + HEADER_LEN + name.len + code.len > LIBRARY_SET_BYTES_MAX - VERSION_LEN) {
		return ST_LIMIT;
	}
	if (!found && room_for_one(s) != ST_OK) {
		return ST_NO_MEMORY;
	}
	l = make(name, code);
	if (l == NULL) {
		return ST_NO_MEMORY;
	}
	if (found) {
		library_let_go(s->items[at]);
	} else {
		memmove(&s->items[at + 1], &s->items[at], (s->count - at) * sizeof *s->items);
		s->count++;
	}
	s->items[at] = l;
	s->bytes = bytes + encoded_len(l);
	return ST_OK;
}

bool library_set_del(struct library_set *s, struct slice name)
{
	bool found;
	size_t at = place_of(s, name, &found);

	if (!found) {
		return false;
	}
	s->bytes -= encoded_len(s->items[at]);
	library_let_go(s->items[at]);
	s->count--;
	memmove(&s->items[at], &s->items[at + 1], (s->count - at) * sizeof *s->items);
	return true;
}

enum status library_set_copy(const struct library_set *s, struct library_set *out)
{
	INVARIANT(out->count == 0 && out->cap == 0);
	if (s->count == 0) {
		return ST_OK;
	}
	out->items = mem_alloc(s->count * sizeof(*out->items));
	if (out->items == NULL) {
		return ST_NO_MEMORY;
	}
	for (size_t i = 0; i < s->count; i++) {
		out->items[i] = library_hold(s->items[i]);
	}
	out->count = out->cap = s->count;
	out->bytes = s->bytes;
	return ST_OK;
}

bool library_set_concerns(const struct wal_op *op)
{
	return op->kind == WAL_OP_PUT_LIBRARY || op->kind == WAL_OP_DEL_LIBRARY ||
	       op->kind == WAL_OP_FLUSH_LIBRARIES;
}

enum status library_set_apply(struct library_set *s, const struct wal_op *op)
{
	if (op->kind == WAL_OP_PUT_LIBRARY) {
		return library_set_put(s, op->name, op->value);
	}
	if (op->kind == WAL_OP_DEL_LIBRARY) {
		(void)library_set_del(s, op->name);
	} else if (op->kind == WAL_OP_FLUSH_LIBRARIES) {
		library_set_deinit(s);
	}
	return ST_OK;
}

enum status library_set_encode(const struct library_set *s, struct buf *out)
{
	enum status st;
	uint8_t *at;

	out->len = 0;
	if (s->count == 0) {
		return ST_OK;
	}
	st = buf_reserve(out, VERSION_LEN + s->bytes);
	if (st != ST_OK) {
		return st;
	}
	at = out->data;
	*at++ = VERSION;
	for (size_t i = 0; i < s->count; i++) {
		const struct library *l = s->items[i];

		bytes_put_u32le(at, (uint32_t)l->name_len);
		bytes_put_u32le(at + 4, (uint32_t)l->code_len);
		memcpy(at + HEADER_LEN, l->bytes, l->name_len + l->code_len);
		at += encoded_len(l);
	}
	out->len = VERSION_LEN + s->bytes;
	return ST_OK;
}

/* Takes one library off the front. */
static enum status take_one(struct slice *in, struct library_set *out)
{
	struct slice name, code;

	if (in->len < HEADER_LEN) {
		return ST_CORRUPT;
	}
	name.len = bytes_get_u32le(in->data);
	code.len = bytes_get_u32le(in->data + 4);
	*in = slice_skip(*in, HEADER_LEN);
	if (name.len > in->len || code.len > in->len - name.len) {
		return ST_CORRUPT;
	}
	name.data = in->data;
	code.data = in->data + name.len;
	*in = slice_skip(*in, name.len + code.len);
	if (out->count > 0 && slice_cmp(library_name(out->items[out->count - 1]), name) >= 0) {
		return ST_CORRUPT;
	}
	return library_set_put(out, name, code);
}

enum status library_set_decode(struct slice in, struct library_set *out)
{
	enum status st = ST_OK;

	INVARIANT(out->count == 0 && out->cap == 0);
	if (in.len == 0) {
		return ST_OK;
	}
	if (in.data[0] != VERSION) {
		return ST_VERSION;
	}
	in = slice_skip(in, VERSION_LEN);
	if (in.len == 0) {
		return ST_CORRUPT; /* nothing is written as nothing */
	}
	while (st == ST_OK && in.len > 0) {
		st = take_one(&in, out);
	}
	if (st != ST_OK) {
		library_set_deinit(out);
		return st == ST_LIMIT ? ST_CORRUPT : st;
	}
	return ST_OK;
}

enum status library_set_load(struct store_reader *r, struct library_set *out)
{
	struct slice bytes;
	enum status st = store_reader_note(r, library_set_note, &bytes);

	if (st == ST_NOT_FOUND) {
		return ST_OK;
	}
	return st == ST_OK ? library_set_decode(bytes, out) : st;
}
