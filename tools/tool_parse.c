/* Parsing of command line values. */
#include "tools/tool_parse.h"

#include "tools/tool_out.h"

#include <string.h>

int position_cmp(uint64_t epoch, uint64_t lsn, const struct position *at)
{
	if (at->has_epoch && epoch != at->epoch) {
		return epoch < at->epoch ? -1 : 1;
	}
	return lsn < at->lsn ? -1 : lsn > at->lsn;
}

void slot_set_add(struct slot_set *s, uint16_t slot)
{
	if (!slot_set_has(s, slot)) {
		s->bits[slot / 8] |= (uint8_t)(1u << (slot % 8));
		s->count++;
	}
}

/* Reads digits at *at; false when there are none or they overflow. */
static bool take_digits(const char **at, uint64_t *out, size_t *digits)
{
	const char *p = *at;
	uint64_t v = 0;

	while (*p >= '0' && *p <= '9') {
		uint64_t d = (uint64_t)(*p - '0');

		if (v > (UINT64_MAX - d) / 10) {
			return false;
		}
		v = v * 10 + d;
		p++;
	}
	if (p == *at) {
		return false;
	}
	*digits = (size_t)(p - *at);
	*at = p;
	*out = v;
	return true;
}

bool parse_u64(const char *text, uint64_t *out)
{
	size_t digits;
	uint64_t v;

	if (!take_digits(&text, &v, &digits) || *text != '\0') {
		return false;
	}
	*out = v;
	return true;
}

bool parse_hex(const char *text, uint64_t *out)
{
	uint64_t v = 0;
	size_t n = 0;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		text += 2;
	}
	for (; text[n] != '\0'; n++) {
		char c = text[n];
		unsigned d;

		if (c >= '0' && c <= '9') {
			d = (unsigned)(c - '0');
		} else if (c >= 'a' && c <= 'f') {
			d = (unsigned)(c - 'a' + 10);
		} else if (c >= 'A' && c <= 'F') {
			d = (unsigned)(c - 'A' + 10);
		} else {
			return false;
		}
		if (n == 16) {
			return false;
		}
		v = v << 4 | d;
	}
	if (n == 0) {
		return false;
	}
	*out = v;
	return true;
}

bool parse_size(const char *text, uint64_t *out)
{
	static const char units[] = "kmgt";
	unsigned shift = 0;
	size_t digits;
	uint64_t v;

	if (!take_digits(&text, &v, &digits)) {
		return false;
	}
	if (*text != '\0') {
		char lower = (char)(*text | 0x20);
		const char *unit = strchr(units, lower);

		if (unit != NULL) {
			shift = 10 * ((unsigned)(unit - units) + 1);
			text++;
		}
		if ((*text | 0x20) == 'i' && shift != 0) {
			text++;
		}
		if ((*text | 0x20) == 'b') {
			text++;
		}
	}
	if (*text != '\0' || v > UINT64_MAX >> shift) {
		return false;
	}
	*out = v << shift;
	return true;
}

bool parse_position(const char *text, struct position *out)
{
	struct position p = {.set = true};
	size_t digits;

	if (!take_digits(&text, &p.lsn, &digits)) {
		return false;
	}
	if (*text == ':') {
		text++;
		p.has_epoch = true;
		p.epoch = p.lsn;
		if (!take_digits(&text, &p.lsn, &digits)) {
			return false;
		}
	}
	if (*text != '\0') {
		return false;
	}
	*out = p;
	return true;
}

/* A number of exactly n digits within [min, max]. */
static bool take_field(const char **at, size_t n, int min, int max, int *out)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		char c = (*at)[i];

		if (c < '0' || c > '9') {
			return false;
		}
		v = v * 10 + (c - '0');
	}
	if (v < min || v > max) {
		return false;
	}
	*at += n;
	*out = v;
	return true;
}

static bool take_char(const char **at, const char *any)
{
	if (**at == '\0' || strchr(any, **at) == NULL) {
		return false;
	}
	(*at)++;
	return true;
}

/* Decimals after a point, as milliseconds; further digits are dropped. */
static bool take_fraction(const char **at, int *ms)
{
	int scale = 100;

	*ms = 0;
	if (**at < '0' || **at > '9') {
		return false;
	}
	while (**at >= '0' && **at <= '9') {
		*ms += (**at - '0') * scale;
		scale /= 10;
		(*at)++;
	}
	return true;
}

static bool take_clock(const char **at, int64_t *ms)
{
	int h, m, s = 0, frac = 0, oh = 0, om = 0;
	int sign = 0;

	if (!take_field(at, 2, 0, 23, &h) || !take_char(at, ":") || !take_field(at, 2, 0, 59, &m)) {
		return false;
	}
	if (take_char(at, ":")) {
		if (!take_field(at, 2, 0, 60, &s)) {
			return false;
		}
		if (take_char(at, ".") && !take_fraction(at, &frac)) {
			return false;
		}
	}
	if (**at == '+' || **at == '-') {
		sign = **at == '+' ? 1 : -1;
		(*at)++;
		if (!take_field(at, 2, 0, 23, &oh)) {
			return false;
		}
		(void)take_char(at, ":");
		if (!take_field(at, 2, 0, 59, &om)) {
			return false;
		}
	} else {
		(void)take_char(at, "Zz");
	}
	*ms = ((int64_t)h * 60 + m - sign * ((int64_t)oh * 60 + om)) * 60000 + s * 1000 + frac;
	return true;
}

static bool parse_rfc3339(const char *text, uint64_t *out)
{
	int year, month, day;
	int64_t ms = 0;

	if (!take_field(&text, 4, 1970, 9999, &year) || !take_char(&text, "-") ||
	    !take_field(&text, 2, 1, 12, &month) || !take_char(&text, "-") ||
	    !take_field(&text, 2, 1, 31, &day)) {
		return false;
	}
	if (day >
	    utc_days(month == 12 ? year + 1 : year, month % 12 + 1, 1) - utc_days(year, month, 1)) {
		return false;
	}
	if (*text != '\0' && (!take_char(&text, "Tt ") || !take_clock(&text, &ms))) {
		return false;
	}
	ms += utc_days(year, month, day) * 86400000;
	if (*text != '\0' || ms < 0) {
		return false;
	}
	*out = (uint64_t)ms;
	return true;
}

bool parse_time_ms(const char *text, uint64_t *out)
{
	const char *at = text;
	size_t digits;
	uint64_t v;
	int ms = 0;

	if (!take_digits(&at, &v, &digits)) {
		return false;
	}
	if (*at == '\0' && digits >= 12) {
		*out = v;
		return true;
	}
	if (*at == '\0' || *at == '.') {
		if (*at == '.') {
			at++;
			if (!take_fraction(&at, &ms) || *at != '\0') {
				return false;
			}
		}
		if (digits >= 12) {
			return false;
		}
		*out = v * 1000 + (uint64_t)ms;
		return true;
	}
	return parse_rfc3339(text, out);
}

bool parse_slots(const char *text, struct slot_set *out)
{
	struct slot_set s = *out;

	do {
		uint64_t first, last;
		size_t digits;

		if (!take_digits(&text, &first, &digits)) {
			return false;
		}
		last = first;
		if (*text == '-') {
			text++;
			if (!take_digits(&text, &last, &digits)) {
				return false;
			}
		}
		if (first > last || last >= SLOTS) {
			return false;
		}
		for (uint64_t slot = first; slot <= last; slot++) {
			slot_set_add(&s, (uint16_t)slot);
		}
	} while (take_char(&text, ","));
	if (*text != '\0') {
		return false;
	}
	*out = s;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Copies n characters, %XX decoded, as a C string; false when it does not fit. */
static bool take_percent(const char *from, size_t n, char *dst, size_t dst_size)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		char c = from[i];

		if (c == '%') {
			int high = i + 2 < n ? hex_digit(from[i + 1]) : -1;
			int low = high < 0 ? -1 : hex_digit(from[i + 2]);

			if (low < 0) {
				return false;
			}
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0' || len + 1 >= dst_size) {
			return false;
		}
		dst[len++] = c;
	}
	dst[len] = '\0';
	return true;
}

static bool take_host(const char *text, size_t len, struct node_address *out)
{
	const char *end = text + len, *colon;
	uint64_t port = 6379;
	size_t digits, host_len;

	if (len > 0 && text[0] == '[') { /* an IPv6 address */
		const char *close = memchr(text, ']', len);

		if (close == NULL) {
			return false;
		}
		host_len = (size_t)(close - text) - 1;
		text++;
		colon = close + 1;
	} else {
		colon = memchr(text, ':', len);
		colon = colon == NULL ? end : colon;
		host_len = (size_t)(colon - text);
	}
	if (colon < end) {
		if (*colon != ':') {
			return false;
		}
		colon++;
		if (!take_digits(&colon, &port, &digits) || colon != end || port == 0 ||
		    port > UINT16_MAX) {
			return false;
		}
	}
	out->port = (uint16_t)port;
	return host_len > 0 && take_percent(text, host_len, out->host, sizeof out->host);
}

bool parse_node_address(const char *text, struct node_address *out)
{
	static const char scheme[] = "redis://";
	struct node_address a = {0};
	const char *at, *colon;
	size_t len;

	if (text[0] == '/') {
		len = strlen(text);
		if (len >= sizeof a.host) {
			return false;
		}
		memcpy(a.host, text, len);
		*out = a;
		return true;
	}
	if (strncmp(text, scheme, sizeof scheme - 1) != 0) {
		len = strlen(text);
		if (strchr(text, '/') != NULL || !take_host(text, len, &a)) {
			return false;
		}
		*out = a;
		return true;
	}
	text += sizeof scheme - 1;
	len = strcspn(text, "/");
	/* There is one database. */
	if (text[len] == '/' && text[len + 1] != '\0' && strcmp(text + len, "/0") != 0) {
		return false;
	}
	at = memchr(text, '@', len);
	if (at != NULL) {
		size_t n = (size_t)(at - text);

		colon = memchr(text, ':', n);
		if (colon == NULL ||
		    !take_percent(text, (size_t)(colon - text), a.user, sizeof a.user) ||
		    !take_percent(colon + 1, (size_t)(at - colon) - 1, a.password,
				  sizeof a.password)) {
			return false;
		}
		len -= n + 1;
		text = at + 1;
	}
	if (!take_host(text, len, &a)) {
		return false;
	}
	*out = a;
	return true;
}

/* One character of a quoted word, escapes undone; *text moves past it. */
static bool take_escaped(const char **text, uint8_t *out)
{
	static const char names[] = "nrt\\\"", values[] = "\n\r\t\\\"";
	const char *p = *text, *name;

	if (*p != '\\') {
		*out = (uint8_t)*p;
		*text = p + 1;
		return true;
	}
	if (p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
		*out = (uint8_t)(hex_digit(p[2]) << 4 | hex_digit(p[3]));
		*text = p + 4;
		return true;
	}
	name = p[1] == '\0' ? NULL : strchr(names, p[1]);
	if (name == NULL) {
		return false;
	}
	*out = (uint8_t)values[name - names];
	*text = p + 2;
	return true;
}

bool parse_quoted(const char *text, uint8_t *dst, size_t *len)
{
	*len = 0;
	if (text[0] != '"') {
		*len = strlen(text);
		memmove(dst, text, *len);
		return true;
	}
	text++;
	while (*text != '"') {
		if (*text == '\0' || !take_escaped(&text, &dst[*len])) {
			return false;
		}
		++*len;
	}
	return text[1] == '\0';
}

/* Matches one non-star element of the pattern at *p against c; *p moves past it. */
static bool glob_one(struct slice pattern, size_t *p, uint8_t c)
{
	uint8_t k = pattern.data[(*p)++];
	bool negate = false, hit = false;

	if (k == '?') {
		return true;
	}
	if (k == '\\' && *p < pattern.len) {
		return pattern.data[(*p)++] == c;
	}
	if (k != '[') {
		return k == c;
	}
	if (*p < pattern.len && pattern.data[*p] == '^') {
		negate = true;
		(*p)++;
	}
	while (*p < pattern.len && pattern.data[*p] != ']') {
		uint8_t lo = pattern.data[(*p)++];
		uint8_t hi;

		if (lo == '\\' && *p < pattern.len) {
			lo = pattern.data[(*p)++];
			hit = hit || lo == c;
			continue;
		}
		hi = lo;
		if (*p + 1 < pattern.len && pattern.data[*p] == '-') {
			hi = pattern.data[*p + 1];
			*p += 2;
		}
		hit = hit || (lo <= hi ? lo <= c && c <= hi : hi <= c && c <= lo);
	}
	if (*p < pattern.len) {
		(*p)++; /* the closing bracket; a missing one ends the class with the pattern */
	}
	return hit != negate;
}

bool glob_fits(struct slice pattern, struct slice text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0;

	/* Only the last star is ever retried: an earlier one could not help where it fails. */
	for (;;) {
		if (p < pattern.len && pattern.data[p] == '*') {
			star = ++p;
			star_text = t;
			continue;
		}
		if (t == text.len) {
			return p == pattern.len;
		}
		if (p < pattern.len) {
			size_t next = p;

			if (glob_one(pattern, &next, text.data[t])) {
				p = next;
				t++;
				continue;
			}
		}
		if (star == SIZE_MAX) {
			return false;
		}
		p = star;
		t = ++star_text;
	}
}

bool list_has(const char *list, struct slice word)
{
	while (*list != '\0') {
		size_t len = strcspn(list, ",");

		if (len == word.len) {
			size_t i = 0;

			while (i < len && (list[i] | 0x20) == (word.data[i] | 0x20)) {
				i++;
			}
			if (i == len) {
				return true;
			}
		}
		list += len;
		list += *list == ',';
	}
	return false;
}
