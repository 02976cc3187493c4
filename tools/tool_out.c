/* Buffered output, quoting, JSON lines, and dates without the C library's time zone state. */
#include "tools/tool_out.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { FLUSH_AT = 64 * 1024 };

void out_init(struct out *o, FILE *file)
{
	*o = (struct out){.file = file};
}

void out_flush(struct out *o)
{
	if (o->pending.len > 0) {
		if (fwrite(o->pending.data, 1, o->pending.len, o->file) != o->pending.len) {
			o->failed = true;
		}
		o->pending.len = 0;
	}
	if (fflush(o->file) != 0) {
		o->failed = true;
	}
}

bool out_deinit(struct out *o)
{
	out_flush(o);
	buf_deinit(&o->pending);
	return !o->failed;
}

void out_bytes(struct out *o, struct slice bytes)
{
	if (o->pending.len + bytes.len > FLUSH_AT) {
		out_flush(o);
	}
	if (bytes.len > FLUSH_AT) {
		if (fwrite(bytes.data, 1, bytes.len, o->file) != bytes.len) {
			o->failed = true;
		}
		return;
	}
	if (buf_append(&o->pending, bytes.data, bytes.len) != ST_OK) {
		o->failed = true;
	}
}

void out_text(struct out *o, const char *text)
{
	out_bytes(o, slice_str(text));
}

void out_printf(struct out *o, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof text) {
		/* Long arguments (paths) only: a second pass of the exact size. */
		va_start(ap, fmt);
		if (buf_reserve(&o->pending, (size_t)n + 1) == ST_OK) {
			vsnprintf((char *)o->pending.data + o->pending.len, (size_t)n + 1, fmt, ap);
			o->pending.len += (size_t)n;
		} else {
			o->failed = true;
		}
		va_end(ap);
	} else if (n >= 0) {
		out_bytes(o, slice_of(text, (size_t)n));
	}
}

void out_quoted(struct out *o, struct slice bytes, size_t max)
{
	size_t shown = max != 0 && bytes.len > max ? max : bytes.len;

	out_text(o, "\"");
	for (size_t i = 0; i < shown; i++) {
		uint8_t c = bytes.data[i];

		if (c == '"' || c == '\\') {
			out_printf(o, "\\%c", c);
		} else if (c == '\n') {
			out_text(o, "\\n");
		} else if (c == '\r') {
			out_text(o, "\\r");
		} else if (c == '\t') {
			out_text(o, "\\t");
		} else if (c < 0x20 || c >= 0x7f) {
			out_printf(o, "\\x%02x", c);
		} else {
			out_bytes(o, slice_of(&bytes.data[i], 1));
		}
	}
	out_text(o, shown < bytes.len ? "\"..." : "\"");
}

void out_word(struct out *o, struct slice bytes)
{
	bool plain = bytes.len > 0;

	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t c = bytes.data[i];
		uint8_t lower = c | 0x20;

		plain = plain && ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
				  c == '-' || c == '_');
	}
	if (plain) {
		out_bytes(o, bytes);
	} else {
		out_quoted(o, bytes, 0);
	}
}

int64_t utc_days(int year, int month, int day)
{
	/* Years that begin in March put the leap day at their end; 400 of them have 146097 days. */
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

struct utc utc_of_ms(uint64_t unix_ms)
{
	struct utc u;
	uint64_t seconds = unix_ms / 1000, of_day = seconds % 86400;
	uint64_t z = seconds / 86400 + 719468;
	uint64_t era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint64_t mp = (5 * doy + 2) / 153;

	u.day = (int)(doy - (153 * mp + 2) / 5 + 1);
	u.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	u.year = (int)(yoe + era * 400 + (u.month <= 2));
	u.hour = (int)(of_day / 3600);
	u.minute = (int)(of_day / 60 % 60);
	u.second = (int)(of_day % 60);
	u.ms = (int)(unix_ms % 1000);
	return u;
}

void out_time(struct out *o, uint64_t unix_ms)
{
	struct utc u = utc_of_ms(unix_ms);

	out_printf(o, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", u.year, u.month, u.day, u.hour,
		   u.minute, u.second, u.ms);
}

/* --- JSON --- */

static void member(struct out *o, const char *name)
{
	if (o->comma) {
		out_text(o, ",");
	}
	o->comma = true;
	if (name != NULL) {
		out_printf(o, "\"%s\":", name);
	}
}

void json_begin(struct out *o)
{
	out_text(o, "{");
	o->comma = false;
}

void json_end(struct out *o)
{
	out_text(o, "}\n");
	o->comma = false;
}

void json_object(struct out *o, const char *name)
{
	member(o, name);
	out_text(o, "{");
	o->comma = false;
}

void json_array(struct out *o, const char *name)
{
	member(o, name);
	out_text(o, "[");
	o->comma = false;
}

void json_element(struct out *o)
{
	member(o, NULL);
	out_text(o, "{");
	o->comma = false;
}

void json_close(struct out *o, char bracket)
{
	out_printf(o, "%c", bracket);
	o->comma = true;
}

void json_u64(struct out *o, const char *name, uint64_t v)
{
	member(o, name);
	out_printf(o, "%" PRIu64, v);
}

void json_i64(struct out *o, const char *name, int64_t v)
{
	member(o, name);
	out_printf(o, "%" PRId64, v);
}

void json_bool(struct out *o, const char *name, bool v)
{
	member(o, name);
	out_text(o, v ? "true" : "false");
}

void json_ratio(struct out *o, const char *name, double v)
{
	member(o, name);
	out_printf(o, "%.2f", v);
}

void json_null(struct out *o, const char *name)
{
	member(o, name);
	out_text(o, "null");
}

void json_time(struct out *o, const char *name, uint64_t unix_ms)
{
	member(o, name);
	out_text(o, "\"");
	out_time(o, unix_ms);
	out_text(o, "\"");
}

void json_hex(struct out *o, const char *name, uint64_t v)
{
	member(o, name);
	out_printf(o, "\"%016" PRIx64 "\"", v);
}

static void json_string(struct out *o, struct slice s)
{
	size_t from = 0;

	out_text(o, "\"");
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.data[i];

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
			continue;
		}
		out_bytes(o, slice_of(s.data + from, i - from));
		from = i + 1;
		if (c == '"' || c == '\\') {
			out_printf(o, "\\%c", c);
		} else if (c == '\n') {
			out_text(o, "\\n");
		} else if (c == '\t') {
			out_text(o, "\\t");
		} else if (c == '\r') {
			out_text(o, "\\r");
		} else {
			out_printf(o, "\\u%04x", c);
		}
	}
	if (from < s.len) {
		out_bytes(o, slice_of(s.data + from, s.len - from));
	}
	out_text(o, "\"");
}

static void json_base64(struct out *o, struct slice s)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	out_text(o, "{\"b64\":\"");
	for (size_t i = 0; i < s.len; i += 3) {
		size_t n = s.len - i < 3 ? s.len - i : 3;
		uint32_t v = (uint32_t)s.data[i] << 16;
		char four[4];

		v |= n > 1 ? (uint32_t)s.data[i + 1] << 8 : 0;
		v |= n > 2 ? (uint32_t)s.data[i + 2] : 0;
		four[0] = digits[v >> 18];
		four[1] = digits[v >> 12 & 63];
		four[2] = n > 1 ? digits[v >> 6 & 63] : '=';
		four[3] = n > 2 ? digits[v & 63] : '=';
		out_bytes(o, slice_of(four, 4));
	}
	out_text(o, "\"}");
}

void json_text(struct out *o, const char *name, const char *text)
{
	json_bytes(o, name, slice_str(text));
}

void json_bytes(struct out *o, const char *name, struct slice bytes)
{
	member(o, name);
	if (utf8_valid(bytes)) {
		json_string(o, bytes);
	} else {
		json_base64(o, bytes);
	}
}

void json_bytes_max(struct out *o, const char *name, struct slice bytes, size_t max)
{
	if (max != 0 && bytes.len > max) {
		size_t cut = max;

		/* Step back over a sequence that the cut would tear, if it is one. */
		while (cut > 0 && max - cut < 3 && (bytes.data[cut] & 0xc0) == 0x80) {
			cut--;
		}
		bytes.len =
		    bytes.data[cut] >= 0xc0 && utf8_valid(slice_of(bytes.data, cut)) ? cut : max;
	}
	json_bytes(o, name, bytes);
}

bool utf8_valid(struct slice s)
{
	size_t i = 0;

	while (i < s.len) {
		uint8_t c = s.data[i];
		size_t more = c < 0x80 ? 0 : c < 0xc2 ? 4 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;

		if (more == 4 || c > 0xf4 || more >= s.len - i) {
			return false;
		}
		for (size_t k = 1; k <= more; k++) {
			if ((s.data[i + k] & 0xc0) != 0x80) {
				return false;
			}
		}
		if ((c == 0xe0 && s.data[i + 1] < 0xa0) || (c == 0xed && s.data[i + 1] > 0x9f) ||
		    (c == 0xf0 && s.data[i + 1] < 0x90) || (c == 0xf4 && s.data[i + 1] > 0x8f)) {
			return false;
		}
		i += more + 1;
	}
	return true;
}
