/* HyperLogLog commands: arguments and replies. What a value is: engine/types/hll.h; it is kept as a
 * string, and every change writes it whole. */
#include "engine/types/hll.h"

#include "net/command/cmd_string.h"
#include "net/command/command_host.h"
#include "net/command/dispatch_state.h"
#include "net/command/migrate_job.h"
#include "net/command/notify.h"
#include "net/command/script_run.h"

#define ERR_NOT_HLL "WRONGTYPE Key is not a valid HyperLogLog string value."
#define ERR_INVALID "INVALIDOBJ Corrupted HLL object detected"

/* A failure: that of an engine, or a value that makes no sense. */
static void reply_failure(struct command_ctx *ctx, enum status st)
{
	if (st != ST_INVALID) {
		command_reply_status(ctx, st);
		return;
	}
	command_failed(ctx);
	resp_error(ctx->reply, ERR_INVALID);
}

/* ST_CORRUPT of a value is ST_INVALID here: its bytes are those that a client has written. */
static enum status judged(enum status st)
{
	return st == ST_CORRUPT ? ST_INVALID : st;
}

/* Loads the value of argv[arg]; counted: its lookup is a hit or miss. ST_OK, ST_NOT_FOUND; else the
 * error reply was sent. */
static enum status load(struct command_ctx *ctx, size_t arg, bool counted, struct store_key *key,
			struct meta *m, struct hll *h)
{
	enum status st = counted ? string_lookup_counted(ctx, arg, key, m)
				 : command_lookup(ctx, arg, TYPE_STRING, key, m);
	uint64_t len;

	if (st != ST_OK) {
		return st;
	}
	len = string_len(m);
	h->len = len < HLL_LEN_MAX ? (size_t)len : HLL_LEN_MAX;
	st = string_read(ctx->engine, key->slot, m, 0, h->bytes, h->len);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return st;
	}
	if (!hll_is_value(slice_of(h->bytes, h->len), len)) {
		resp_error(ctx->reply, ERR_NOT_HLL);
		return ST_WRONG_TYPE;
	}
	if (len > HLL_LEN_MAX) {
		resp_error(ctx->reply, ERR_INVALID);
		return ST_INVALID;
	}
	return ST_OK;
}

/* Writes the value; old: what the lookup found, NULL: nothing. Its expiry stays. */
static enum status save(struct command_ctx *ctx, const struct store_key *key,
			const struct meta *old, const struct hll *h)
{
	return string_replace(ctx->engine, key, old, slice_of(h->bytes, h->len), META_RAW,
			      old != NULL ? old->expire_at_ms : 0);
}

static void cmd_pfadd(struct command_ctx *ctx)
{
	uint64_t sparse_max = ctx->host->hll_sparse_max_bytes;
	struct store_key key;
	struct meta m;
	struct hll h;
	enum status st = load(ctx, 1, false, &key, &m, &h);
	bool existed = st == ST_OK, changed = !existed;

	if (st == ST_NOT_FOUND) {
		hll_init(&h);
		st = ST_OK;
	} else if (st != ST_OK) {
		return;
	}
	for (size_t i = 2; st == ST_OK && i < ctx->argc; i++) {
		bool raised;

		st = judged(hll_add(&h, ctx->argv[i], sparse_max, &raised));
		changed |= raised;
	}
	if (st == ST_OK && changed) {
		hll_invalidate(&h);
		st = save(ctx, &key, existed ? &m : NULL, &h);
	}
	if (st != ST_OK) {
		reply_failure(ctx, st);
		return;
	}
	if (changed) {
		command_event(ctx, EVENT_STRING, "pfadd", key.name);
	}
	resp_int(ctx->reply, changed);
}

/* --- counting --- */

/* Merges the values of argv[first] and on into registers. *dense: one of them is. False: the error
 * reply was sent. */
static bool merge_all(struct command_ctx *ctx, size_t first, uint8_t registers[HLL_REGISTERS],
		      bool *dense)
{
	struct store_key key;
	struct meta m;
	struct hll h;

	memset(registers, 0, HLL_REGISTERS);
	*dense = false;
	for (size_t i = first; i < ctx->argc; i++) {
		enum status st = load(ctx, i, true, &key, &m, &h);

		if (st == ST_NOT_FOUND) {
			continue;
		}
		if (st != ST_OK) {
			return false;
		}
		*dense |= hll_is_dense(&h);
		st = judged(hll_merge(&h, registers));
		if (st != ST_OK) {
			reply_failure(ctx, st);
			return false;
		}
	}
	return true;
}

/* Whether the count may be kept in argv[1]'s value: where a write would be taken. */
static bool may_keep(const struct command_ctx *ctx)
{
	const struct dispatch *d = ctx->dispatch;
	const struct script_run *run = d->scripts != NULL ? d->scripts->run : NULL;

	return !ctx->host->is_replica && !ctx->host->replicas_short &&
	       (run == NULL || !run->read_only) && engine_writable(ctx->engine) == ST_OK &&
	       (d->migrations == NULL || !migration_holds(d, ctx->session, ctx->argv[1]));
}

/* The count of one value, which keeps it for the next time. */
static void count_one(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	struct hll h;
	uint64_t count = 0;
	enum status st = load(ctx, 1, true, &key, &m, &h);

	if (st == ST_OK && !hll_cached(&h, &count)) {
		st = judged(hll_count(&h, &count));
		if (st == ST_OK && may_keep(ctx)) {
			hll_set_cached(&h, count);
			st = save(ctx, &key, &m, &h);
		}
		if (st != ST_OK) {
			reply_failure(ctx, st);
			return;
		}
	}
	if (st == ST_OK || st == ST_NOT_FOUND) {
		resp_int(ctx->reply, (int64_t)count);
	}
}

static void cmd_pfcount(struct command_ctx *ctx)
{
	uint8_t registers[HLL_REGISTERS];
	bool dense;

	if (ctx->argc == 2) {
		count_one(ctx);
	} else if (merge_all(ctx, 1, registers, &dense)) {
		resp_int(ctx->reply, (int64_t)hll_count_registers(registers));
	}
}

static void cmd_pfmerge(struct command_ctx *ctx)
{
	uint64_t sparse_max = ctx->host->hll_sparse_max_bytes;
	uint8_t registers[HLL_REGISTERS];
	struct store_key key;
	struct meta m;
	struct hll h;
	bool dense, existed, raised;
	enum status st;

	if (!merge_all(ctx, 1, registers, &dense)) {
		return;
	}
	st = load(ctx, 1, false, &key, &m, &h);
	existed = st == ST_OK;
	if (st == ST_NOT_FOUND) {
		hll_init(&h);
		st = ST_OK;
	} else if (st != ST_OK) {
		return;
	}
	if (dense) {
		st = hll_to_dense(&h);
	}
	for (uint32_t i = 0; st == ST_OK && i < HLL_REGISTERS; i++) {
		if (registers[i] > 0) {
			st = hll_raise(&h, i, registers[i], sparse_max, &raised);
		}
	}
	st = judged(st);
	if (st == ST_OK) {
		hll_invalidate(&h);
		st = save(ctx, &key, existed ? &m : NULL, &h);
	}
	if (st != ST_OK) {
		reply_failure(ctx, st);
		return;
	}
	command_event(ctx, EVENT_STRING, "pfadd", key.name);
	resp_ok(ctx->reply);
}

/* --- for developers --- */

/* The runs of a sparse value as text. */
static enum status reply_runs(struct command_ctx *ctx, const struct hll *h)
{
	struct buf text = {0};
	struct hll_run run;
	size_t at = HLL_HEADER;
	enum status st = ST_OK;

	while (st == ST_OK && (st = judged(hll_run_next(h, &at, &run))) == ST_OK) {
		const char *space = text.len > 0 ? " " : "";

		if (run.kind == HLL_RUN_VALUE) {
			st = buf_printf(&text, "%sv:%u,%u", space, run.value, run.len);
		} else {
			st = buf_printf(&text, "%s%c:%u", space,
					run.kind == HLL_RUN_ZERO ? 'z' : 'Z', run.len);
		}
	}
	if (st == ST_END) {
		resp_bulk(ctx->reply, slice_of(text.data, text.len));
		st = ST_OK;
	}
	buf_deinit(&text);
	return st;
}

static enum status reply_registers(struct command_ctx *ctx, const struct hll *h)
{
	uint8_t registers[HLL_REGISTERS] = {0};
	enum status st = judged(hll_merge(h, registers));

	if (st == ST_OK) {
		resp_array(ctx->reply, HLL_REGISTERS);
		for (uint32_t i = 0; i < HLL_REGISTERS; i++) {
			resp_int(ctx->reply, registers[i]);
		}
	}
	return st;
}

static void cmd_pfdebug(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	struct hll h;
	enum status st = load(ctx, 2, false, &key, &m, &h);
	bool sparse = st == ST_OK && !hll_is_dense(&h);
	bool getreg = command_arg_is(ctx, 1, "getreg");

	if (st == ST_NOT_FOUND) {
		resp_error(ctx->reply, "ERR The specified key does not exist");
		return;
	}
	if (st != ST_OK) {
		return;
	}
	if (getreg || command_arg_is(ctx, 1, "todense")) {
		st = judged(hll_to_dense(&h));
		if (st == ST_OK && sparse) {
			st = save(ctx, &key, &m, &h);
		}
		if (st == ST_OK && getreg) {
			st = reply_registers(ctx, &h);
		} else if (st == ST_OK) {
			resp_int(ctx->reply, sparse);
		}
	} else if (command_arg_is(ctx, 1, "encoding")) {
		resp_simple(ctx->reply, sparse ? "sparse" : "dense");
	} else if (!command_arg_is(ctx, 1, "decode")) {
		resp_error(ctx->reply, "ERR Unknown PFDEBUG subcommand '%.*s'",
			   (int)ctx->argv[1].len, (const char *)ctx->argv[1].data);
	} else if (!sparse) {
		resp_error(ctx->reply, "ERR HLL encoding is not sparse");
	} else {
		st = reply_runs(ctx, &h);
	}
	if (st != ST_OK) {
		reply_failure(ctx, st);
	}
}

/* True when registers hold what they are given. */
static bool registers_hold(struct rng *rng, struct hll *h)
{
	uint8_t given[HLL_REGISTERS] = {0}, read[HLL_REGISTERS] = {0};

	hll_init(h);
	if (hll_to_dense(h) != ST_OK) {
		return false;
	}
	for (int round = 0; round < 4; round++) {
		for (uint32_t i = 0; i < HLL_REGISTERS; i++) {
			uint8_t value = (uint8_t)rng_below(rng, 64);
			bool raised;

			if (hll_raise(h, i, value, 0, &raised) != ST_OK ||
			    raised != (value > given[i])) {
				return false;
			}
			given[i] = raised ? value : given[i];
		}
	}
	return hll_merge(h, read) == ST_OK && memcmp(given, read, sizeof given) == 0;
}

/* Adds an element to both, and compares their counts where so many are in. NULL: as they should be.
 */
static const char *count_on(struct hll *a, struct hll *b, uint64_t element, uint64_t added)
{
	const double sigma = 1.04 / 128; /* the root of HLL_REGISTERS */
	uint8_t bytes[8];
	uint64_t count_a, count_b, most = (uint64_t)(6 * sigma * (double)added) + 1;
	bool raised;

	memcpy(bytes, &element, sizeof bytes);
	if (hll_add(a, slice_of(bytes, 8), 3000, &raised) != ST_OK ||
	    hll_add(b, slice_of(bytes, 8), 0, &raised) != ST_OK) {
		return "TESTFAILED an element was not taken";
	}
	if ((added & (added - 1)) != 0) {
		return NULL; /* looked at when there are 1, 2, 4, 8, ... */
	}
	if (hll_count(a, &count_a) != ST_OK || hll_count(b, &count_b) != ST_OK ||
	    count_a != count_b) {
		return "TESTFAILED dense/sparse disagree";
	}
	if (count_a > added + most || count_a + most < added) {
		return "TESTFAILED Too big error";
	}
	return NULL;
}

static void cmd_pfselftest(struct command_ctx *ctx)
{
	enum { ELEMENTS = 1 << 16 };
	struct rng *rng = command_rng(ctx);
	uint64_t seed = rng_below(rng, UINT64_MAX);
	const char *failed = NULL;
	struct hll a, b;

	if (!registers_hold(rng, &a)) {
		resp_error(ctx->reply, "TESTFAILED a register is not what it should be");
		return;
	}
	hll_init(&a);
	hll_init(&b);
	for (uint64_t i = 1; failed == NULL && i <= ELEMENTS; i++) {
		failed = count_on(&a, &b, seed ^ i, i);
	}
	if (failed != NULL) {
		resp_error(ctx->reply, "%s", failed);
		return;
	}
	resp_ok(ctx->reply);
}

const struct command commands_hll[] = {
    {"pfadd", -2, CMD_WRITE | CMD_DENYOOM | CMD_FAST, KEYS(1, 1, 1), cmd_pfadd, NULL},
    {"pfcount", -2, CMD_READONLY | CMD_MAY_WRITE, KEYS(1, -1, 1), cmd_pfcount, NULL},
    {"pfdebug", 3, CMD_WRITE | CMD_DENYOOM | CMD_ADMIN, KEYS(2, 2, 1), cmd_pfdebug, NULL},
    {"pfmerge", -2, CMD_WRITE | CMD_DENYOOM, KEYS(1, -1, 1), cmd_pfmerge, NULL},
    {"pfselftest", 1, CMD_ADMIN, NO_KEYS, cmd_pfselftest, NULL},
    {NULL, 0, 0, NO_KEYS, NULL, NULL},
};
