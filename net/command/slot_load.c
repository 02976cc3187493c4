/* Three counters for each slot. */
#include "net/command/slot_load.h"

#include "engine/base/alloc.h"
#include "engine/base/keyslot.h"

#include <string.h>

enum status slot_loads_enable(struct slot_loads *l, bool on)
{
	if (on == (l->of != NULL)) {
		return ST_OK;
	}
	if (!on) {
		mem_free(l->of);
		l->of = NULL;
		return ST_OK;
	}
	l->of = mem_calloc(SLOTS, sizeof *l->of);
	return l->of == NULL ? ST_NO_MEMORY : ST_OK;
}

void slot_loads_reset(struct slot_loads *l)
{
	if (l->of != NULL) {
		memset(l->of, 0, SLOTS * sizeof *l->of);
	}
}

/* Bytes of a length's line: a sign, digits, CR and LF. */
static size_t line_len(size_t n)
{
	size_t len = 4;

	for (; n >= 10; n /= 10) {
		len++;
	}
	return len;
}

size_t request_len(const struct slice *argv, size_t argc)
{
	size_t len = line_len(argc);

	for (size_t i = 0; i < argc; i++) {
		len += line_len(argv[i].len) + argv[i].len + 2;
	}
	return len;
}

void slot_loads_count(struct slot_loads *l, uint16_t slot, const struct slice *argv, size_t argc,
		      uint64_t ticks, size_t reply_len)
{
	struct slot_load *load;

	if (l->of == NULL || slot >= SLOTS) {
		return;
	}
	load = &l->of[slot];
	load->ticks += ticks;
	load->bytes_out += reply_len;
	load->bytes_in += request_len(argv, argc);
}
