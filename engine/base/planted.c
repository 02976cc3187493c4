/* Which planted bug this run has. */
#include "engine/base/planted.h"

#ifdef CAIRN_PLANTED
#include <stdlib.h>

int planted_bug(void)
{
	static int bug = -1;

	if (bug < 0) {
		const char *text = getenv("CAIRN_BUG");

		bug = text == NULL ? 0 : (int)strtol(text, NULL, 10);
	}
	return bug;
}
#else
extern int planted_nothing; /* an empty translation unit is no C */
#endif
