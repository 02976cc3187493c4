/* cairn-wal diverge replay: lost values are put back on a running node, a key at a time. With
 * --if-unchanged a key is watched, compared with what it held at the fork, and written in one
 * transaction, so that nobody's write can come in between. */
#include "engine/export/emit.h"
#include "tools/diverge.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>

enum result { APPLIED, ALREADY, CHANGED, NO_FORK, LEFT_OUT, RESULTS };

static const char *const words[RESULTS] = {"applied", "already", "changed", "no-fork", "left-out"};

struct commands {
	struct buf bytes;
	uint64_t count;
};

static enum status gather(void *arg, struct slice bytes, uint64_t commands)
{
	struct commands *c = arg;

	c->count += commands;
	return buf_append(&c->bytes, bytes.data, bytes.len);
}

static void print_result(struct diverge *v, struct slice key, enum result result)
{
	uint64_t *const counts[RESULTS] = {&v->applied, &v->already, &v->changed, &v->no_fork,
					   &v->left_out};
	struct out *o = &v->t->out;

	++*counts[result];
	if (v->json) {
		json_begin(o);
		json_bytes(o, "key", key);
		json_text(o, "result", words[result]);
		json_end(o);
		return;
	}
	out_printf(o, "result=%s key=", words[result]);
	out_quoted(o, key, 0);
	out_text(o, "\n");
}

/* The commands that make the key what it was, between MULTI and EXEC. */
static enum status write_commands(const struct divergence *d, struct slice key,
				  struct commands *out)
{
	struct resp_sink sink = {.take = gather, .arg = out};
	struct slice multi = slice_str("MULTI"), exec = slice_str("EXEC");
	struct key_record record;
	enum status st = resp_command(&sink, &multi, 1);

	if (st == ST_OK) {
		st = key_record_get(&d->lost_view, key, &record);
		st = st == ST_OK	  ? emit_resp(&sink, &d->lost_view, &record)
		     : st == ST_NOT_FOUND ? emit_resp_del(&sink, key)
					  : st;
	}
	if (st == ST_OK) {
		st = resp_command(&sink, &exec, 1);
	}
	if (st == ST_OK) {
		st = resp_flush(&sink);
	}
	resp_sink_deinit(&sink);
	return st;
}

static enum status ask_one(struct diverge *v, const char *command, struct slice key)
{
	struct slice argv[2] = {slice_str(command), key};
	redisReply *reply;
	enum status st = live_node_ask(v->node, argv, key.len > 0 ? 2 : 1, &reply, &v->error);

	if (st == ST_OK) {
		live_node_free(reply);
	}
	return st;
}

/* What is to become of a key: APPLIED means that it is to be written. */
static int judge(struct diverge *v, struct divergence *d, struct slice key, enum result *out)
{
	struct told_value fork = {0}, lost = {0}, now = {0};
	enum status st = divergence_lost(d, key, &lost);
	int code = EXIT_GO_ON;

	if (st == ST_OK && v->if_unchanged) {
		st = divergence_fork(d, key, &fork);
	}
	if (st != ST_OK) {
		code = tool_fail(v->t, tool_exit_of(st), "%s: %s", d->path, status_text(st));
	}
	if (code == EXIT_GO_ON) {
		code = diverge_current(v, key, &now);
	}
	*out = lost.state == TOLD_UNKNOWN	 ? LEFT_OUT
	       : told_eq(&lost, &now, v->now_ms) ? ALREADY
	       : !v->if_unchanged		 ? APPLIED
	       : fork.state == TOLD_UNKNOWN	 ? NO_FORK
	       : told_eq(&fork, &now, v->now_ms) ? APPLIED
						 : CHANGED;
	told_deinit(&fork);
	told_deinit(&lost);
	told_deinit(&now);
	return code;
}

/* An answer of nil: somebody wrote to the key after all. */
static enum status write_key(struct diverge *v, const struct divergence *d, struct slice key,
			     enum result *result)
{
	struct commands commands = {0};
	redisReply *reply = NULL;
	enum status st = write_commands(d, key, &commands);

	if (st == ST_OK) {
		st = live_node_send(v->node, buf_slice(&commands.bytes), commands.count, &reply,
				    &v->error);
	}
	if (st == ST_OK) {
		*result = reply->type == REDIS_REPLY_NIL ? CHANGED : APPLIED;
		for (size_t i = 0; i < reply->elements; i++) {
			if (reply->element[i]->type == REDIS_REPLY_ERROR) {
				buf_note(&v->error, "the node answered: %s",
					 reply->element[i]->str);
				st = ST_READ_ONLY;
			}
		}
		live_node_free(reply);
	}
	buf_deinit(&commands.bytes);
	return st;
}

static int replay_key(struct diverge *v, struct divergence *d, struct slice key)
{
	enum result result = LEFT_OUT;
	enum status st = v->dry_run ? ST_OK : ask_one(v, "WATCH", key);
	int code = EXIT_GO_ON;

	if (st == ST_OK) {
		code = judge(v, d, key, &result);
	}
	if (code != EXIT_GO_ON) {
		return code;
	}
	if (st == ST_OK && !v->dry_run) {
		st = result == APPLIED ? write_key(v, d, key, &result)
				       : ask_one(v, "UNWATCH", slice_of(NULL, 0));
	}
	if (st != ST_OK) {
		return tool_fail(v->t, tool_exit_of(st), "%s; %" PRIu64 " keys were written",
				 tool_text(&v->error, st), v->applied);
	}
	print_result(v, key, result);
	return EXIT_GO_ON;
}

int diverge_replay(struct diverge *v, struct divergence *d)
{
	/* What emptied the keyspace, belongs to a key that nobody can name, or to no key at all. */
	v->left_out += d->flushes + d->nameless + d->libraries;
	return diverge_each_key(v, d, replay_key);
}

int diverge_replay_end(struct diverge *v)
{
	struct out *o = &v->t->out;

	if (v->json) {
		json_begin(o);
		json_text(o, "what", "total");
		json_u64(o, "applied", v->applied);
		json_u64(o, "already", v->already);
		json_u64(o, "changed", v->changed);
		json_u64(o, "no_fork", v->no_fork);
		json_u64(o, "left_out", v->left_out);
		json_bool(o, "dry_run", v->dry_run);
		json_end(o);
	} else {
		out_printf(o,
			   "total applied=%" PRIu64 " already=%" PRIu64 " changed=%" PRIu64
			   " no_fork=%" PRIu64 " left_out=%" PRIu64 "%s\n",
			   v->applied, v->already, v->changed, v->no_fork, v->left_out,
			   v->dry_run ? " dry_run=yes" : "");
	}
	return v->changed + v->no_fork + v->left_out > 0 ? EXIT_FINDINGS : EXIT_CLEAN;
}
