/* cairn-slot check: everything in the store agrees with everything else. */
#include "tools/slot_verbs.h"

#include "engine/base/alloc.h"
#include "engine/content_digest.h"
#include "tools/tool_progress.h"
#include "tools/zset_check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

/* A collection that a key record or a garbage mark of the present slot answers for. */
struct owner {
	uint64_t id;
	bool garbage;
};

struct check {
	struct tool *tool;
	const struct slot_env *env;
	const struct slot_set *only; /* empty: all */
	bool deep, quiet, json;
	uint64_t lines_max, lines;
	struct slot_stat *found, *stored; /* [SLOTS] */
	struct content_digest digest;	  /* of the slot that the walk is in */
	struct owner *owners;		  /* of one slot, sorted before its elements come */
	size_t owners_count, owners_cap;
	bool owners_sorted;
	int slot; /* the walk is in, -1 before the first */
	struct buf previous;
	uint64_t keys, elements, bytes, expires, garbage, orphans, index_matched, index_stale;
	uint64_t timed; /* keys that should be in the expiry index */
	uint64_t findings, damages;
	uint64_t hurt[SLOTS / 64]; /* slots with a damage that was told */
	bool stop;		   /* the tree cannot be walked on */
};

/* Tells one finding or damage. */
static void tell(struct check *c, bool damage, struct slice key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void tell(struct check *c, bool damage, struct slice key, const char *fmt, ...)
{
	struct out *o = &c->tool->out;
	char text[256];
	va_list ap;

	c->findings += !damage;
	c->damages += damage;
	if (damage && key.len >= KEY_PREFIX_LEN) {
		c->hurt[store_key_slot(key) / 64] |= UINT64_C(1) << store_key_slot(key) % 64;
	}
	if (c->quiet || c->lines++ >= c->lines_max) {
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (c->json) {
		json_begin(o);
		json_text(o, "kind", damage ? "damage" : "finding");
		if (key.len >= KEY_PREFIX_LEN) {
			json_u64(o, "slot", store_key_slot(key));
			json_bytes(o, "store_key", key);
		}
		json_text(o, "what", text);
		json_end(o);
		return;
	}
	out_text(o, damage ? "damage " : "finding");
	if (key.len >= KEY_PREFIX_LEN) {
		out_printf(o, " slot=%05u store_key=", store_key_slot(key));
		out_quoted(o, slice_skip(key, 2), 120);
	}
	out_printf(o, " %s\n", text);
}

/* Part of a checkpoint is in the store: of a collection perhaps the new record and the old
 * elements. The log has the rest, and a node reads it before it answers. */
static bool half_drained(const struct check *c)
{
	return c->env->store.state.drain_lsn > c->env->store.state.checkpoint_lsn;
}

static bool wanted(const struct check *c, uint16_t slot)
{
	return c->only->count == 0 || slot_set_has(c->only, slot);
}

static int by_id(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static enum status add_owner(struct check *c, uint64_t id, bool garbage)
{
	if (c->owners_count == c->owners_cap) {
		size_t cap = c->owners_cap == 0 ? 64 : c->owners_cap * 2;
		struct owner *wider = mem_realloc(c->owners, cap * sizeof *wider);

		if (wider == NULL) {
			return ST_NO_MEMORY;
		}
		c->owners = wider;
		c->owners_cap = cap;
	}
	c->owners[c->owners_count++] = (struct owner){id, garbage};
	c->owners_sorted = false;
	return ST_OK;
}

static const struct owner *find_owner(struct check *c, uint64_t id)
{
	struct owner wanted_owner = {.id = id};

	if (!c->owners_sorted && c->owners_count > 0) {
		qsort(c->owners, c->owners_count, sizeof *c->owners, by_id);
		c->owners_sorted = true;
		for (size_t i = 1; i < c->owners_count; i++) {
			if (c->owners[i].id == c->owners[i - 1].id) {
				struct store_key mark;

				store_key_of_garbage(&mark, (uint16_t)c->slot, c->owners[i].id);
				tell(c, true, store_key_slice(&mark),
				     "two owners of collection %" PRIu64, c->owners[i].id);
			}
		}
	}
	return c->owners_count == 0
		   ? NULL
		   : bsearch(&wanted_owner, c->owners, c->owners_count, sizeof *c->owners, by_id);
}

/* The order of a large sorted set, or of the fields of a hash that expire, which has so many
 * records in the store. */
static void check_order(struct check *c, const struct key_record *r, uint64_t stored)
{
	const char *of = r->meta.type == TYPE_ZSET ? "a sorted set" : "fields that expire";
	uint64_t records = 0;
	const char *what = NULL;

	if (zset_check(&c->env->view, r, &records, &what) != ST_OK) {
		tell(c, true, r->store_key, "the order of %s is damaged: %s", of, what);
	} else if (records != stored) {
		tell(c, false, r->store_key,
		     "the order of %s has %" PRIu64 " records, its tree %" PRIu64, of, stored,
		     records);
	}
}

/* Decodes a whole value. */
static void check_value(struct check *c, const struct key_record *r)
{
	struct value_walk w;
	struct slice name, value;
	enum status st = value_open(&c->env->view, r, &w);

	while (st == ST_OK) {
		st = value_next(&w, &name, &value);
	}
	value_close(&w);
	if (st != ST_END && st != ST_WRONG_TYPE) {
		tell(c, true, r->store_key,
		     "value of type %s does not decode, or its length differs",
		     value_type_text(r->meta.type));
	} else if (r->meta.form == FORM_LARGE &&
		   (r->meta.type == TYPE_ZSET || r->meta.fields_timed > 0)) {
		check_order(c, r, w.nodes);
	}
}

static enum status check_key(struct check *c, struct slice key, struct slice value)
{
	struct slot_stat *stat = &c->found[store_key_slot(key)];
	struct key_record r;

	if (key_record_of(key, value, &r) != ST_OK) {
		struct slice name, rest;

		if (stored_split(key, value, &name, &rest) == ST_OK &&
		    keyslot(name) != store_key_slot(key)) {
			tell(c, true, key, "the key belongs to slot %u", keyslot(name));
		} else {
			tell(c, true, key, "the key record does not decode");
		}
		return ST_OK;
	}
	c->keys++;
	stat->keys++;
	c->timed += meta_due_ms(&r.meta) != 0;
	c->expires += r.meta.expire_at_ms != 0;
	stat->expires += r.meta.expire_at_ms != 0;
	if (r.meta.form == FORM_LARGE && r.meta.id >= c->env->store.state.next_id &&
	    !half_drained(c)) {
		tell(c, false, key,
		     "collection id %" PRIu64 " was never handed out (next is %" PRIu64 ")",
		     r.meta.id, c->env->store.state.next_id);
	}
	if ((c->deep && !half_drained(c)) || r.meta.form == FORM_INLINE) {
		check_value(c, &r);
	}
	return r.meta.form == FORM_LARGE ? add_owner(c, r.meta.id, false) : ST_OK;
}

static void check_element(struct check *c, struct slice key)
{
	const struct owner *owner = find_owner(c, store_key_id(key));

	if (owner == NULL) {
		c->orphans++;
		tell(c, false, key, "element of collection %" PRIu64 ", which no key has",
		     store_key_id(key));
	} else if (owner->garbage) {
		c->garbage++;
	}
	c->elements++;
}

/* The walk leaves a slot. */
static void end_slot(struct check *c)
{
	if (c->slot >= 0) {
		c->found[c->slot].digest = content_digest_take(&c->digest);
	}
}

static enum status check_entry(struct check *c, struct slice key, struct slice value)
{
	uint16_t slot = store_key_slot(key);

	if (slot != c->slot) {
		end_slot(c);
		c->slot = slot;
		c->owners_count = 0;
	}
	if (!wanted(c, slot)) {
		return ST_OK;
	}
	c->bytes += key.len + value.len;
	c->found[slot].bytes += key.len + value.len;
	/* What does not decode is told below. */
	if (content_digest_add(&c->digest, key, value) == ST_NO_MEMORY) {
		return ST_NO_MEMORY;
	}
	switch (store_key_space(key)) {
	case KEYSPACE_GARBAGE:
		return add_owner(c, store_key_id(key), true);
	case KEYSPACE_KEY:
		return check_key(c, key, value);
	default:
		check_element(c, key);
		return ST_OK;
	}
}

/* Keys must rise: a tree bent into a circle would never end. */
static bool rises(struct check *c, struct slice key)
{
	bool ok = c->previous.len == 0 || slice_cmp(buf_slice(&c->previous), key) < 0;

	c->previous.len = 0;
	return buf_append(&c->previous, key.data, key.len) == ST_OK && ok;
}

static enum status walk_tree(struct check *c)
{
	struct store_cursor *cursor;
	struct slice key = {0}, value = {0};
	struct progress progress;
	uint64_t seen = 0;
	enum status st = store_cursor_open(c->env->view.base, &cursor);

	if (st != ST_OK) {
		return st;
	}
	progress_start(&progress, c->tool, "entries", 0);
	st = store_cursor_seek(cursor, slice_of(NULL, 0), &key, &value);
	while (st == ST_OK || (st == ST_CORRUPT && key.data != NULL)) {
		progress_at(&progress, ++seen);
		if (!rises(c, key)) {
			st = ST_CORRUPT;
			tell(c, true, key, "keys are out of order: the tree is damaged");
			c->stop = true;
			break;
		}
		if (store_key_check(key) != ST_OK) {
			tell(c, true, key, "the store key has no known shape");
		} else if (st == ST_CORRUPT) {
			tell(c, true, key, "the checksum of the value does not match");
		} else {
			st = check_entry(c, key, value);
			if (st != ST_OK) {
				break;
			}
		}
		key = slice_of(NULL, 0);
		st = store_cursor_next(cursor, &key, &value);
	}
	if (st == ST_CORRUPT && !c->stop) {
		tell(c, true, buf_slice(&c->previous), "the tree cannot be read on behind this");
		c->stop = true;
	}
	end_slot(c);
	store_cursor_close(cursor);
	progress_end(&progress);
	return st == ST_NOT_FOUND || st == ST_CORRUPT ? ST_OK : st;
}

static void check_counters(struct check *c)
{
	if (half_drained(c)) {
		tool_warn(c->tool, "a checkpoint was being written: counters are not compared%s",
			  c->deep ? ", nor large values decoded" : "");
		return;
	}
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		const struct slot_stat *a = &c->stored[slot], *b = &c->found[slot];

		if (wanted(c, (uint16_t)slot) &&
		    (a->keys != b->keys || a->expires != b->expires || a->bytes != b->bytes)) {
			tell(c, false, slice_of(NULL, 0),
			     "slot=%05u counters say keys=%" PRIu64 " expires=%" PRIu64
			     " bytes=%" PRIu64 ", there are %" PRIu64 ", %" PRIu64 ", %" PRIu64,
			     slot, a->keys, a->expires, a->bytes, b->keys, b->expires, b->bytes);
		}
	}
}

/* Contents that are not what was written, though every value is whole. */
static void check_digests(struct check *c)
{
	uint64_t undigested = 0;

	for (uint32_t slot = 0; slot < SLOTS && !half_drained(c); slot++) {
		const struct slot_stat *a = &c->stored[slot], *b = &c->found[slot];
		char kept[DIGEST_TEXT_LEN + 1], made[DIGEST_TEXT_LEN + 1];

		if (!wanted(c, (uint16_t)slot)) {
			continue;
		}
		undigested += a->undigested;
		if ((c->hurt[slot / 64] >> slot % 64 & 1) != 0) {
			continue; /* nothing more to learn there */
		}
		if (!a->undigested && !digest_eq(a->digest, b->digest)) {
			digest_text(a->digest, kept);
			digest_text(b->digest, made);
			tell(c, true, slice_of(NULL, 0),
			     "slot=%05u the digest that was kept is %s, that of what is there %s",
			     slot, kept, made);
		}
	}
	if (undigested > 0) {
		tool_warn(c->tool,
			  "%" PRIu64 " slots have no digest: they are from before those "
			  "were kept",
			  undigested);
	}
}

static void check_index_entry(void *arg, uint64_t expire_at_ms, struct slice key)
{
	struct check *c = arg;
	struct key_record r;
	struct slice stored;

	if (store_key_check(key) != ST_OK || store_key_space(key) != KEYSPACE_KEY) {
		tell(c, false, key, "expiry index entry of no known shape");
		return;
	}
	if (!wanted(c, store_key_slot(key))) {
		return;
	}
	if (store_get(c->env->view.base, key, &stored) == ST_OK &&
	    key_record_of(key, stored, &r) == ST_OK && meta_due_ms(&r.meta) == expire_at_ms) {
		c->index_matched++;
	} else {
		c->index_stale++;
	}
}

static enum status check_index(struct check *c)
{
	enum status st = store_reader_expiries(c->env->view.base, 0, slice_of(NULL, 0), UINT64_MAX,
					       UINT32_MAX, check_index_entry, c);

	if (st == ST_CORRUPT) {
		tell(c, true, slice_of(NULL, 0), "the expiry index does not decode");
		return ST_OK;
	}
	if (st == ST_OK && c->index_matched < c->timed) {
		tell(c, false, slice_of(NULL, 0),
		     "%" PRIu64 " of %" PRIu64
		     " keys that are due some time are not in the expiry index",
		     c->timed - c->index_matched, c->timed);
	}
	return st;
}

static void print_summary(struct check *c)
{
	struct out *o = &c->tool->out;

	if (c->quiet) {
		return;
	}
	if (c->json) {
		json_begin(o);
		json_text(o, "kind", "summary");
		json_u64(o, "checkpoint_lsn", c->env->store.state.checkpoint_lsn);
		json_u64(o, "keys", c->keys);
		json_u64(o, "elements", c->elements);
		json_u64(o, "bytes", c->bytes);
		json_u64(o, "expires", c->expires);
		json_u64(o, "garbage", c->garbage);
		json_u64(o, "orphans", c->orphans);
		json_u64(o, "index_stale", c->index_stale);
		json_u64(o, "findings", c->findings);
		json_u64(o, "damages", c->damages);
		json_bool(o, "complete", !c->stop);
		json_end(o);
		return;
	}
	if (c->lines > c->lines_max) {
		out_printf(o, "... and %" PRIu64 " more\n", c->lines - c->lines_max);
	}
	out_printf(o,
		   "%s checkpoint_lsn=%" PRIu64 " keys=%" PRIu64 " elements=%" PRIu64
		   " bytes=%" PRIu64 " expires=%" PRIu64 " garbage=%" PRIu64 " orphans=%" PRIu64
		   " index_stale=%" PRIu64 " findings=%" PRIu64 " damages=%" PRIu64 "\n",
		   c->damages > 0    ? "DAMAGED"
		   : c->findings > 0 ? "FINDINGS"
				     : "OK",
		   c->env->store.state.checkpoint_lsn, c->keys, c->elements, c->bytes, c->expires,
		   c->garbage, c->orphans, c->index_stale, c->findings, c->damages);
}

static int run(struct check *c)
{
	enum status st = ST_NO_MEMORY;

	c->found = mem_calloc(SLOTS, sizeof *c->found);
	c->stored = mem_calloc(SLOTS, sizeof *c->stored);
	if (c->found != NULL && c->stored != NULL) {
		st = walk_tree(c);
	}
	if (st == ST_OK) {
		st = store_reader_slots(c->env->view.base, c->stored);
		if (st == ST_OK && !c->stop) {
			check_counters(c);
			check_digests(c);
		} else if (st == ST_CORRUPT) {
			tell(c, true, slice_of(NULL, 0), "the table of counters is damaged");
			st = ST_OK;
		}
	}
	if (st == ST_OK && !c->stop) {
		st = check_index(c);
	}
	mem_free(c->found);
	mem_free(c->stored);
	mem_free(c->owners);
	content_digest_deinit(&c->digest);
	buf_deinit(&c->previous);
	if (st != ST_OK) {
		return slot_report(c->tool, st, slice_of(NULL, 0));
	}
	print_summary(c);
	return c->damages > 0 ? EXIT_DAMAGE : c->findings > 0 ? EXIT_FINDINGS : EXIT_CLEAN;
}

int slot_check(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "ENV",
	    "Verifies the store as of its last checkpoint (cairn-wal verify does the log): the "
	    "tree,\n"
	    "checksums, key records, small values, slots of keys, elements without an owner, the\n"
	    "counters and digests of slots, the expiry index. Exit 0: clean; 1: findings that cost "
	    "space or\n"
	    "counting only; 3: damage.",
	    1, 1};
	struct slot_env_options options = {.at = "checkpoint"};
	struct slot_set only = {0};
	struct check c = {.tool = t, .only = &only, .slot = -1, .lines_max = 100};
	int format = 0;
	const struct option_row rows[] = {
	    {"slot", 0, OPT_SLOTS, &only, "RANGES", "report on these slots only", NULL},
	    {"deep", 0, OPT_FLAG, &c.deep, NULL, "decode large values too", NULL},
	    {"quiet", 'q', OPT_FLAG, &c.quiet, NULL, "no output, only the exit code", NULL},
	    {"top", 0, OPT_U64, &c.lines_max, "N", "at most N lines of findings (default 100)",
	     NULL},
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "text or json", "text,json"},
	    {0}};
	struct slot_env env;
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		code = slot_env_open(t, argv[1], &options, &env);
	}
	if (code != EXIT_GO_ON) {
		return code;
	}
	c.env = &env;
	c.json = format == 1;
	code = run(&c);
	slot_env_close(&env);
	return code;
}
