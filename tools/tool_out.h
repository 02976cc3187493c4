/* Output of the tools: buffered text, and JSON objects one per line. */
#ifndef CAIRN_TOOLS_TOOL_OUT_H
#define CAIRN_TOOLS_TOOL_OUT_H

#include "engine/base/buf.h"
#include "engine/base/slice.h"

#include <stdbool.h>
#include <stdio.h>

/* A stream with a buffer of its own. Errors stick: they are told once, by out_deinit. */
struct out {
	FILE *file;
	struct buf pending;
	bool failed;
	bool comma; /* the open JSON object or array has a member already */
};

void out_init(struct out *o, FILE *file);
/* Flushes and frees; the file stays open. False when any byte was lost. */
bool out_deinit(struct out *o);
/* Writes out what is pending. */
void out_flush(struct out *o);

/* Append bytes, a text, formatted text. */
void out_bytes(struct out *o, struct slice bytes);
/* A C string. */
void out_text(struct out *o, const char *text);
/* Formatted text. */
void out_printf(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Bytes as a double-quoted word: printable ASCII as it is, the rest as \n, \r, \t, \\, \" or \xHH.
 * Only the first max bytes are shown, then "..."; max 0 shows all. */
void out_quoted(struct out *o, struct slice bytes, size_t max);

/* A name: letters, digits, - and _ as they are, anything else as a quoted word. */
void out_word(struct out *o, struct slice bytes);

/* 2026-09-21T10:04:11.512Z */
void out_time(struct out *o, uint64_t unix_ms);

/* --- JSON. Objects and arrays may nest; a top-level object ends with a newline. --- */

void json_begin(struct out *o);			   /* { of a line */
void json_end(struct out *o);			   /* } and newline */
void json_object(struct out *o, const char *name); /* "name":{ */
void json_array(struct out *o, const char *name);  /* "name":[ */
void json_element(struct out *o);		   /* { inside an array */
void json_close(struct out *o, char bracket);	   /* } or ] */
void json_u64(struct out *o, const char *name, uint64_t v);
void json_i64(struct out *o, const char *name, int64_t v);
void json_bool(struct out *o, const char *name, bool v);
void json_ratio(struct out *o, const char *name, double v); /* two decimals */
void json_null(struct out *o, const char *name);
void json_text(struct out *o, const char *name, const char *text);
/* A string when the bytes are UTF-8, else {"b64":"..."}. name NULL: an array's element. */
void json_bytes(struct out *o, const char *name, struct slice bytes);
/* As json_bytes of the first max bytes (max 0: all), cut so that UTF-8 stays whole. */
void json_bytes_max(struct out *o, const char *name, struct slice bytes, size_t max);
/* RFC 3339 text. */
void json_time(struct out *o, const char *name, uint64_t unix_ms);
void json_hex(struct out *o, const char *name, uint64_t v); /* 16 digits: ids above 2^53 */

/* Well-formed UTF-8 (no surrogates, no overlong forms). */
bool utf8_valid(struct slice bytes);

/* Calendar date and time of Unix milliseconds in UTC, and back; proleptic Gregorian. */
struct utc {
	int year, month, day, hour, minute, second, ms;
};
struct utc utc_of_ms(uint64_t unix_ms);
int64_t utc_days(int year, int month, int day); /* since 1970-01-01 */

#endif
