/* HSCAN and SSCAN, HRANDFIELD and SRANDMEMBER: parts of a hash or set, page by page or at random.
 */
#include "net/command/cmd_named.h"

#include "engine/types/named_walk.h"

#include <stdio.h>

enum {
	INT_TEXT_MAX = 24,
	SCAN_HEADER_MAX = 128,
	BULK_MIN = 6, /* bytes of the shortest bulk */
};

/* A reply of random elements with repeats has no natural end: longer ones are refused. */
#define RANDOM_REPLY_MAX (UINT64_C(512) << 20)

/* Looks up the collection of argv[1]. false: an error reply was sent. */
static bool lookup(struct command_ctx *ctx, enum value_type type, struct store_key *key,
		   struct meta *m, bool *found)
{
	enum status st = command_lookup(ctx, 1, type, key, m);

	*found = st == ST_OK;
	return st == ST_OK || st == ST_NOT_FOUND;
}

/* --- pages --- */

bool named_scan_options(struct command_ctx *ctx, struct scan_options *o)
{
	for (size_t i = 3; i < ctx->argc; i += 2) {
		bool more = i + 1 < ctx->argc;

		if (command_arg_is(ctx, i, "count") && more) {
			if (!command_arg_int(ctx, i + 1, &o->count, NULL)) {
				return false;
			}
			if (o->count < 1) {
				resp_error(ctx->reply, ERR_SYNTAX);
				return false;
			}
		} else if (command_arg_is(ctx, i, "match") && more) {
			o->pattern = ctx->argv[i + 1];
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	return true;
}

/* Walks from the cursor over count elements, and on while elements share the last one's position.
 * The cursor becomes where to go on, 0 at the end. Returns how many replies were written. */
static size_t scan_page(struct command_ctx *ctx, const struct store_key *key, const struct meta *m,
			struct scan_options *o)
{
	struct named_iter it;
	struct slice name, value;
	uint64_t order, last = 0;
	int64_t walked = 0;
	size_t shown = 0;
	enum status st =
	    named_iter_open(ctx->engine, key, m, m->form == FORM_LARGE ? o->cursor : 0, &it);

	o->cursor = 0;
	while (st == ST_OK) {
		bool hidden;

		st = named_iter_step(&it, &order, &name, &value, &hidden);
		if (st != ST_OK) {
			break;
		}
		if (m->form == FORM_LARGE && walked >= o->count && order != last) {
			o->cursor = order;
			break;
		}
		last = order;
		walked++;
		if (hidden) {
			continue;
		}
		if (o->pattern.data == NULL || glob_match(o->pattern, name, false)) {
			resp_bulk(ctx->reply, name);
			shown++;
			if (it.has_values) {
				resp_bulk(ctx->reply, value);
				shown++;
			}
		}
	}
	named_iter_close(&it);
	if (st != ST_OK && st != ST_END) {
		command_reply_status(ctx, st);
	}
	return shown;
}

/* Puts the header of a scan's reply in front of the page that stands at mark: the cursor is known
 * only after the page. */
static void put_scan_header(struct command_ctx *ctx, size_t mark, uint64_t cursor, size_t shown)
{
	struct buf *out = ctx->reply->out;
	size_t page = out->len - mark, header;
	uint8_t copy[SCAN_HEADER_MAX];
	char text[INT_TEXT_MAX];

	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)cursor);
	resp_array(ctx->reply, 2);
	resp_bulk_str(ctx->reply, text);
	resp_array(ctx->reply, shown);
	header = out->len - mark - page;
	if (ctx->reply->failed || header > sizeof copy) {
		return; /* out of memory: the client is closed */
	}
	memcpy(copy, out->data + mark + page, header);
	memmove(out->data + mark + header, out->data + mark, page);
	memcpy(out->data + mark, copy, header);
}

static void scan(struct command_ctx *ctx, enum value_type type)
{
	struct scan_options o = {.count = SCAN_COUNT_DEFAULT};
	struct store_key key;
	struct meta m;
	size_t mark = ctx->reply->out->len, shown = 0;
	bool found;

	if (!command_arg_cursor(ctx, 2, &o.cursor) || !lookup(ctx, type, &key, &m, &found)) {
		return;
	}
	if (found) {
		if (!named_scan_options(ctx, &o)) {
			return;
		}
		shown = scan_page(ctx, &key, &m, &o);
	} else {
		o.cursor = 0;
	}
	if (!ctx->failed) {
		put_scan_header(ctx, mark, o.cursor, shown);
	}
}

void cmd_hscan(struct command_ctx *ctx)
{
	scan(ctx, TYPE_HASH);
}

void cmd_sscan(struct command_ctx *ctx)
{
	scan(ctx, TYPE_SET);
}

/* --- at random --- */

struct random_reply {
	struct command_ctx *ctx;
	bool with_values;
};

static void reply_element(void *arg, struct slice name, struct slice value)
{
	const struct random_reply *r = arg;
	struct resp_writer *w = r->ctx->reply;

	if (r->with_values && w->proto >= 3) {
		resp_array(w, 2);
	}
	resp_bulk(w, name);
	if (r->with_values) {
		resp_bulk(w, value);
	}
}

/* count elements, each any of all. */
static enum status reply_with_repeats(struct random_reply *r, const struct store_key *key,
				      const struct meta *m, uint64_t count)
{
	struct command_ctx *ctx = r->ctx;
	size_t mark = ctx->reply->out->len;
	enum status st = ST_OK;

	for (; st == ST_OK && count > 0 && !ctx->reply->failed; count--) {
		struct named_iter it;
		struct slice name, value;

		st = named_random(ctx->engine, key, m, command_rng(ctx), &it, &name, &value);
		if (st == ST_OK) {
			reply_element(r, name, value);
		}
		named_iter_close(&it);
		if (ctx->reply->out->len - mark > RANDOM_REPLY_MAX) {
			return ST_INVALID;
		}
	}
	return st;
}

static void random_elements(struct command_ctx *ctx, enum value_type type, int64_t count,
			    bool with_values)
{
	struct random_reply r = {.ctx = ctx, .with_values = with_values};
	struct store_key key;
	struct meta m;
	uint64_t total = 0, want;
	bool found;
	enum status st = ST_OK;

	if (!lookup(ctx, type, &key, &m, &found)) {
		return;
	}
	if (found) {
		st = named_count_visible(ctx->engine, &key, &m, &total);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	want = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
	if (total == 0 || (count > 0 && want > total)) {
		want = total;
	}
	if (count < 0 && want > RANDOM_REPLY_MAX / BULK_MIN) {
		resp_error(ctx->reply, ERR_OUT_OF_RANGE);
		return;
	}
	resp_array(ctx->reply, (size_t)(with_values && ctx->reply->proto < 3 ? 2 * want : want));
	if (want == 0) {
		return;
	}
	st = count < 0
		 ? reply_with_repeats(&r, &key, &m, want)
		 : named_sample(ctx->engine, &key, &m, want, command_rng(ctx), reply_element, &r);
	if (st == ST_INVALID) {
		command_failed(ctx);
		resp_error(ctx->reply, ERR_OUT_OF_RANGE);
	} else if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

static void random_element(struct command_ctx *ctx, enum value_type type)
{
	struct named_iter it;
	struct store_key key;
	struct meta m;
	struct slice name, value;
	bool found;
	enum status st;

	if (!lookup(ctx, type, &key, &m, &found)) {
		return;
	}
	if (!found) {
		resp_null(ctx->reply);
		return;
	}
	st = named_random(ctx->engine, &key, &m, command_rng(ctx), &it, &name, &value);
	if (st == ST_OK) {
		resp_bulk(ctx->reply, name);
	}
	named_iter_close(&it);
	if (st == ST_NOT_FOUND) {
		resp_null(ctx->reply);
	} else if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

/* The count argument. False: the error reply was sent. */
static bool arg_count(struct command_ctx *ctx, int64_t *count)
{
	if (!command_arg_int(ctx, 2, count, NULL)) {
		return false;
	}
	if (*count == INT64_MIN) {
		resp_error(ctx->reply,
			   "ERR value is out of range, value must between %lld and %lld",
			   -(long long)INT64_MAX, (long long)INT64_MAX);
		return false;
	}
	return true;
}

void cmd_hrandfield(struct command_ctx *ctx)
{
	int64_t count;

	if (ctx->argc == 2) {
		random_element(ctx, TYPE_HASH);
		return;
	}
	if (!arg_count(ctx, &count)) {
		return;
	}
	if (ctx->argc > 4 || (ctx->argc == 4 && !command_arg_is(ctx, 3, "withvalues"))) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	if (ctx->argc == 4 && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
		resp_error(ctx->reply, ERR_OUT_OF_RANGE);
		return;
	}
	random_elements(ctx, TYPE_HASH, count, ctx->argc == 4);
}

void cmd_srandmember(struct command_ctx *ctx)
{
	int64_t count;

	if (ctx->argc == 2) {
		random_element(ctx, TYPE_SET);
	} else if (ctx->argc > 3) {
		resp_error(ctx->reply, ERR_SYNTAX);
	} else if (arg_count(ctx, &count)) {
		random_elements(ctx, TYPE_SET, count, false);
	}
}
