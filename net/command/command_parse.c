/* Numbers, words and glob patterns in arguments, with Redis's rules about what is one. */
#include "engine/base/alloc.h"
#include "net/command/command.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { FLOAT_TEXT_MAX = 5 * 1024 - 1 };

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool parse_int(struct slice text, int64_t *out)
{
	bool negative = text.len > 0 && text.data[0] == '-';
	struct slice digits = slice_skip(text, negative ? 1 : 0);
	uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
	uint64_t v = 0;

	if (digits.len == 0 || digits.len > 19) {
		return false;
	}
	if (digits.data[0] == '0') {
		*out = 0;
		return digits.len == 1 && !negative;
	}
	for (size_t i = 0; i < digits.len; i++) {
		if (!is_digit(digits.data[i])) {
			return false;
		}
		v = v * 10 + (uint64_t)(digits.data[i] - '0'); /* 19 digits fit in 64 bits */
	}
	if (v > limit) {
		return false;
	}
	*out = negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

/* The text with a terminator in dst, or false when it can't be a number by its looks. */
static bool float_text(struct slice text, char dst[FLOAT_TEXT_MAX + 1])
{
	if (text.len == 0 || text.len > FLOAT_TEXT_MAX || is_space(text.data[0])) {
		return false;
	}
	memcpy(dst, text.data, text.len);
	dst[text.len] = 0;
	return true;
}

bool parse_long_float(struct slice text, long double *out)
{
	char copy[FLOAT_TEXT_MAX + 1];
	char *end;
	long double v;

	if (!float_text(text, copy)) {
		return false;
	}
	errno = 0;
	v = strtold(copy, &end);
	if (end != copy + text.len || isnan(v) || (errno == ERANGE && (isinf(v) || v == 0))) {
		return false;
	}
	*out = v;
	return true;
}

bool parse_float(struct slice text, double *out)
{
	char copy[FLOAT_TEXT_MAX + 1];
	char *end;
	double v;

	if (!float_text(text, copy)) {
		return false;
	}
	errno = 0;
	v = strtod(copy, &end);
	if (end != copy + text.len || isnan(v) || (errno == ERANGE && (isinf(v) || v == 0))) {
		return false;
	}
	*out = v;
	return true;
}

bool parse_float_loose(struct slice text, double *out, bool *exact)
{
	char small[64], *copy = small, *end;
	bool ok;

	if (text.len >= sizeof small) {
		copy = mem_alloc(text.len + 1);
		if (copy == NULL) {
			return false;
		}
	}
	if (text.len > 0) {
		memcpy(copy, text.data, text.len);
	}
	copy[text.len] = 0;
	errno = 0;
	*out = strtod(copy, &end);
	*exact = errno != ERANGE;
	ok = *end == 0 && !isnan(*out);
	if (copy != small) {
		mem_free(copy);
	}
	return ok;
}

bool word_is(struct slice text, const char *word)
{
	for (size_t i = 0; i < text.len; i++) {
		if (word[i] == 0 || lower(text.data[i]) != lower((uint8_t)word[i])) {
			return false;
		}
	}
	return word[text.len] == 0;
}

bool words_same(struct slice a, struct slice b)
{
	bool same = a.len == b.len;

	for (size_t i = 0; same && i < a.len; i++) {
		same = lower(a.data[i]) == lower(b.data[i]);
	}
	return same;
}

/* Judges c by the class that starts behind '[' at *at; leaves *at behind the class. A class that
 * is never closed ends with the pattern. */
static bool class_match(struct slice p, size_t *at, uint8_t c, bool nocase)
{
	size_t i = *at;
	bool negated = i < p.len && p.data[i] == '^';
	bool found = false;
	uint8_t folded = nocase ? lower(c) : c;

	i += negated ? 1 : 0;
	while (i < p.len && p.data[i] != ']') {
		if (p.data[i] == '\\' && p.len - i >= 2) {
			found |= p.data[i + 1] == c;
			i += 2;
		} else if (p.len - i >= 3 && p.data[i + 1] == '-') {
			uint8_t a = nocase ? lower(p.data[i]) : p.data[i];
			uint8_t b = nocase ? lower(p.data[i + 2]) : p.data[i + 2];

			found |= a <= b ? folded >= a && folded <= b : folded >= b && folded <= a;
			i += 3;
		} else {
			found |= (nocase ? lower(p.data[i]) : p.data[i]) == folded;
			i++;
		}
	}
	*at = i < p.len ? i + 1 : i;
	return found != negated;
}

/* Judges c by the pattern element (anything but a star) at *at; leaves *at behind the element. */
static bool element_match(struct slice p, size_t *at, uint8_t c, bool nocase)
{
	uint8_t e = p.data[(*at)++];

	if (e == '?') {
		return true;
	}
	if (e == '[') {
		return class_match(p, at, c, nocase);
	}
	if (e == '\\' && *at < p.len) {
		e = p.data[(*at)++];
	}
	return nocase ? lower(e) == lower(c) : e == c;
}

/* Only the last star seen ever needs to be tried again: an earlier one could not reach further. So
 * there is no recursion, and the work is at most pattern times text. */
bool glob_match(struct slice pattern, struct slice text, bool nocase)
{
	size_t p = 0, t = 0;
	size_t star_p = SIZE_MAX, star_t = 0; /* behind the last star; where its text ends */

	if (text.len == 0) {
		/* As in Redis, where "**" does not match the empty key although "*" gives it. */
		return pattern.len == 0 || (pattern.len == 1 && pattern.data[0] == '*');
	}
	while (t < text.len) {
		if (p < pattern.len && pattern.data[p] == '*') {
			star_p = ++p;
			star_t = t;
			continue;
		}
		if (p < pattern.len) {
			size_t next = p;

			if (element_match(pattern, &next, text.data[t], nocase)) {
				p = next;
				t++;
				continue;
			}
		}
		if (star_p == SIZE_MAX) {
			return false;
		}
		p = star_p;
		t = ++star_t;
	}
	while (p < pattern.len && pattern.data[p] == '*') {
		p++;
	}
	return p == pattern.len;
}
