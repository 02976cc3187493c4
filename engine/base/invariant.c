/* What happens when an invariant breaks. */
#include "engine/base/invariant.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void invariant_failed(const char *file, int line, const char *text)
{
	(void)fprintf(stderr, "cairn: invariant broken at %s:%d: %s\n", file, line, text);
	(void)fflush(stderr);
	abort();
}
