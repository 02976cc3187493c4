/* SORT and SORT_RO. All elements, their weights and what is to be stored are held in memory; what
 * is only sent is not. Elements whose weights are equal stay in the order in which the collection
 * gave them. */
#include "engine/base/alloc.h"
#include "engine/base/byte_list.h"
#include "engine/types/type_build.h"
#include "engine/types/type_list.h"
#include "engine/types/type_zset.h"
#include "net/command/cmd_string.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/dispatch_state.h"
#include "net/command/notify.h"
#include "net/command/sort_order.h"

/* BY or GET: what stands for an element is the element itself, or found by a key's name that it is
 * a part of. */
struct pattern {
	enum { PATTERN_NOTHING, PATTERN_ELEMENT, PATTERN_STRING, PATTERN_FIELD } kind;
	struct slice before, after, field;
};

struct sort {
	struct command_ctx *ctx;
	struct store_key key;
	struct meta m;
	uint64_t count; /* elements of the collection; 0: there is none */
	bool desc, alpha, by_given, unsorted;
	size_t store_arg; /* 0: the result is sent */
	int64_t limit_start, limit_count;
	struct pattern by;
	struct pattern *gets;
	size_t gets_count;
	uint64_t from, to; /* the part of the sorted elements that is wanted */
	struct byte_list elements, weights;
	struct sort_item *items;
	size_t items_count;
	struct buf name, value; /* of the key that a pattern means */
};

/* --- patterns --- */

static void parse_pattern(struct slice text, struct pattern *out)
{
	const uint8_t *star = text.len > 0 ? memchr(text.data, '*', text.len) : NULL;

	*out = (struct pattern){.kind = PATTERN_NOTHING};
	if (slice_eq(text, slice_str("#"))) {
		out->kind = PATTERN_ELEMENT;
		return;
	}
	if (star == NULL) {
		return;
	}
	out->kind = PATTERN_STRING;
	out->before = slice_of(text.data, (size_t)(star - text.data));
	out->after = slice_skip(text, out->before.len + 1);
	for (size_t i = 0; i + 2 < out->after.len; i++) {
		if (out->after.data[i] == '-' && out->after.data[i + 1] == '>') {
			out->kind = PATTERN_FIELD;
			out->field = slice_skip(out->after, i + 2);
			out->after.len = i;
			return;
		}
	}
}

/* The name of the key that a pattern means for an element. */
static enum status name_of(struct sort *s, const struct pattern *p, struct slice element)
{
	const struct slice parts[] = {p->before, element, p->after};
	enum status st = ST_OK;

	s->name.len = 0;
	for (size_t i = 0; st == ST_OK && i < 3; i++) {
		if (parts[i].len > 0) {
			st = buf_append(&s->name, parts[i].data, parts[i].len);
		}
	}
	return st;
}

/* The whole of a string, borrowed until the next call. */
static enum status read_string(struct sort *s, const struct store_key *key, const struct meta *m,
			       struct slice *out)
{
	size_t len = (size_t)string_len(m);
	enum status st;

	if (m->form == FORM_INLINE) {
		*out = m->payload;
		return ST_OK;
	}
	s->value.len = 0;
	st = buf_reserve(&s->value, len);
	if (st == ST_OK) {
		st = string_read(s->ctx->engine, key->slot, m, 0, s->value.data, len);
	}
	*out = slice_of(s->value.data, len);
	return st;
}

/* What a pattern gives for an element, borrowed until the next call. ST_NOT_FOUND: there is no such
 * key or field, or it is of another type. */
static enum status resolve(struct sort *s, const struct pattern *p, struct slice element,
			   struct slice *out)
{
	struct node_stats *stats = &s->ctx->host->stats;
	struct store_key key;
	struct meta m;
	enum status st;

	if (p->kind == PATTERN_ELEMENT) {
		*out = element;
		return ST_OK;
	}
	if (p->kind == PATTERN_NOTHING) {
		return ST_NOT_FOUND;
	}
	st = name_of(s, p, element);
	if (st != ST_OK) {
		return st;
	}
	store_key_of_key(&key, slice_of(s->name.data, s->name.len));
	st = ks_lookup(s->ctx->engine, &key, &m);
	stats->keyspace_hits += st == ST_OK;
	stats->keyspace_misses += st == ST_NOT_FOUND;
	if (st != ST_OK) {
		return st;
	}
	if (m.type != (p->kind == PATTERN_FIELD ? TYPE_HASH : TYPE_STRING)) {
		return ST_NOT_FOUND;
	}
	return p->kind == PATTERN_FIELD ? type_hash_get(s->ctx->engine, &key, &m, p->field, out)
					: read_string(s, &key, &m, out);
}

/* --- arguments --- */

/* Patterns mean keys that no check before the command has seen. */
static bool denied(const struct sort *s, const char *option)
{
	struct command_ctx *ctx = s->ctx;

	if (ctx->host->cluster != NULL) {
		resp_error(ctx->reply, "ERR %s option of SORT denied in cluster mode.", option);
		return true;
	}
	if (!dispatch_reads_all_keys(ctx)) {
		resp_error(ctx->reply,
			   "ERR %s option of SORT denied due to insufficient ACL permissions.",
			   option);
		return true;
	}
	return false;
}

/* BY, GET or STORE in argv[at], with an argument behind it. *known: it is one of them. False: the
 * error reply was sent. */
static bool parse_named(struct sort *s, size_t at, bool read_only, bool *known)
{
	struct command_ctx *ctx = s->ctx;

	*known = true;
	if (!read_only && command_arg_is(ctx, at, "store")) {
		s->store_arg = at + 1;
	} else if (command_arg_is(ctx, at, "by")) {
		s->by_given = true;
		parse_pattern(ctx->argv[at + 1], &s->by);
		if (s->by.kind < PATTERN_STRING) {
			s->unsorted = true; /* and stays so, whatever a later BY says */
		} else if (denied(s, "BY")) {
			return false;
		}
	} else if (command_arg_is(ctx, at, "get")) {
		if (denied(s, "GET")) {
			return false;
		}
		parse_pattern(ctx->argv[at + 1], &s->gets[s->gets_count++]);
	} else {
		*known = false;
	}
	return true;
}

/* False: the error reply was sent. */
static bool parse_options(struct sort *s, bool read_only)
{
	struct command_ctx *ctx = s->ctx;

	s->limit_count = -1;
	for (size_t i = 2; i < ctx->argc; i++) {
		size_t left = ctx->argc - i - 1;
		bool known = true;

		if (command_arg_is(ctx, i, "asc")) {
			s->desc = false;
		} else if (command_arg_is(ctx, i, "desc")) {
			s->desc = true;
		} else if (command_arg_is(ctx, i, "alpha")) {
			s->alpha = true;
		} else if (left >= 2 && command_arg_is(ctx, i, "limit")) {
			if (!command_arg_int(ctx, i + 1, &s->limit_start, NULL) ||
			    !command_arg_int(ctx, i + 2, &s->limit_count, NULL)) {
				return false;
			}
			i += 2;
		} else if (left < 1) {
			known = false;
		} else if (!parse_named(s, i++, read_only, &known)) {
			return false;
		}
		if (!known) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	return true;
}

/* Which of so many elements LIMIT wants. */
static void apply_limit(struct sort *s)
{
	int64_t n = (int64_t)s->count;
	int64_t start = s->limit_start < 0 ? 0 : s->limit_start > n ? n : s->limit_start;
	int64_t count =
	    s->limit_count < 0 || s->limit_count > n - start ? n - start : s->limit_count;

	s->from = (uint64_t)start;
	s->to = (uint64_t)(start + count);
}

/* --- reading the collection --- */

/* Whether the elements come in an order of their own, so that an unsorted part of them can be read
 * alone. */
static bool is_ordered(const struct sort *s)
{
	return s->m.type == TYPE_LIST || s->m.type == TYPE_ZSET;
}

static enum status load_list(struct sort *s, uint64_t first, uint64_t n, bool reverse)
{
	struct type_list_iter it;
	struct slice element;
	enum status st = type_list_iter_open(s->ctx->engine, &s->key, &s->m, first, reverse, &it);

	while (st == ST_OK && n-- > 0) {
		st = type_list_iter_next(&it, &element);
		if (st == ST_OK) {
			st = byte_list_add(&s->elements, element);
		}
	}
	type_list_iter_close(&it);
	return st;
}

static enum status load_zset(struct sort *s, uint64_t first, uint64_t n, bool reverse)
{
	struct type_zset_iter it;
	struct zset_element element;
	enum status st = type_zset_iter_open(s->ctx->engine, &s->key, &s->m, first, reverse, &it);

	while (st == ST_OK && n-- > 0) {
		st = type_zset_iter_next(&it, &element);
		if (st == ST_OK) {
			st = byte_list_add(&s->elements, element.member);
		}
	}
	return st;
}

static enum status load_set(struct sort *s)
{
	struct type_set_walk w;
	struct slice member;
	enum status st = type_set_walk_open(s->ctx->engine, &s->key, &s->m, &w);

	while (st == ST_OK) {
		st = type_set_walk_next(&w, &member);
		if (st == ST_OK) {
			st = byte_list_add(&s->elements, member);
		}
	}
	type_set_walk_close(&w);
	return st == ST_END ? ST_OK : st;
}

/* Copies the elements: all, or, where they keep their order, those that are wanted. */
static enum status load(struct sort *s)
{
	uint64_t first = 0, n = s->count;
	bool reverse = false;

	if (s->unsorted && is_ordered(s)) {
		n = s->to - s->from;
		reverse = s->desc;
		first = reverse ? s->count - 1 - s->from : s->from;
		s->from = 0;
		s->to = n;
	}
	if (n == 0) {
		return ST_OK;
	}
	switch (s->m.type) {
	case TYPE_LIST:
		return load_list(s, first, n, reverse);
	case TYPE_ZSET:
		return load_zset(s, first, n, reverse);
	default:
		return load_set(s);
	}
}

/* Opens the key. False: a reply was sent. */
static bool open_key(struct sort *s)
{
	enum status st = command_lookup_counted(s->ctx, 1, &s->key, &s->m);

	if (st == ST_NOT_FOUND) {
		s->m = (struct meta){.type = TYPE_LIST};
		return true;
	}
	if (st != ST_OK) {
		return false;
	}
	switch (s->m.type) {
	case TYPE_LIST:
		st = type_list_count(&s->m, &s->count);
		break;
	case TYPE_SET:
	case TYPE_ZSET:
		st = named_count(&s->m, &s->count);
		break;
	default:
		st = ST_WRONG_TYPE;
		break;
	}
	if (st != ST_OK) {
		command_reply_status(s->ctx, st);
	}
	return st == ST_OK;
}

/* --- sorting --- */

/* Weighs all items. ST_INVALID: a weight is no number. */
static enum status weigh(struct sort *s)
{
	for (size_t i = 0; i < s->items_count; i++) {
		struct sort_item *item = &s->items[i];
		struct slice weight = item->element;
		enum status st = ST_OK;
		bool exact;

		if (s->by_given) {
			st = resolve(s, &s->by, item->element, &weight);
		}
		if (st == ST_NOT_FOUND) {
			continue;
		}
		if (st != ST_OK) {
			return st;
		}
		item->has_text = true;
		if (!s->alpha && (!parse_float_loose(weight, &item->number, &exact) || !exact)) {
			return ST_INVALID;
		}
		if (s->alpha && s->by_given) {
			st = byte_list_add(&s->weights, weight);
			item->has_text = st == ST_OK;
		}
		if (st != ST_OK) {
			return st;
		}
	}
	return ST_OK;
}

/* Says where the weights of ALPHA are, now that no more are added. */
static void place_texts(struct sort *s)
{
	size_t at = 0;

	for (size_t i = 0; s->alpha && i < s->items_count; i++) {
		struct sort_item *item = &s->items[i];

		if (!s->by_given) {
			item->text = item->element;
		} else if (item->has_text) {
			item->text = byte_list_at(&s->weights, at++);
		}
	}
}

/* Makes the items of the elements, in the order wanted. */
static enum status order(struct sort *s)
{
	enum status st;

	s->items_count = byte_list_count(&s->elements);
	if (s->items_count == 0) {
		return ST_OK;
	}
	s->items = mem_calloc(s->items_count, sizeof *s->items);
	if (s->items == NULL) {
		return ST_NO_MEMORY;
	}
	for (size_t i = 0; i < s->items_count; i++) {
		s->items[i].element = byte_list_at(&s->elements, i);
		s->items[i].index = i;
	}
	if (s->unsorted) {
		return ST_OK;
	}
	st = weigh(s);
	if (st == ST_OK) {
		place_texts(s);
		sort_items(s->items, s->items_count, s->alpha, s->desc);
	}
	return st;
}

/* --- results --- */

static enum status send_result(struct sort *s)
{
	struct resp_writer *w = s->ctx->reply;
	size_t per_item = s->gets_count > 0 ? s->gets_count : 1;
	struct slice value;

	resp_array(w, (size_t)(s->to - s->from) * per_item);
	for (uint64_t i = s->from; i < s->to; i++) {
		struct slice element = s->items[i].element;

		if (s->gets_count == 0) {
			resp_bulk(w, element);
		}
		for (size_t g = 0; g < s->gets_count; g++) {
			enum status st = resolve(s, &s->gets[g], element, &value);

			if (st == ST_OK) {
				resp_bulk(w, value);
			} else if (st == ST_NOT_FOUND) {
				resp_null(w);
			} else {
				return st;
			}
		}
	}
	return ST_OK;
}

/* What the patterns of GET give for the wanted items; nothing there is an empty element. */
static enum status collect(struct sort *s, struct byte_list *out)
{
	struct slice value;

	for (uint64_t i = s->from; i < s->to; i++) {
		for (size_t g = 0; g < s->gets_count; g++) {
			enum status st = resolve(s, &s->gets[g], s->items[i].element, &value);

			if (st == ST_NOT_FOUND) {
				value = slice_of(NULL, 0);
			} else if (st != ST_OK) {
				return st;
			}
			st = byte_list_add(out, value);
			if (st != ST_OK) {
				return st;
			}
		}
	}
	return ST_OK;
}

/* Puts the result, a list, in the place of whatever STORE's key holds. */
static enum status store_result(struct sort *s, const struct byte_list *values)
{
	struct type_build build;
	struct store_key key;
	enum status st = ST_OK;

	store_key_of_key(&key, s->ctx->argv[s->store_arg]);
	if (s->from == s->to) {
		return command_remove(s->ctx, &key);
	}
	type_build_list(&build, s->ctx->engine, &key);
	if (s->gets_count > 0) {
		for (size_t i = 0; st == ST_OK && i < byte_list_count(values); i++) {
			st = type_build_element(&build, byte_list_at(values, i));
		}
	} else {
		for (uint64_t i = s->from; st == ST_OK && i < s->to; i++) {
			st = type_build_element(&build, s->items[i].element);
		}
	}
	st = st == ST_OK ? type_build_end(&build, 0) : st;
	command_event(s->ctx, EVENT_LIST, "sortstore", key.name);
	return st;
}

static enum status finish(struct sort *s)
{
	struct byte_list values = {0};
	enum status st;

	if (s->store_arg == 0) {
		return send_result(s);
	}
	st = collect(s, &values);
	if (st == ST_OK) {
		st = store_result(s, &values);
	}
	if (st == ST_OK) {
		uint64_t per_item = s->gets_count > 0 ? s->gets_count : 1;

		resp_int(s->ctx->reply, (int64_t)((s->to - s->from) * per_item));
	}
	byte_list_deinit(&values);
	return st;
}

static void run(struct sort *s)
{
	enum status st;

	/* What a script or a key is given of a set must have an order. */
	if (s->unsorted && s->m.type == TYPE_SET &&
	    (s->store_arg != 0 || dispatch_is_busy(s->ctx->dispatch))) {
		s->unsorted = false;
		s->alpha = true;
		s->by_given = false;
	}
	apply_limit(s);
	st = load(s);
	if (st == ST_OK) {
		st = order(s);
	}
	if (st == ST_OK) {
		st = finish(s);
	}
	if (st == ST_INVALID) {
		resp_error(s->ctx->reply, "ERR One or more scores can't be converted into double");
	} else if (st != ST_OK) {
		command_reply_status(s->ctx, st == ST_END ? ST_CORRUPT : st);
	}
}

static void sort_command(struct command_ctx *ctx, bool read_only)
{
	struct sort s = {.ctx = ctx};

	s.gets = mem_calloc(ctx->argc, sizeof *s.gets);
	if (s.gets == NULL) {
		command_reply_status(ctx, ST_NO_MEMORY);
		return;
	}
	if (parse_options(&s, read_only) && open_key(&s)) {
		run(&s);
	}
	buf_deinit(&s.name);
	buf_deinit(&s.value);
	byte_list_deinit(&s.elements);
	byte_list_deinit(&s.weights);
	mem_free(s.items);
	mem_free(s.gets);
}

void cmd_sort(struct command_ctx *ctx)
{
	sort_command(ctx, false);
}

void cmd_sort_ro(struct command_ctx *ctx)
{
	sort_command(ctx, true);
}
