/* A log made frame by frame, also such as no writer makes, to try what a reader says to it. Its
 * records are those of log_sample.h. */
#ifndef CAIRN_TESTS_SUPPORT_LOG_MAKER_H
#define CAIRN_TESTS_SUPPORT_LOG_MAKER_H

#include "engine/wal/wal_frame.h"
#include "tests/support/log_image.h"

struct log_maker {
	struct log_image image;
	struct wal_segment segment; /* the present one; its history holds for the next */
	uint64_t next_lsn, chain;
	struct wal_frame_encoder *encoder;
	struct wal_frame frame; /* the last one made */
	size_t frame_off;	/* and where it begins */
};

/* Starts at LSN 1; no segment yet. */
void log_maker_init(struct log_maker *m, int level, struct slice dictionary);
void log_maker_deinit(struct log_maker *m);

/* Begins a segment at the next LSN. */
void log_maker_segment(struct log_maker *m, bool recycled);

/* Appends a frame of that many records (0: a watermark, or with WAL_FRAME_CLEAN a clean mark). */
void log_maker_frame(struct log_maker *m, uint32_t records, uint64_t watermark, unsigned flags);

/* Appends len bytes of this value. */
void log_maker_bytes(struct log_maker *m, uint8_t value, size_t len);

/* Changes the last frame's header as it is in m->frame and seals it anew, payload as it is. */
void log_maker_reseal(struct log_maker *m);

/* The present segment's bytes. */
struct buf *log_maker_file(struct log_maker *m);

#endif
