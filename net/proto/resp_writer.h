/* RESP2 and RESP3 replies into a buffer. Running out of memory sets a sticky flag that the caller
 * checks once per command; a reply is never half of one. */
#ifndef CAIRN_NET_PROTO_RESP_WRITER_H
#define CAIRN_NET_PROTO_RESP_WRITER_H

#include "engine/base/buf.h"

#include <stdbool.h>

struct resp_writer {
	struct buf *out; /* borrowed: the client's output */
	int proto;	 /* 2 or 3 */
	bool failed;	 /* an append ran out of memory: the client must be closed */
};

void resp_ok(struct resp_writer *w);
void resp_simple(struct resp_writer *w, const char *text); /* +text */
/* -text; text starts with its code ("ERR ..."). Newlines become spaces. */
void resp_error(struct resp_writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void resp_int(struct resp_writer *w, int64_t v);
void resp_bulk(struct resp_writer *w, struct slice bytes);
void resp_bulk_str(struct resp_writer *w, const char *text);
void resp_bulk_int(struct resp_writer *w, int64_t v); /* the decimal text as a bulk */
/* A bulk in pieces: header for len bytes, any number of resp_bulk_part, then resp_bulk_end. */
void resp_bulk_begin(struct resp_writer *w, size_t len);
void resp_bulk_part(struct resp_writer *w, struct slice bytes);
void resp_bulk_end(struct resp_writer *w);
/* Makes a bulk of all that was written since w->out was mark bytes long, whose length was not known
 * before. */
void resp_bulk_deferred_end(struct resp_writer *w, size_t mark);
void resp_null(struct resp_writer *w);	     /* $-1 or _ */
void resp_null_array(struct resp_writer *w); /* *-1 or _ */
void resp_array(struct resp_writer *w, size_t count);
void resp_map(struct resp_writer *w, size_t pairs);	  /* RESP2: array of 2 * pairs */
void resp_set(struct resp_writer *w, size_t count);	  /* RESP2: array */
void resp_push(struct resp_writer *w, size_t count);	  /* RESP2: array */
void resp_attribute(struct resp_writer *w, size_t pairs); /* before a reply; RESP3 alone has it */
void resp_bool(struct resp_writer *w, bool v);		  /* RESP2: :1 or :0 */
void resp_double(struct resp_writer *w,
		 double v); /* RESP2: bulk; text as Redis prints doubles (%.17g, inf, -inf, nan) */
void resp_long_double(struct resp_writer *w,
		      long double v); /* bulk in both, as INCRBYFLOAT prints (no exponent) */
/* The same text, but in RESP3 as a number: coordinates. */
void resp_plain_double(struct resp_writer *w, double v);
void resp_verbatim(struct resp_writer *w, const char ext[3], struct slice text); /* RESP2: bulk */
void resp_big_number(struct resp_writer *w, struct slice digits);		 /* RESP2: bulk */

/* An array whose length is known only at its end: begin returns a mark, end inserts the header in
 * front of what was written since. kind: '*', '~' or '%' as for resp_array, resp_set, resp_map
 * (count in elements or pairs). */
size_t resp_deferred_begin(struct resp_writer *w);
void resp_deferred_end(struct resp_writer *w, size_t mark, char kind, size_t count);

#endif
