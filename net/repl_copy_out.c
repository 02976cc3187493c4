/* Sending the store. */
#include "net/repl_copy_out.h"

#include "engine/base/bytes.h"
#include "engine/base/waiting.h"
#include "net/repl_peer.h"

enum {
	BLOCK_RAW_BYTES = 1 << 20, /* while nobody waits */
	NAP_US = 2000, /* shorter rests are slept through, the socket is not looked at */
};

enum status repl_copy_out_begin(struct repl_copy_out *c, struct wal_pin *pin, uint64_t *lsn,
				struct buf *error)
{
	enum status st;

	/* Nothing of the log may go until it is known where the copy begins. */
	engine_pin(c->engine, pin, 1);
	st = snapshot_reader_open(c->engine, c->resume, &c->reader);
	if (st != ST_OK && c->resume.len > 0 && st != ST_NO_MEMORY && st != ST_IO) {
		st = snapshot_reader_open(c->engine, slice_of(NULL, 0), &c->reader);
	}
	if (st != ST_OK) {
		buf_note(error, "cannot read the store for a full copy: %s", status_text(st));
		return st;
	}
	*lsn = snapshot_reader_head(c->reader)->lsn;
	return ST_OK;
}

/* Head and history: what the copy is of, and how far the sender's records can be told from those of
 * others. */
static enum status send_begin(struct repl_copy_out *c)
{
	enum status st;

	c->block.len = 0;
	st = wal_history_encode(c->history, &c->block);
	if (st == ST_OK) {
		st = snapshot_head_encode(snapshot_reader_head(c->reader), &c->block);
	}
	return st == ST_OK ? c->message(c->arg, REPL_COPY_BEGIN, buf_slice(&c->block)) : st;
}

static enum status send_end(struct repl_copy_out *c)
{
	struct snapshot_tail tail;
	enum status st = snapshot_reader_tail(c->reader, &tail);

	c->block.len = 0;
	if (st == ST_OK) {
		st = snapshot_tail_encode(&tail, &c->block);
	}
	if (st == ST_OK) {
		uint8_t shown[sizeof(uint64_t)];

		bytes_put_u64le(shown, c->shown(c->arg));
		st = buf_append(&c->block, shown, sizeof shown);
	}
	return st == ST_OK ? c->message(c->arg, REPL_COPY_END, buf_slice(&c->block)) : st;
}

/* Waits until the bytes sent since began are no more than the limit allows. */
static enum status hold_back(struct repl_copy_out *c, uint64_t began_us, uint64_t sent)
{
	enum status st = ST_OK;
	uint64_t ms;

	while (st == ST_OK && (ms = repl_peer_ahead_ms(began_us, sent, c->bandwidth_max)) > 0) {
		st = c->wait(c->arg, ms);
	}
	return st;
}

/* Leaves the core to others for as long as they need it. */
static enum status give_way(struct repl_copy_out *c)
{
	uint64_t us = copy_pace_rest_us(&c->pace);

	if (us == 0) {
		return ST_OK;
	}
	if (us >= NAP_US) {
		return c->wait(c->arg, us / 1000);
	}
	waiting_pause_us(us);
	return c->wait(c->arg, 0);
}

static enum status send_blocks(struct repl_copy_out *c, struct buf *error)
{
	uint64_t began = clock_system()->mono_us(NULL), sent = 0;
	enum status st = send_begin(c);

	while (st == ST_OK) {
		c->block.len = 0;
		st = snapshot_reader_next(c->reader, copy_pace_piece(&c->pace, BLOCK_RAW_BYTES),
					  &c->block);
		if (st == ST_END) {
			return send_end(c);
		}
		if (st != ST_OK) {
			buf_note(error, "reading the store for a full copy failed: %s",
				 status_text(st));
			return st;
		}
		st = c->message(c->arg, REPL_COPY_BLOCK, buf_slice(&c->block));
		sent += c->block.len;
		if (st == ST_OK) {
			st = hold_back(c, began, sent);
		}
		if (st == ST_OK) {
			st = give_way(c);
		}
	}
	return st;
}

enum status repl_copy_out_run(struct repl_copy_out *c, struct buf *error)
{
	enum status st;

	copy_pace_begin(&c->pace, c->executor, c->cpu_percent);
	st = send_blocks(c, error);
	copy_pace_end(&c->pace);
	return st;
}

void repl_copy_out_end(struct repl_copy_out *c)
{
	snapshot_reader_close(c->reader);
	c->reader = NULL;
	buf_deinit(&c->block);
}
