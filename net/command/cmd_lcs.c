/* LCS: the longest common subsequence of two strings, as text, length or matching ranges. */
#include "engine/base/alloc.h"
#include "net/command/cmd_string.h"

enum { CELL_BYTES = 4 }; /* what Redis charges per cell of its table against proto-max-bulk-len */

struct lcs_options {
	bool len, idx, with_match_len;
	int64_t match_len_min;
};

/* One of the two strings. data borrows the key record, or copy when the string is large. */
struct lcs_text {
	const uint8_t *data;
	uint32_t len;
	uint8_t *copy;
};

struct lcs {
	struct lcs_text a, b;
	uint32_t *row; /* lengths of the table's current row, b.len + 1 of them */
	/* One bit per pair of unequal bytes: the longer rest is found by shortening a. Row-wise;
	 * NULL when the length alone is asked for. */
	uint64_t *shorten_a;
	uint8_t *text; /* the subsequence itself, when it is asked for */
};

static bool parse_options(struct command_ctx *ctx, struct lcs_options *o)
{
	*o = (struct lcs_options){0};
	for (size_t i = 3; i < ctx->argc; i++) {
		if (command_arg_is(ctx, i, "idx")) {
			o->idx = true;
		} else if (command_arg_is(ctx, i, "len")) {
			o->len = true;
		} else if (command_arg_is(ctx, i, "withmatchlen")) {
			o->with_match_len = true;
		} else if (command_arg_is(ctx, i, "minmatchlen") && i + 1 < ctx->argc) {
			if (!command_arg_int(ctx, ++i, &o->match_len_min, NULL)) {
				return false;
			}
			o->match_len_min = o->match_len_min < 0 ? 0 : o->match_len_min;
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	if (o->idx && o->len) {
		resp_error(ctx->reply,
			   "ERR If you want both the length and indexes, please just use IDX.");
		return false;
	}
	return true;
}

/* Redis's limits, in its order and words. */
static bool sizes_fit(struct command_ctx *ctx, uint64_t a, uint64_t b)
{
	if (a >= UINT32_MAX - 1 || b >= UINT32_MAX - 1) {
		resp_error(ctx->reply, "ERR String too long for LCS");
		return false;
	}
	/* Below 2^64 / 4 cells, for a and b are below 2^32 and in practice far below. */
	if ((a + 1) > UINT64_MAX / CELL_BYTES / (b + 1) ||
	    (a + 1) * (b + 1) * CELL_BYTES > string_len_max(ctx)) {
		resp_error(ctx->reply, "ERR Insufficient memory, transient memory for LCS exceeds "
				       "proto-max-bulk-len");
		return false;
	}
	return true;
}

static enum status load(struct command_ctx *ctx, uint16_t slot, const struct meta *m,
			struct lcs_text *out)
{
	out->len = (uint32_t)string_len(m);
	if (m == NULL || m->form == FORM_INLINE) {
		out->data = m != NULL ? m->payload.data : NULL;
		return ST_OK;
	}
	out->copy = mem_alloc(out->len);
	if (out->copy == NULL) {
		return ST_NO_MEMORY;
	}
	out->data = out->copy;
	return string_read(ctx->engine, slot, m, 0, out->copy, out->len);
}

static enum status allocate(struct lcs *l, bool way_back)
{
	l->row = mem_calloc((size_t)l->b.len + 1, sizeof *l->row);
	if (l->row == NULL) {
		return ST_NO_MEMORY;
	}
	if (way_back) {
		size_t cells = (size_t)l->a.len * l->b.len;

		l->shorten_a = mem_calloc(cells / 64 + 1, sizeof *l->shorten_a);
		if (l->shorten_a == NULL) {
			return ST_NO_MEMORY;
		}
	}
	return ST_OK;
}

/* Fills the table row by row; only the last row's lengths and the way back are kept. */
static uint32_t fill_table(struct lcs *l)
{
	size_t cell = 0;

	for (uint32_t i = 0; i < l->a.len; i++) {
		uint32_t diagonal = 0; /* the row before, one column back */

		for (uint32_t j = 0; j < l->b.len; j++, cell++) {
			uint32_t above = l->row[j + 1], left = l->row[j];

			if (l->a.data[i] == l->b.data[j]) {
				l->row[j + 1] = diagonal + 1;
			} else if (above > left) {
				if (l->shorten_a != NULL) {
					l->shorten_a[cell / 64] |= (uint64_t)1 << (cell % 64);
				}
			} else {
				l->row[j + 1] = left;
			}
			diagonal = above;
		}
	}
	return l->row[l->b.len];
}

/* A run of equal bytes, found from its end backwards. */
struct run {
	uint32_t a, b, len; /* len 0: none is open */
};

static size_t reply_run(struct command_ctx *ctx, const struct lcs_options *o, struct run *r)
{
	struct resp_writer *w = ctx->reply;
	uint32_t len = r->len;

	r->len = 0;
	if (len == 0 || len < (uint64_t)o->match_len_min) {
		return 0;
	}
	resp_array(w, o->with_match_len ? 3 : 2);
	resp_array(w, 2);
	resp_int(w, r->a);
	resp_int(w, (int64_t)r->a + len - 1);
	resp_array(w, 2);
	resp_int(w, r->b);
	resp_int(w, (int64_t)r->b + len - 1);
	if (o->with_match_len) {
		resp_int(w, len);
	}
	return 1;
}

/* Walks the table back from its last cell; either sends the runs or collects the text. Returns the
 * number of runs sent. */
static size_t walk_back(struct command_ctx *ctx, const struct lcs_options *o, struct lcs *l,
			uint32_t total)
{
	uint32_t i = l->a.len, j = l->b.len;
	struct run run = {0};
	size_t runs = 0;

	while (i > 0 && j > 0) {
		if (l->a.data[i - 1] == l->b.data[j - 1]) {
			i--;
			j--;
			run = (struct run){i, j, run.len + 1};
			if (l->text != NULL) {
				l->text[--total] = l->a.data[i];
			}
			continue;
		}
		if (o->idx) {
			runs += reply_run(ctx, o, &run);
		}
		run.len = 0;
		size_t cell = (size_t)(i - 1) * l->b.len + (j - 1);

		if ((l->shorten_a[cell / 64] >> (cell % 64) & 1) != 0) {
			i--;
		} else {
			j--;
		}
	}
	return o->idx ? runs + reply_run(ctx, o, &run) : 0;
}

static enum status reply_result(struct command_ctx *ctx, const struct lcs_options *o, struct lcs *l,
				uint32_t total)
{
	struct resp_writer *w = ctx->reply;

	if (o->idx) {
		size_t mark;
		size_t runs;

		resp_map(w, 2);
		resp_bulk_str(w, "matches");
		mark = resp_deferred_begin(w);
		runs = walk_back(ctx, o, l, total);
		resp_deferred_end(w, mark, '*', runs);
		resp_bulk_str(w, "len");
		resp_int(w, total);
		return ST_OK;
	}
	if (o->len) {
		resp_int(w, total);
		return ST_OK;
	}
	l->text = mem_alloc(total);
	if (l->text == NULL) {
		return ST_NO_MEMORY;
	}
	(void)walk_back(ctx, o, l, total);
	resp_bulk(w, slice_of(l->text, total));
	return ST_OK;
}

void cmd_lcs(struct command_ctx *ctx)
{
	struct store_key key_a, key_b;
	struct meta found_a, found_b;
	const struct meta *a, *b;
	struct lcs_options o;
	struct lcs l = {0};
	enum status st;

	st = command_lookup_any(ctx, 1, &key_a, &found_a);
	if (st != ST_OK && st != ST_NOT_FOUND) {
		return;
	}
	a = st == ST_OK ? &found_a : NULL;
	st = command_lookup_any(ctx, 2, &key_b, &found_b);
	if (st != ST_OK && st != ST_NOT_FOUND) {
		return;
	}
	b = st == ST_OK ? &found_b : NULL;
	if ((a != NULL && a->type != TYPE_STRING) || (b != NULL && b->type != TYPE_STRING)) {
		resp_error(ctx->reply, "ERR The specified keys must contain string values");
		return;
	}
	if (!parse_options(ctx, &o) || !sizes_fit(ctx, string_len(a), string_len(b))) {
		return;
	}
	st = load(ctx, key_a.slot, a, &l.a);
	if (st == ST_OK) {
		st = load(ctx, key_b.slot, b, &l.b);
	}
	if (st == ST_OK) {
		st = allocate(&l, !o.len);
	}
	if (st == ST_OK) {
		st = reply_result(ctx, &o, &l, fill_table(&l));
	}
	if (st == ST_NO_MEMORY) {
		command_failed(ctx);
		resp_error(ctx->reply, "ERR Insufficient memory, failed allocating transient "
				       "memory for LCS");
	} else if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
	mem_free(l.a.copy);
	mem_free(l.b.copy);
	mem_free(l.row);
	mem_free(l.shorten_a);
	mem_free(l.text);
}
