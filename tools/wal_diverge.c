/* cairn-wal diverge: what a deposed primary had to give up. list: the archives; show: each write;
 * diff: each key at the fork, at the archive's end and now; replay: see diverge_replay.c. */
#include "tools/diverge.h"
#include "tools/op_line.h"
#include "tools/wal_verbs.h"

#include <inttypes.h>
#include <sys/stat.h>

/* --- now --- */

int diverge_current(struct diverge *v, struct slice key, struct told_value *out)
{
	enum status st = ST_OK;

	v->error.len = 0;
	told_deinit(out);
	if (v->node != NULL) {
		st = told_of_node(v->node, key, out, &v->error);
	} else if (v->has_data) {
		st = told_of_view(&v->data.view, key, out);
	}
	return st == ST_OK ? EXIT_GO_ON
			   : tool_fail(v->t, tool_exit_of(st), "%s", tool_text(&v->error, st));
}

int diverge_each_key(struct diverge *v, struct divergence *d,
		     int (*each)(struct diverge *v, struct divergence *d, struct slice key))
{
	int code = EXIT_GO_ON;

	for (size_t i = 0; code == EXIT_GO_ON && i < overlay_count(d->keys); i++) {
		struct slice key, name;

		(void)overlay_at(d->keys, i, &key, &name);
		if (wal_filter_key(&v->filter, name, store_key_slot(key))) {
			v->keys++;
			code = each(v, d, name);
		}
	}
	return code;
}

/* --- list --- */

static int list_archive(struct diverge *v, struct divergence *d)
{
	struct out *o = &v->t->out;
	size_t keys = overlay_count(d->keys);

	if (v->json) {
		json_begin(o);
		json_text(o, "file", d->path);
		json_u64(o, "epoch", d->epoch);
		json_hex(o, "timeline", d->timeline);
		json_u64(o, "first_lsn", d->first_lsn);
		json_u64(o, "last_lsn", d->last_lsn);
		json_u64(o, "records", d->records);
		json_u64(o, "keys", keys);
		json_u64(o, "flushes", d->flushes);
		json_u64(o, "libraries", d->libraries);
		json_u64(o, "first_ts", d->first_ms);
		json_u64(o, "last_ts", d->last_ms);
		json_u64(o, "bytes", d->bytes);
		json_bool(o, "fork_values", d->fork_known);
		json_end(o);
		return EXIT_GO_ON;
	}
	out_printf(o,
		   "%" PRIu64 ":%" PRIu64 "..%" PRIu64 " records=%" PRIu64
		   " keys=%zu flushes=%" PRIu64 " libraries=%" PRIu64 " first=",
		   d->epoch, d->first_lsn, d->last_lsn, d->records, keys, d->flushes, d->libraries);
	out_time(o, d->first_ms);
	out_text(o, " last=");
	out_time(o, d->last_ms);
	out_printf(o, " bytes=%" PRIu64 " timeline=%016" PRIx64 " fork_values=%s file=%s\n",
		   d->bytes, d->timeline, d->fork_known ? "yes" : "no", d->path);
	return EXIT_GO_ON;
}

/* --- show --- */

struct write {
	const struct wal_record *rec;
	const struct log_place *place;
	const struct wal_op *op;
	const struct op_facts *facts;
};

static void print_text(struct diverge *v, const struct write *w, const struct told_value *fork,
		       const struct told_value *now)
{
	struct out *o = &v->t->out;
	const struct op_facts *f = w->facts;

	op_line_text(o, w->place->epoch, w->rec, w->op, f, v->value_max);
	out_printf(o, " client=%" PRIu64, w->rec->client_id);
	if (f->has_key) {
		told_print(o, "fork", fork, v->value_max);
	}
	if (f->has_value) {
		out_text(o, " lost=");
		out_quoted(o, f->value, v->value_max);
	}
	if (f->has_key) {
		told_print(o, "current", now, v->value_max);
	}
	out_text(o, "\n");
}

static void print_json(struct diverge *v, const struct write *w, const struct told_value *fork,
		       const struct told_value *now)
{
	struct out *o = &v->t->out;
	const struct op_facts *f = w->facts;

	op_line_json(o, w->place->epoch, w->rec, w->op, f);
	json_u64(o, "client", w->rec->client_id);
	if (f->has_key) {
		told_json(o, "fork", fork, v->value_max);
	}
	if (f->has_value) {
		json_bytes_max(o, "lost", f->value, v->value_max);
	}
	if (f->has_key) {
		told_json(o, "current", now, v->value_max);
	}
	json_end(o);
}

static int show_op(struct diverge *v, struct divergence *d, const struct write *w)
{
	struct told_value fork = {0}, now = {0};
	enum status st = ST_OK;
	int code = EXIT_GO_ON;

	if (w->facts->has_key) {
		st = divergence_fork(d, w->facts->key, &fork);
		code = st == ST_OK
			   ? diverge_current(v, w->facts->key, &now)
			   : tool_fail(v->t, tool_exit_of(st), "%s: %s", d->path, status_text(st));
	}
	if (code == EXIT_GO_ON && v->json) {
		print_json(v, w, &fork, &now);
	} else if (code == EXIT_GO_ON) {
		print_text(v, w, &fork, &now);
	}
	told_deinit(&fork);
	told_deinit(&now);
	return code;
}

static int show_record(struct diverge *v, struct divergence *d, const struct wal_record *rec,
		       const struct log_place *place)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	int code = EXIT_GO_ON;
	enum status st = id_map_learn(&d->map, rec);

	while (code == EXIT_GO_ON && st == ST_OK && (st = wal_op_next(&ops, &op)) == ST_OK) {
		struct op_facts facts;
		struct write w = {rec, place, &op, &facts};

		st = op_facts_of(&d->map, &op, &facts);
		/* What drops a collection is half of what another operation does to its key. */
		if (st == ST_OK && op.kind != WAL_OP_DROP && wal_filter_op(&v->filter, &facts)) {
			code = show_op(v, d, &w);
		}
	}
	id_map_settle(&d->map, rec);
	return code != EXIT_GO_ON || st == ST_OK || st == ST_END
		   ? code
		   : log_bad_record(d->log, st, rec, place);
}

static int show_archive(struct diverge *v, struct divergence *d)
{
	struct log_place place;
	struct wal_record rec;
	int code = divergence_rewind(d);
	enum status st = ST_OK;

	while (code == EXIT_GO_ON && (st = log_next(d->log, &rec, &place)) == ST_OK) {
		code = show_record(v, d, &rec, &place);
	}
	return code != EXIT_GO_ON || st == ST_END ? code : log_report(d->log, st);
}

/* --- diff --- */

static int diff_key(struct diverge *v, struct divergence *d, struct slice key)
{
	struct told_value fork = {0}, lost = {0}, now = {0};
	struct out *o = &v->t->out;
	enum status st = divergence_fork(d, key, &fork);
	const char *what;
	int code = EXIT_GO_ON;

	if (st == ST_OK) {
		st = divergence_lost(d, key, &lost);
	}
	code = st == ST_OK ? diverge_current(v, key, &now)
			   : tool_fail(v->t, tool_exit_of(st), "%s: %s", d->path, status_text(st));
	if (code == EXIT_GO_ON) {
		bool unknown = lost.state == TOLD_UNKNOWN || now.state == TOLD_UNKNOWN;
		bool same = told_eq(&lost, &now, v->now_ms);

		what = unknown				 ? "unknown"
		       : same				 ? "same"
		       : told_eq(&fork, &now, v->now_ms) ? "unchanged"
		       : fork.state == TOLD_UNKNOWN	 ? "differs"
							 : "changed";
		v->unknown += unknown;
		v->same += same;
		v->differs += !unknown && !same;
		if (v->json) {
			json_begin(o);
			json_bytes(o, "key", key);
			json_text(o, "what", what);
			told_json(o, "fork", &fork, v->value_max);
			told_json(o, "lost", &lost, v->value_max);
			told_json(o, "current", &now, v->value_max);
			json_end(o);
		} else {
			out_printf(o, "what=%s key=", what);
			out_quoted(o, key, 0);
			told_print(o, "fork", &fork, v->value_max);
			told_print(o, "lost", &lost, v->value_max);
			told_print(o, "current", &now, v->value_max);
			out_text(o, "\n");
		}
	}
	told_deinit(&fork);
	told_deinit(&lost);
	told_deinit(&now);
	return code;
}

static int diff_archive(struct diverge *v, struct divergence *d)
{
	if (d->flushes + d->nameless + d->libraries > 0) {
		tool_warn(v->t,
			  "%s: %" PRIu64 " records emptied the keyspace, %" PRIu64
			  " operations are on collections whose key is not known, %" PRIu64
			  " on libraries of functions (see show)",
			  d->path, d->flushes, d->nameless, d->libraries);
	}
	return diverge_each_key(v, d, diff_key);
}

static int diff_end(struct diverge *v)
{
	struct out *o = &v->t->out;

	if (v->json) {
		json_begin(o);
		json_text(o, "what", "total");
		json_u64(o, "keys", v->keys);
		json_u64(o, "same", v->same);
		json_u64(o, "differ", v->differs);
		json_u64(o, "unknown", v->unknown);
		json_end(o);
	} else {
		out_printf(o,
			   "total keys=%" PRIu64 " same=%" PRIu64 " differ=%" PRIu64
			   " unknown=%" PRIu64 "\n",
			   v->keys, v->same, v->differs, v->unknown);
	}
	return v->differs + v->unknown > 0 ? EXIT_FINDINGS : EXIT_CLEAN;
}

static int list_end(struct diverge *v)
{
	return v->files > 0 ? EXIT_FINDINGS : EXIT_CLEAN;
}

/* --- all --- */

static const struct {
	const char *word;
	bool looks; /* at what there is now */
	int (*archive)(struct diverge *v, struct divergence *d);
	int (*end)(struct diverge *v);
} actions[] = {
    {"list", false, list_archive, list_end},
    {"show", true, show_archive, list_end},
    {"diff", true, diff_archive, diff_end},
    {"replay", true, diverge_replay, diverge_replay_end},
};

static int open_node(struct diverge *v)
{
	struct node_address address;
	enum status st;

	if (!parse_node_address(v->against, &address)) {
		return tool_fail(v->t, EXIT_USAGE,
				 "option --against: '%s' is not redis://[user:password@]host:port, "
				 "host:port or the path of a socket",
				 v->against);
	}
	st = live_node_open(&address, &v->node, &v->error);
	return st == ST_OK ? EXIT_GO_ON
			   : tool_fail(v->t, tool_exit_of(st), "%s", tool_text(&v->error, st));
}

/* Without a word about it, the data directory that the archives are in. */
static int open_current(struct diverge *v, const char *operand)
{
	struct slot_env_options options = {.memory_max = v->memory_max};
	char store[WAL_PATH_MAX];
	struct stat info;
	int code = EXIT_GO_ON;

	if (v->against != NULL) {
		return open_node(v);
	}
	if (v->env == NULL && wal_segment_path(operand, "keyspace.mdb", store) == ST_OK &&
	    stat(store, &info) == 0) {
		v->env = operand;
	}
	if (v->env != NULL) {
		code = slot_env_open(v->t, v->env, &options, &v->data);
		v->has_data = code == EXIT_GO_ON;
	}
	return code;
}

static int check_options(const struct diverge *v, size_t action)
{
	bool replays = strcmp(actions[action].word, "replay") == 0;

	if (v->against != NULL && v->env != NULL) {
		return tool_fail(v->t, EXIT_USAGE, "--against and --env do not go together");
	}
	if (!replays) {
		return v->if_unchanged || v->yes || v->dry_run
			   ? tool_fail(v->t, EXIT_USAGE,
				       "--if-unchanged, --yes and --dry-run go with replay only")
			   : EXIT_GO_ON;
	}
	if (v->against == NULL) {
		return tool_fail(v->t, EXIT_USAGE,
				 "replay needs --against: the node that is to get the writes");
	}
	if (!v->if_unchanged && !v->yes && !v->dry_run) {
		return tool_fail(v->t, EXIT_REFUSED,
				 "without --if-unchanged what was written since is overwritten: "
				 "say --yes if that is wanted");
	}
	return EXIT_GO_ON;
}

static int run(struct diverge *v, char **operands, size_t operands_count)
{
	size_t action, count = sizeof actions / sizeof *actions;
	struct divergence_list list = {0};
	struct divergence d;
	int code = EXIT_GO_ON;

	for (action = 0; action < count && strcmp(operands[0], actions[action].word) != 0;) {
		action++;
	}
	if (action == count) {
		return tool_fail(v->t, EXIT_USAGE, "'%s' is none of list, show, diff and replay",
				 operands[0]);
	}
	code = check_options(v, action);
	for (size_t i = 1; code == EXIT_GO_ON && i < operands_count; i++) {
		code = divergence_find(v->t, operands[i], &list);
	}
	if (code == EXIT_GO_ON && actions[action].looks) {
		code = open_current(v, operands[1]);
	}
	for (size_t i = 0; code == EXIT_GO_ON && i < list.count; i++) {
		code = divergence_open(v->t, list.paths[i], v->memory_max, &d);
		if (code == EXIT_GO_ON) {
			v->files++;
			code = actions[action].archive(v, &d);
			divergence_close(&d);
		}
	}
	divergence_list_deinit(&list);
	return code == EXIT_GO_ON ? actions[action].end(v) : code;
}

int wal_diverge(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {"list|show|diff|replay DIR|FILE...",
						"What a deposed primary had to give up: the "
						"archives in DIR/divergent. list: what there\n"
						"is; show: each write; diff: each key at the fork, "
						"at the archive's end and now; replay:\n"
						"puts the lost values back on a running node. Now "
						"is what --against or --env says, else\n"
						"what DIR holds.",
						2, 1024};
	struct diverge v = {.t = t,
			    .filter = WAL_FILTER_INIT,
			    .value_max = 256,
			    .memory_max = (uint64_t)4 << 30,
			    .now_ms = t->clock->wall_ms(t->clock->ctx)};
	int format = 0;
	const struct option_row rows[] = {
	    {"against", 0, OPT_TEXT, &v.against, "ADDRESS",
	     "compare with, or write to, the node at\nredis://[user:password@]host:port, "
	     "host:port, "
	     "or a\nsocket's path; MOVED is followed",
	     NULL},
	    {"env", 0, OPT_TEXT, &v.env, "DIR", "compare with this data directory", NULL},
	    {"if-unchanged", 0, OPT_FLAG, &v.if_unchanged, NULL,
	     "replay: only keys that still hold what they held\nat the fork", NULL},
	    {"yes", 0, OPT_FLAG, &v.yes, NULL, "replay: overwrite what was written since", NULL},
	    {"dry-run", 0, OPT_FLAG, &v.dry_run, NULL, "replay: judge, write nothing", NULL},
	    WAL_KEY_OPTIONS(&v.filter),
	    {"value-max", 0, OPT_SIZE, &v.value_max, "BYTES",
	     "show this much of a value (default 256; 0: all)", NULL},
	    {"memory-max", 0, OPT_SIZE, &v.memory_max, "SIZE",
	     "bound on what is held of an archive, or of the\nlog's tail (default 4g)", NULL},
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "text or json", "text,json"},
	    {0}};
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	v.json = format == 1;
	if (code == EXIT_GO_ON) {
		code = run(&v, argv + 1, operands);
	}
	live_node_close(v.node);
	slot_env_close(&v.data);
	buf_deinit(&v.error);
	return code;
}
