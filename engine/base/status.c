/* Texts of the status codes. */
#include "engine/base/status.h"

#include <stddef.h>

static const char *const texts[] = {
#define STATUS_TEXT(sym, text) [sym] = (text),
    STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
};

const char *status_text(enum status st)
{
	size_t i = (size_t)st;

	return i < sizeof texts / sizeof texts[0] ? texts[i] : "unknown status";
}
