/* The blobs in which Redis keeps small collections, as RDB values contain them: element by element,
 * every byte checked. Pure; integers LE unless said otherwise.
 *
 * listpack:  bytes u32, entries u16 (65535: not known), entries, 0xff. An entry: one encoding byte
 *   with what follows it, then its own length once more, so that it can be walked from the end:
 *   seven bits a byte, the high bit saying that the byte before belongs to it too.
 * ziplist:   bytes u32, offset of the last entry u32, entries u16 (65535: not known), entries,
 *   0xff. An entry: the length of the one before it (u8, or 0xfe and u32), an encoding byte with
 *   what follows it.
 * intset:    width of a number u32 (2, 4, 8), count u32, the numbers, ascending.
 * zipmap:    count u8 (254 and above: not known), fields and values by turns, 0xff. Each: length
 *   (u8, or 0xfe and u32), with a value the number of unused bytes behind it u8, the bytes. */
#ifndef CAIRN_NET_PROTO_RDB_PACKED_H
#define CAIRN_NET_PROTO_RDB_PACKED_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

enum packed_form { PACKED_LISTPACK, PACKED_ZIPLIST, PACKED_INTSET, PACKED_ZIPMAP };

enum { PACKED_DIGITS = 24 };

/* A place in a blob. Private. */
struct packed_cursor {
	enum packed_form form;
	const uint8_t *base, *at, *end; /* end: the end mark, or where the numbers stop */
	uint64_t expected;		/* entries that the header promises; UINT64_MAX: none */
	uint64_t seen;
	size_t previous;  /* ziplist: length of the entry before */
	size_t last;	  /* ziplist: offset of the last entry, as the header says */
	uint32_t width;	  /* intset */
	int64_t greatest; /* intset: the number before */
};

/* Begins in front of the first entry; borrows blob. ST_CORRUPT. */
MUST_CHECK enum status packed_open(struct packed_cursor *c, enum packed_form form,
				   struct slice blob);

/* The next entry: bytes of the blob, or a number's text in digits. ST_END: there are no more, and
 * the header told the truth. ST_CORRUPT. */
MUST_CHECK enum status packed_next(struct packed_cursor *c, uint8_t digits[PACKED_DIGITS],
				   struct slice *out);

/* The same for a number as such where the entry is one (stream blobs); *is_int says so. */
MUST_CHECK enum status packed_next_int(struct packed_cursor *c, bool *is_int, int64_t *out);

#endif
