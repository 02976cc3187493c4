/* LZF, the compression of strings in Redis's serialized values: unpacking alone, since Cairn emits
 * none. Pure.
 *
 * A stream of runs. A byte c below 32: the next c + 1 bytes as they are. Otherwise a copy of what
 * was unpacked before: its length is (c >> 5) + 2, and 7 in these three bits means that the next
 * byte is added to it; its distance less one is the low 5 bits of c and one more byte. */
#ifndef CAIRN_NET_PROTO_LZF_H
#define CAIRN_NET_PROTO_LZF_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

/* False: packed bytes can't give so many, so none need be allocated for them. */
bool lzf_plausible(size_t packed_len, uint64_t len);

/* Unpacks to exactly len bytes at dst. ST_CORRUPT: the bytes are no such stream, or of another
 * length; dst may have been written. */
MUST_CHECK enum status lzf_unpack(struct slice packed, uint8_t *dst, size_t len);

#endif
