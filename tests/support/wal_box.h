/* A log's writer on a disk in memory with a clock that the test moves. Its records are those of
 * log_sample.h. */
#ifndef CAIRN_TESTS_SUPPORT_WAL_BOX_H
#define CAIRN_TESTS_SUPPORT_WAL_BOX_H

#include "engine/wal/wal_writer.h"
#include "tests/support/log_image.h"
#include "tests/support/memory_disk.h"

#include <stdatomic.h>

struct wal_box {
	struct memory_disk *disk;
	struct clock clock;
	_Atomic uint64_t now_us;
	struct wal_writer_options opts; /* for the next open; folder "wal" */
	struct wal_writer *w;
	uint64_t next_lsn; /* of the next record to be appended */
	struct buf records;
	_Atomic uint64_t notices; /* calls of notify */
};

/* A disk with empty folders "wal" and "archive"; nothing is opened. Segments of 16 KiB, raw frames,
 * fsync always. */
void wal_box_init(struct wal_box *b);
/* Closes the writer when there is one, and frees all. */
void wal_box_deinit(struct wal_box *b);

/* The same as cmocka's fixtures; *state is a struct wal_box. */
int wal_box_setup(void **state);
int wal_box_teardown(void **state);

/* Opens where the log ends (read from the folder); asserts success. clean: keeps the timeline, else
 * a new one begins. */
void wal_box_open(struct wal_box *b, bool clean);
/* Sets opts.at, opts.history and next_lsn as wal_box_open does, without opening. */
void wal_box_prepare(struct wal_box *b, bool clean);
enum status wal_box_close(struct wal_box *b);

/* Appends the next count records in one call. */
enum status wal_box_append(struct wal_box *b, uint32_t count);

/* Each waits for it, for some seconds at most, and asserts that it came. */
void wal_box_await_written(struct wal_box *b, uint64_t lsn);
void wal_box_await_durable(struct wal_box *b, uint64_t lsn);
void wal_box_await_state(struct wal_box *b, enum wal_state state);

/* Time passes; the writer's thread is woken, so that it sees it. */
void wal_box_advance_ms(struct wal_box *b, uint64_t ms);

/* Reads the log in the folder from its beginning. */
void wal_box_read(struct wal_box *b, struct log_verdict *out);

#endif
