/* The inside of a receiver, shared by repl_receiver.c (the thread) and repl_handshake.c (its
 * beginning). The receiver's thread, but for what is atomic. */
#ifndef CAIRN_NET_REPL_RECEIVER_IMPL_H
#define CAIRN_NET_REPL_RECEIVER_IMPL_H

#include "net/repl_receiver.h"

#include <stdatomic.h>

struct repl_copy_in;
struct repl_patch_in;

struct repl_receiver {
	struct repl_receiver_options opts;
	char *host, *source, *user, *password, *node_id, *my_ip, *dir;
	pthread_t thread;
	int wake_fd;

	struct repl_queue queue;

	_Atomic bool stop, sleeping;
	_Atomic int state;
	_Atomic uint64_t applied_lsn, durable_lsn, io_us, bytes, copy_total, copy_bytes, copy_us;

	/* The thread's own. */
	struct stream stream;
	struct buf in;
	size_t in_at;
	struct buf out, error;
	uint64_t acked_applied, acked_durable, ack_us;
	struct wal_segment segment; /* that frames are sealed for */
	struct buf header;	    /* backs it */
	bool has_segment;
	struct wal_frame_decoder *decoder;
	uint64_t next_lsn, chain;
	struct buf refetch;
	struct repl_patch_in *patch; /* NULL: nothing is being fetched anew */
	struct repl_copy_in *copy;   /* NULL: no full copy is under way */
	enum repl_end end;
	uint64_t end_lsn;
};

/* Sends all of it. ST_IO: the connection broke or stands still; ST_END: to be stopped. */
MUST_CHECK enum status repl_receiver_write(struct repl_receiver *r, struct slice bytes);
/* Waits for more bytes in r->in; want: how many the next message has in all, as far as known.
 * Errors as above. */
MUST_CHECK enum status repl_receiver_read(struct repl_receiver *r, size_t want);
/* n bytes of r->in have been dealt with. */
void repl_receiver_used(struct repl_receiver *r, size_t n);
/* Queues an item without content. ST_NO_MEMORY. */
MUST_CHECK enum status repl_receiver_note(struct repl_receiver *r, enum repl_item_kind kind);

/* --- repl_handshake.c --- */

/* Connects, authenticates and asks for the log. ST_OK: messages follow. ST_END: r->end says what to
 * do. Anything else: the connection is of no use; r->error says why. */
MUST_CHECK enum status repl_handshake(struct repl_receiver *r);

#endif
