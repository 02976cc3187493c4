/* Emits RDB values in their simplest encodings, which Redis 7.0 and later restore: strings one
 * after the other. Pure; without memory of its own, so that a large value can be written in pieces.
 *
 * A string is written as the number it is where Redis does so, never compressed. */
#ifndef CAIRN_NET_PROTO_RDB_WRITE_H
#define CAIRN_NET_PROTO_RDB_WRITE_H

#include "engine/base/slice.h"
#include "net/proto/rdb_format.h"

/* A length into dst of RDB_LEN_MAX bytes; returns how many it takes. */
size_t rdb_put_len(uint8_t *dst, uint64_t len);

/* What a string begins with, in dst of RDB_LEN_MAX bytes; returns how many bytes. *whole: these are
 * all of it; otherwise the text follows. */
size_t rdb_put_string(uint8_t *dst, struct slice text, bool *whole);

/* The version, to be added to the payload (and its checksum) behind the value. */
void rdb_put_version(uint8_t dst[2], uint16_t version);

/* The checksum that ends a payload. */
void rdb_put_checksum(uint8_t dst[8], uint64_t crc);

#endif
