/* Frames and segments by hand. */
#include "tests/support/log_maker.h"

#include "tests/support/log_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void log_maker_init(struct log_maker *m, int level, struct slice dictionary)
{
	memset(m, 0, sizeof *m);
	m->next_lsn = 1;
	m->segment.dictionary = dictionary;
	m->segment.created_ms = 5;
	m->segment.history = (struct wal_history){
	    .shard_id = 99, .count = 1, .items = {{.id = 7, .epoch = 3, .first_lsn = 1}}};
	assert_int_equal(wal_frame_encoder_create(level, dictionary, &m->encoder), ST_OK);
}

void log_maker_deinit(struct log_maker *m)
{
	wal_frame_encoder_destroy(m->encoder);
	log_image_deinit(&m->image);
}

struct buf *log_maker_file(struct log_maker *m)
{
	return &m->image.files[m->image.count - 1].bytes;
}

void log_maker_segment(struct log_maker *m, bool recycled)
{
	struct log_file *f = log_image_add(&m->image, m->next_lsn);

	m->segment.first_lsn = m->next_lsn;
	m->segment.chain = m->chain;
	m->segment.watermark = m->next_lsn - 1;
	m->segment.recycled = recycled;
	assert_int_equal(wal_segment_encode(&m->segment, &f->bytes), ST_OK);
}

void log_maker_frame(struct log_maker *m, uint32_t records, uint64_t watermark, unsigned flags)
{
	const struct wal_timeline *t = &m->segment.history.items[m->segment.history.count - 1];
	struct buf raw = {0};

	for (uint32_t i = 0; i < records; i++) {
		log_sample_add(&raw, m->next_lsn + i);
	}
	m->frame = (struct wal_frame){
	    .flags = flags,
	    .records = records,
	    .first_lsn = m->next_lsn,
	    .epoch = t->epoch,
	    .timeline = t->id,
	    .time_ms = 1000 + m->next_lsn,
	    .chain = m->chain,
	    .watermark = watermark,
	};
	m->frame_off = log_maker_file(m)->len;
	assert_int_equal(wal_frame_encode(m->encoder, &m->frame, buf_slice(&raw), m->segment.salt,
					  log_maker_file(m)),
			 ST_OK);
	if (records > 0) {
		m->chain = m->frame.digest;
		m->next_lsn += records;
	}
	buf_deinit(&raw);
}

void log_maker_bytes(struct log_maker *m, uint8_t value, size_t len)
{
	struct buf *b = log_maker_file(m);

	assert_int_equal(buf_reserve(b, len), ST_OK);
	memset(b->data + b->len, value, len);
	b->len += len;
}

void log_maker_reseal(struct log_maker *m)
{
	wal_frame_encode_header(&m->frame, m->segment.salt, log_maker_file(m)->data + m->frame_off);
}
