/* The file that a Redis replica begins with: announced by its length, for which it is made twice
 * from the same snapshot, or by a mark at its end. On the way the translator learns of the
 * collections that there are. */
#include "net/rdb_file.h"
#include "net/redis_feed_impl.h"

#include "engine/base/logger.h"

#include <inttypes.h>
#include <string.h>

enum {
	SETTLE_MS = 20,
	ALIVE_US = 1000 * 1000, /* an empty line this often while the replica waits */
	LOOK_KEYS = 256,	/* keys between two looks at the clock */
};

struct copy {
	struct redis_feed *feed;
	struct settled_store store;
	struct rdb_file file;
	bool count_only;
	uint64_t now_ms; /* what the file says, in both passes */
	uint64_t began_us, alive_us;
};

static uint64_t now_us(void)
{
	return clock_system()->mono_us(NULL);
}

/* While there is nothing to send yet: an empty line now and then, and a look at the socket. */
static enum status stay_alive(struct copy *c, uint64_t wait_ms)
{
	struct repl_peer *peer = &c->feed->peer;
	enum status st = ST_OK;

	if (now_us() - c->alive_us >= ALIVE_US) {
		c->alive_us = now_us();
		st = repl_peer_send(peer, slice_str("\n"));
	}
	return st == ST_OK ? repl_peer_wait(peer, false, wait_ms) : st;
}

static enum status take(void *arg, struct slice bytes)
{
	struct copy *c = arg;
	struct redis_feed *f = c->feed;
	enum status st = repl_peer_send(&f->peer, bytes);
	uint64_t sent = atomic_fetch_add(&f->copy_bytes, bytes.len) + bytes.len, ms;

	while (st == ST_OK &&
	       (ms = repl_peer_ahead_ms(c->began_us, sent, f->opts.bandwidth_max)) > 0) {
		st = repl_peer_wait(&f->peer, false, ms);
	}
	return st;
}

static enum status put_libraries(struct copy *c)
{
	struct library_set set = {0};
	enum status st = settled_store_libraries(&c->store, &set);

	for (size_t i = 0; st == ST_OK && i < set.count && !c->feed->opts.wish.no_libraries; i++) {
		st = rdb_file_library(&c->file, library_code(set.items[i]));
	}
	if (st == ST_OK && !c->count_only) {
		st = translate_know_libraries(&c->feed->translator, &set);
	}
	library_set_deinit(&set);
	return st;
}

static enum status put_keys(struct copy *c)
{
	bool learns = !c->count_only && !c->feed->opts.wish.rdb_only;
	struct key_record record;
	struct key_walk w;
	enum status st;

	if (c->feed->opts.wish.no_keys) {
		return ST_OK;
	}
	st = rdb_file_sizes(&c->file, c->store.keys, c->store.expires);
	if (st == ST_OK) {
		st = key_walk_open(&c->store.view, 0, SLOTS - 1, &w);
	}
	if (st != ST_OK) {
		return st;
	}
	for (uint64_t n = 1; st == ST_OK; n++) {
		st = key_walk_next(&w, &record);
		if (st == ST_END) {
			st = ST_OK; /* of the walk; below it is the replica's */
			break;
		}
		if (st == ST_OK) {
			st = rdb_file_key(&c->file, &c->store.view, &record);
		}
		if (st == ST_OK && learns) {
			st = translate_know_key(&c->feed->translator, &c->store.view, &record);
		}
		if (st == ST_OK && c->count_only && n % LOOK_KEYS == 0) {
			st = stay_alive(c, 0);
		}
	}
	key_walk_close(&w);
	return st;
}

static enum status put_file(struct copy *c)
{
	struct redis_feed *f = c->feed;
	struct rdb_about about = {
	    .now_ms = c->now_ms,
	    .repl_id = f->opts.wish.rdb_only ? NULL : f->replid,
	    .repl_offset = c->store.lsn,
	};
	enum status st;

	c->file = (struct rdb_file){.take = c->count_only ? NULL : take, .arg = c};
	st = rdb_file_begin(&c->file, &about);
	if (st == ST_OK) {
		st = put_libraries(c);
	}
	if (st == ST_OK) {
		st = put_keys(c);
	}
	if (st == ST_OK) {
		st = rdb_file_end(&c->file);
	}
	rdb_file_deinit(&c->file);
	return st;
}

static enum status open_store(struct copy *c)
{
	enum status st = settled_store_open(c->feed->opts.engine, &c->store);

	if (st == ST_OK && c->store.lsn < c->feed->opts.file_lsn) {
		settled_store_close(&c->store);
		return ST_AGAIN;
	}
	return st;
}

/* The store as a checkpoint leaves it, with the log behind it. */
static enum status settle(struct copy *c)
{
	struct redis_feed *f = c->feed;
	enum status st;

	/* Nothing of the log may go until it is known where the stream begins. */
	engine_pin(f->opts.engine, &f->pin, 1);
	while ((st = open_store(c)) == ST_AGAIN) {
		st = stay_alive(c, SETTLE_MS);
		if (st != ST_OK) {
			return st;
		}
	}
	if (st != ST_OK) {
		buf_note(&f->error, "cannot read the store for a copy: %s", status_text(st));
		return st;
	}
	return redis_feed_open_log(f, c->store.lsn + 1);
}

static enum status begin_stream(struct redis_feed *f, uint64_t lsn)
{
	const struct key_choice all = {0};
	enum status st;

	memcpy(f->replid, f->opts.replid, sizeof f->replid);
	translate_deinit(&f->translator);
	redis_backlog_deinit(&f->backlog);
	redis_acks_deinit(&f->acks);
	/* Redis takes offsets for how much of the data a replica has: they begin at the LSN. */
	redis_acks_init(&f->acks, lsn, lsn);
	st = redis_backlog_init(&f->backlog, f->opts.backlog_size, lsn);
	if (st == ST_OK) {
		st = translate_init(&f->translator, all, true, 0);
	}
	/* Redis 7.0 would drop a whole transaction for one command that it does not know. */
	f->translator.inner.plain_fields = true;
	return st;
}

/* What announces the file; with its length, once that is known. */
static enum status announce(struct copy *c)
{
	struct redis_feed *f = c->feed;
	struct buf line = {0};
	enum status st = ST_OK;

	if (f->opts.wish.eof) {
		st = buf_printf(&line, "$EOF:%s\r\n", f->opts.mark);
	} else {
		c->count_only = true;
		st = put_file(c);
		c->count_only = false;
		if (st == ST_OK) {
			st = buf_printf(&line, "$%" PRIu64 "\r\n", c->file.bytes);
		}
	}
	if (st == ST_OK) {
		st = repl_peer_send(&f->peer, buf_slice(&line));
	}
	buf_deinit(&line);
	return st;
}

static enum status answer_psync(struct copy *c)
{
	struct buf line = {0};
	enum status st =
	    buf_printf(&line, "+FULLRESYNC %s %" PRIu64 "\r\n", c->feed->opts.replid, c->store.lsn);

	if (st == ST_OK) {
		st = repl_peer_send(&c->feed->peer, buf_slice(&line));
	}
	buf_deinit(&line);
	return st;
}

enum status redis_feed_copy(struct redis_feed *f)
{
	struct copy c = {.feed = f, .now_ms = clock_system()->wall_ms(NULL), .alive_us = now_us()};
	enum status st = settle(&c);

	if (st == ST_OK) {
		redis_feed_set_state(f, REPL_SENDER_COPY);
		st = begin_stream(f, c.store.lsn);
	}
	if (st == ST_OK && f->opts.wish.psync) {
		st = answer_psync(&c);
	}
	if (st == ST_OK) {
		st = announce(&c);
	}
	if (st == ST_OK) {
		c.began_us = now_us();
		st = put_file(&c);
	}
	if (st == ST_OK && f->opts.wish.eof) {
		st = repl_peer_send(&f->peer, slice_str(f->opts.mark));
	}
	if (st == ST_CORRUPT) {
		buf_note(&f->error, "a damaged value in the store: `cairn-slot check` tells where");
	}
	settled_store_close(&c.store);
	return st;
}
