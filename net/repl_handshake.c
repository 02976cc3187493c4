/* How a replica introduces itself: connecting, AUTH, WALSTREAM and its answer. */
#include "net/repl_copy_in.h"
#include "net/repl_receiver_impl.h"
#include "net/repl_socket.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_TIMEOUT_MS = 5000, LINE_MAX_LEN = 1024 };

/* The answer may end up in the log, in front of somebody's terminal. */
static void make_printable(char *line)
{
	for (; *line != 0; line++) {
		if (*line < ' ' || *line > '~') {
			*line = '?';
		}
	}
}

/* One line, without its end. */
static enum status read_line(struct repl_receiver *r, char line[LINE_MAX_LEN])
{
	for (;;) {
		struct slice have = slice_skip(buf_slice(&r->in), r->in_at);
		const uint8_t *end = have.len == 0 ? NULL : memchr(have.data, '\n', have.len);
		enum status st;

		if (end != NULL) {
			size_t len = (size_t)(end - have.data);

			if (len >= LINE_MAX_LEN) {
				break;
			}
			memcpy(line, have.data, len);
			line[len > 0 && line[len - 1] == '\r' ? len - 1 : len] = 0;
			make_printable(line);
			repl_receiver_used(r, len + 1);
			return ST_OK;
		}
		if (have.len >= LINE_MAX_LEN) {
			break;
		}
		st = repl_receiver_read(r, 0);
		if (st != ST_OK) {
			return st;
		}
	}
	buf_note(&r->error, "the primary's answer is no line of text");
	return ST_CORRUPT;
}

static enum status put_word(struct buf *b, struct slice word)
{
	enum status st = buf_printf(b, "$%zu\r\n", word.len);

	if (st == ST_OK) {
		st = buf_append(b, word.data, word.len);
	}
	return st == ST_OK ? buf_append(b, "\r\n", 2) : st;
}

static enum status put_words(struct buf *b, const struct slice *words, size_t count)
{
	enum status st = buf_printf(b, "*%zu\r\n", count);

	for (size_t i = 0; st == ST_OK && i < count; i++) {
		st = put_word(b, words[i]);
	}
	return st;
}

static enum status authenticate(struct repl_receiver *r)
{
	struct slice words[3];
	size_t n = 0;
	char line[LINE_MAX_LEN];
	enum status st;

	if (r->password[0] == 0) {
		return ST_OK;
	}
	words[n++] = slice_str("AUTH");
	if (r->user[0] != 0) {
		words[n++] = slice_str(r->user);
	}
	words[n++] = slice_str(r->password);
	r->out.len = 0;
	st = put_words(&r->out, words, n);
	if (st == ST_OK) {
		st = repl_receiver_write(r, buf_slice(&r->out));
	}
	if (st == ST_OK) {
		st = read_line(r, line);
	}
	if (st == ST_OK && line[0] != '+') {
		buf_note(&r->error, "Unable to AUTH to MASTER: %s", line);
		st = ST_INVALID;
	}
	return st;
}

/* digests: with the word that a primary from before there were digests does not know. */
static enum status ask(struct repl_receiver *r, bool digests)
{
	const struct engine_position *at = &r->opts.at;
	struct buf history = {0}, resume = {0};
	struct slice words[16];
	char version[16], port[16], lsn[24], chain[24], fork[24];
	size_t n = 0;
	enum status st = wal_history_encode(&at->history, &history);

	(void)snprintf(version, sizeof version, "%d", REPL_VERSION);
	(void)snprintf(port, sizeof port, "%d", r->opts.my_port);
	(void)snprintf(lsn, sizeof lsn, "%" PRIu64, at->lsn);
	(void)snprintf(chain, sizeof chain, "%016" PRIx64, at->chain);
	words[n++] = slice_str("WALSTREAM");
	words[n++] = slice_str(version);
	words[n++] = slice_str(r->node_id);
	words[n++] = slice_str(port);
	words[n++] = slice_str(r->my_ip);
	words[n++] = slice_str(lsn);
	words[n++] = slice_str(chain);
	words[n++] = buf_slice(&history);
	if (r->opts.full) {
		words[n++] = slice_str("FULL");
	}
	if (repl_copy_in_unfinished(r->dir, &resume)) {
		words[n++] = slice_str("RESUME");
		words[n++] = buf_slice(&resume);
	}
	if (r->refetch.len > 0) {
		(void)snprintf(fork, sizeof fork, "%" PRIu64, r->opts.refetch_lsn);
		words[n++] = slice_str("REFETCH");
		words[n++] = slice_str(fork);
		words[n++] = buf_slice(&r->refetch);
	}
	if (r->opts.failover) {
		words[n++] = slice_str("FAILOVER");
	}
	if (digests) {
		words[n++] = slice_str("DIGESTS");
	}
	r->out.len = 0;
	if (st == ST_OK) {
		st = put_words(&r->out, words, n);
	}
	if (st == ST_OK) {
		st = repl_receiver_write(r, buf_slice(&r->out));
	}
	buf_deinit(&history);
	buf_deinit(&resume);
	return st;
}

/* What a primary answers that does not know one of the words. */
static const char unknown_word[] = "-ERR syntax error";

/* Sends WALSTREAM and reads its answer. ST_OK: messages follow. ST_END: r->end says what to do. */
static enum status ask_and_read(struct repl_receiver *r)
{
	char line[LINE_MAX_LEN];
	enum status st = ask(r, true);

	if (st == ST_OK) {
		st = read_line(r, line);
	}
	if (st == ST_OK && strcmp(line, unknown_word) == 0) {
		st = ask(r, false);
		if (st == ST_OK) {
			st = read_line(r, line);
		}
	}
	if (st != ST_OK) {
		return st;
	}
	if (strncmp(line, "+CONTINUE ", 10) == 0) {
		if (strtoull(line + 10, NULL, 10) != r->opts.at.lsn) {
			buf_note(&r->error, "the primary continues at another LSN: %s", line + 1);
			return ST_CORRUPT;
		}
		atomic_store(&r->state, (int)REPL_RECEIVER_ONLINE);
		return repl_receiver_note(r, REPL_ITEM_ONLINE);
	}
	if (strncmp(line, "+REFETCH ", 9) == 0 && r->refetch.len > 0) {
		atomic_store(&r->state, (int)REPL_RECEIVER_COPY);
		return repl_receiver_note(r, REPL_ITEM_REFETCHING);
	}
	if (strcmp(line, "+FULLCOPY") == 0) {
		atomic_store(&r->state, (int)REPL_RECEIVER_COPY);
		return repl_receiver_note(r, REPL_ITEM_COPYING);
	}
	if (strncmp(line, "+REWIND ", 8) == 0) {
		r->end = REPL_END_REWIND;
		r->end_lsn = strtoull(line + 8, NULL, 10);
		buf_note(&r->error,
			 "records after LSN %" PRIu64 " are not in the primary's history",
			 r->end_lsn);
		return ST_END;
	}
	if (strncmp(line, "-ERR unknown command", 20) == 0) {
		r->end = REPL_END_ALIEN;
		buf_note(&r->error,
			 "the primary at %s:%d is no Cairn node but, it seems, a redis-server, "
			 "which this node can't follow. Give it a Cairn node as its primary.",
			 r->host, r->opts.port);
		return ST_INVALID;
	}
	if (strncmp(line, "-NOTREPLICA", 11) == 0) {
		r->end = REPL_END_TAKEN;
	}
	buf_note(&r->error, "the primary refuses: %s", line[0] == '-' ? line + 1 : line);
	return ST_INVALID;
}

enum status repl_handshake(struct repl_receiver *r)
{
	struct repl_target to = {
	    .host = r->host,
	    .port = r->opts.port,
	    .source = r->source,
	    .timeout_ms = CONNECT_TIMEOUT_MS,
	    .nodelay = r->opts.nodelay,
	    .ssl = r->opts.ssl,
	};
	enum status st;

	r->opts.ssl = NULL;
	st = repl_connect(&to, r->wake_fd, &r->stream, &r->error);
	if (st != ST_OK) {
		return st;
	}
	atomic_store(&r->io_us, clock_system()->mono_us(NULL));
	atomic_store(&r->state, (int)REPL_RECEIVER_HANDSHAKE);
	st = authenticate(r);
	return st == ST_OK ? ask_and_read(r) : st;
}
