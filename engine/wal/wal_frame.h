/* WAL frames: a group of records sealed together. Pure: bytes in memory on both sides.
 *
 * A frame is a header, the payload and zero bytes up to the next multiple of 8. Integers are
 * little-endian.
 *
 *   off  size  field
 *     0     4  magic f7 'C' 'W' 'F'
 *     4     2  format version, 1
 *     6     2  flags: 1 payload is one zstd frame, 2 it needs the segment's dictionary (with 1),
 *              4 clean close: the writer stopped in order after this frame; others must be 0
 *     8     4  stored length: bytes of payload after the header
 *    12     4  raw length: bytes of records (equal to the stored length without flag 1)
 *    16     8  first LSN: of the first record; in a frame without records of the next one to come
 *    24     4  number of records; their LSNs rise by one
 *    28     4  0
 *    32     8  config epoch of the primary that made the records
 *    40     8  timeline the records belong to
 *    48     8  wall clock when sealed, ms since the Unix epoch
 *    56     8  chain: digest of the last frame before that had records, 0 at the very beginning
 *    64     8  XXH3-64 of the stored payload
 *    72     8  watermark: newest LSN that this node knew to be durable when it wrote the header;
 *              always below the first LSN
 *    80     8  XXH3-64 of bytes 0..79, seeded with the segment's salt (wal_segment.h)
 *    88        payload: records (wal_record.h) back to back
 *
 * A frame's digest is XXH3-64 (seed 0) of bytes 0..71, which is all but what is local to a node:
 * where the frame lies (salt) and how far this node has synced (watermark). So every node of a
 * shard has the same chain, and a replica only reseals the last 16 bytes. Frames without records
 * (watermarks, close marks) are local too: they carry the chain and do not move it.
 *
 * Each frame decodes alone, given the segment's dictionary. Order of belief when reading: header
 * checksum, then lengths, payload checksum, chain and LSN. */
#ifndef CAIRN_ENGINE_WAL_WAL_FRAME_H
#define CAIRN_ENGINE_WAL_WAL_FRAME_H

#include "engine/base/buf.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

#include <stdbool.h>

enum {
	WAL_FRAME_VERSION = 1,
	WAL_FRAME_HEADER_LEN = 88,
	WAL_FRAME_ALIGN = 8,
	WAL_FRAME_RAW_TARGET =
	    64 * 1024,		       /* a writer seals at this size; one record may exceed it */
	WAL_FRAME_RAW_MAX = 1 << 30,   /* nothing longer is believed */
	WAL_FRAME_ZSTD_MIN = 512,      /* shorter payloads stay raw: they hardly gain */
	WAL_FRAME_ZSTD_MAX = 16 << 20, /* longer ones too: they would hold up the log */
};

enum wal_frame_flags {
	WAL_FRAME_ZSTD = 1,
	WAL_FRAME_DICTIONARY = 2,
	WAL_FRAME_CLEAN = 4,
};

struct wal_frame {
	unsigned flags; /* WAL_FRAME_* */
	uint32_t stored_len;
	uint32_t raw_len;
	uint32_t records;
	uint64_t first_lsn;
	uint64_t epoch;
	uint64_t timeline;
	uint64_t time_ms;
	uint64_t chain;
	uint64_t payload_sum;
	uint64_t watermark;
	uint64_t digest; /* not stored: computed */
};

/* Bytes of a frame in the file, padding included. */
static inline uint64_t wal_frame_span(const struct wal_frame *f)
{
	return (WAL_FRAME_HEADER_LEN + (uint64_t)f->stored_len + WAL_FRAME_ALIGN - 1) &
	       ~(uint64_t)(WAL_FRAME_ALIGN - 1);
}

/* LSN after the frame's last record. */
static inline uint64_t wal_frame_next_lsn(const struct wal_frame *f)
{
	return f->first_lsn + f->records;
}

/* True when the bytes begin like a frame; says nothing about their truth. */
static inline bool wal_frame_magic(const uint8_t *at)
{
	return at[0] == 0xf7 && at[1] == 'C' && at[2] == 'W' && at[3] == 'F';
}

/* Reads a header from the front of in. ST_NEED_MORE: fewer bytes than a header. ST_NOT_FOUND: no
 * header sealed for this salt (no magic, or the checksum differs). ST_VERSION: sealed, but of an
 * unknown version or with unknown flags. ST_CORRUPT: sealed, with impossible values. */
MUST_CHECK enum status wal_frame_decode_header(struct slice in, uint64_t salt,
					       struct wal_frame *out);

/* Compares the stored payload with its checksum: ST_OK or ST_CORRUPT. */
MUST_CHECK enum status wal_frame_check_payload(const struct wal_frame *f, struct slice stored);

/* Writes f as a header of WAL_FRAME_HEADER_LEN bytes, sealed for salt; sets f->digest. */
void wal_frame_encode_header(struct wal_frame *f, uint64_t salt, uint8_t *at);

/* --- compression; one encoder or decoder serves one thread --- */

struct wal_frame_encoder;

/* level 0: raw frames. dictionary may be empty; it is copied. ST_NO_MEMORY; ST_INVALID: zstd does
 * not take the dictionary. */
MUST_CHECK enum status wal_frame_encoder_create(int level, struct slice dictionary,
						struct wal_frame_encoder **out);
void wal_frame_encoder_destroy(struct wal_frame_encoder *e);

/* Changes the level from the next frame on. ST_NO_MEMORY: the old one stays. */
MUST_CHECK enum status wal_frame_encoder_set_level(struct wal_frame_encoder *e, int level);

/* Appends a whole frame to out: header, payload, padding. The caller sets first_lsn, records,
 * epoch, timeline, time_ms, chain, watermark and WAL_FRAME_CLEAN; the rest of *f is filled in. Long
 * raw payloads (above WAL_FRAME_ZSTD_MAX) are copied too; see wal_frame_seal_raw. ST_NO_MEMORY: out
 * unchanged. */
MUST_CHECK enum status wal_frame_encode(struct wal_frame_encoder *e, struct wal_frame *f,
					struct slice raw, uint64_t salt, struct buf *out);

/* Fills in *f and the header bytes for a payload that the caller writes itself, uncompressed. */
void wal_frame_seal_raw(struct wal_frame *f, struct slice raw, uint64_t salt, uint8_t *header);

struct wal_frame_decoder;

/* Both as above. The dictionary is that of the segment. */
MUST_CHECK enum status wal_frame_decoder_create(struct wal_frame_decoder **out);
MUST_CHECK enum status wal_frame_decoder_set_dictionary(struct wal_frame_decoder *d,
							struct slice dictionary);
void wal_frame_decoder_destroy(struct wal_frame_decoder *d);

/* Gives the records of a frame whose payload was checked. *out borrows stored or the decoder and is
 * valid until the next call. ST_CORRUPT: does not decompress to the raw length; ST_NO_MEMORY. */
MUST_CHECK enum status wal_frame_decode(struct wal_frame_decoder *d, const struct wal_frame *f,
					struct slice stored, struct slice *out);

#endif
