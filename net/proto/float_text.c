/* Plain decimal text of a long double. */
#include "net/proto/float_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

size_t float_text(long double v, char dst[FLOAT_TEXT_CAP])
{
	bool finite = isfinite(v);
	const char *special = isnan(v) ? "nan" : v > 0 ? "inf" : "-inf";
	int printed = finite ? snprintf(dst, FLOAT_TEXT_CAP, "%.17Lf", v)
			     : snprintf(dst, FLOAT_TEXT_CAP, "%s", special);
	size_t n = printed > 0 && printed < FLOAT_TEXT_CAP ? (size_t)printed : 0;

	if (n > 0 && memchr(dst, '.', n) != NULL) {
		while (dst[n - 1] == '0') {
			n--;
		}
		n -= dst[n - 1] == '.';
	}
	if (n == 2 && dst[0] == '-' && dst[1] == '0') {
		dst[0] = '0';
		n = 1;
	}
	return n;
}
