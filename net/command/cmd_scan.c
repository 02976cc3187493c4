/* SCAN, KEYS, RANDOMKEY: walks over the keyspace, slot by slot.
 *
 * A cursor is a position: slot << 48 | order, where order is the 48-bit place of a key in its slot
 * (engine/key_codec.h). Keys never move, so a scan that runs through meets every key that was there
 * all the time exactly once, and nothing is kept between calls. */
#include "net/command/command_groups.h"
#include "net/command/dispatch_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { ORDER_BITS = 48, SCAN_COUNT_DEFAULT = 10, RANDOM_TRIES = 100, CURSOR_TEXT_MAX = 64 };

struct scan {
	uint64_t cursor;
	int64_t count;
	struct slice pattern, type;
	bool match, by_type;
	size_t found;
	struct resp_writer out; /* the keys found */
};

bool command_arg_cursor(struct command_ctx *ctx, size_t arg, uint64_t *out)
{
	struct slice text = ctx->argv[arg];
	uint8_t first = text.len > 0 ? text.data[0] : '0';
	char copy[CURSOR_TEXT_MAX + 1];
	char *end;

	if (text.len <= CURSOR_TEXT_MAX && first > ' ') {
		if (text.len > 0) {
			memcpy(copy, text.data, text.len);
		}
		copy[text.len] = 0;
		errno = 0;
		*out = strtoul(copy, &end, 10);
		if (errno == 0 && end == copy + text.len) {
			return true;
		}
	}
	resp_error(ctx->reply, "ERR invalid cursor");
	return false;
}

static bool scan_options(struct command_ctx *ctx, struct scan *s)
{
	for (size_t i = 2; i < ctx->argc; i += 2) {
		if (i + 1 >= ctx->argc) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
		if (command_arg_is(ctx, i, "count")) {
			if (!command_arg_int(ctx, i + 1, &s->count, NULL)) {
				return false;
			}
			if (s->count < 1) {
				resp_error(ctx->reply, ERR_SYNTAX);
				return false;
			}
		} else if (command_arg_is(ctx, i, "match")) {
			s->pattern = ctx->argv[i + 1];
			s->match = !slice_eq(s->pattern, slice_str("*"));
		} else if (command_arg_is(ctx, i, "type")) {
			s->type = ctx->argv[i + 1];
			s->by_type = true;
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	return true;
}

static void scan_take(struct scan *s, struct slice name, const struct meta *meta)
{
	if ((s->match && !glob_match(s->pattern, name, false)) ||
	    (s->by_type && !word_is(s->type, value_type_text(meta->type)))) {
		return;
	}
	resp_bulk(&s->out, name);
	s->found++;
}

/* Walks one slot from an order position until left keys were seen and the next has another
 * position. ST_END: the slot is through; ST_OK: *order is where to go on. */
static enum status scan_slot(struct engine *e, uint16_t slot, uint64_t *order, int64_t *left,
			     struct scan *s)
{
	struct ks_iter it = {0};
	uint64_t last = *order, at;
	struct slice name;
	struct meta meta;
	enum status st = ks_keys_open(e, slot, *order, &it);

	while (st == ST_OK) {
		st = ks_keys_next(&it, &at, &name, &meta);
		if (st != ST_OK) {
			break;
		}
		if (*left <= 0 && at != last) {
			*order = at;
			break;
		}
		scan_take(s, name, &meta);
		last = at;
		(*left)--;
	}
	ks_iter_close(&it);
	return st;
}

static enum status scan_run(struct engine *e, struct scan *s)
{
	uint64_t slot = s->cursor >> ORDER_BITS;
	uint64_t order = s->cursor & ((UINT64_C(1) << ORDER_BITS) - 1);
	int64_t left = s->count;

	for (; slot < SLOTS; slot++, order = 0) {
		enum status st;

		if (engine_slot_keys(e, (uint16_t)slot) == 0) {
			continue;
		}
		if (left <= 0) {
			s->cursor = slot << ORDER_BITS;
			return ST_OK;
		}
		st = scan_slot(e, (uint16_t)slot, &order, &left, s);
		if (st == ST_OK) {
			s->cursor = slot << ORDER_BITS | order;
			return ST_OK;
		}
		if (st != ST_END) {
			return st;
		}
	}
	s->cursor = 0;
	return ST_OK;
}

void cmd_scan(struct command_ctx *ctx)
{
	struct buf keys = {0};
	struct scan s = {.count = SCAN_COUNT_DEFAULT, .out = {.out = &keys, .proto = 2}};
	char cursor[24];
	enum status st;

	if (!command_arg_cursor(ctx, 1, &s.cursor) || !scan_options(ctx, &s)) {
		return;
	}
	st = scan_run(ctx->engine, &s);
	if (st == ST_OK && s.out.failed) {
		st = ST_NO_MEMORY;
	}
	if (st == ST_OK) {
		(void)snprintf(cursor, sizeof cursor, "%llu", (unsigned long long)s.cursor);
		resp_array(ctx->reply, 2);
		resp_bulk_str(ctx->reply, cursor);
		resp_array(ctx->reply, s.found);
		st = buf_append(ctx->reply->out, keys.data, keys.len);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
	buf_deinit(&keys);
}

void cmd_keys(struct command_ctx *ctx)
{
	size_t mark = resp_deferred_begin(ctx->reply);
	struct scan s = {.count = INT64_MAX,
			 .pattern = ctx->argv[1],
			 .match = !slice_eq(ctx->argv[1], slice_str("*")),
			 .out = *ctx->reply};
	enum status st = scan_run(ctx->engine, &s);

	ctx->reply->failed |= s.out.failed;
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_deferred_end(ctx->reply, mark, '*', s.found);
}

/* The first live key of a slot from an order position on. ST_END: none. */
static enum status reply_first_key(struct command_ctx *ctx, uint16_t slot, uint64_t from)
{
	struct ks_iter it = {0};
	struct slice name;
	struct meta meta;
	uint64_t order;
	enum status st = ks_keys_open(ctx->engine, slot, from, &it);

	if (st == ST_OK) {
		st = ks_keys_next(&it, &order, &name, &meta);
	}
	if (st == ST_OK) {
		resp_bulk(ctx->reply, name);
	}
	ks_iter_close(&it);
	return st;
}

void cmd_randomkey(struct command_ctx *ctx)
{
	struct rng *rng = command_rng(ctx);
	enum status st = ST_END;

	/* A slot may hold nothing but expired keys: try others, in the end all. */
	for (int i = 0; i < RANDOM_TRIES && st == ST_END; i++) {
		int slot = ks_random_slot(ctx->engine, rng_next(rng));

		if (slot < 0) {
			break;
		}
		st = reply_first_key(ctx, (uint16_t)slot, rng_next(rng) >> (64 - ORDER_BITS));
		if (st == ST_END) {
			st = reply_first_key(ctx, (uint16_t)slot, 0);
		}
	}
	for (unsigned slot = 0; slot < SLOTS && st == ST_END; slot++) {
		if (engine_slot_keys(ctx->engine, (uint16_t)slot) > 0) {
			st = reply_first_key(ctx, (uint16_t)slot, 0);
		}
	}
	if (st == ST_END) {
		resp_null(ctx->reply);
	} else if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}
