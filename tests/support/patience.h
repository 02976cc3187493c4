/* How long tests wait for what other threads do. */
#ifndef CAIRN_TESTS_SUPPORT_PATIENCE_H
#define CAIRN_TESTS_SUPPORT_PATIENCE_H

#include <stdlib.h>

/* The tries of a loop that waits: as many as given; a tenth with CAIRN_IMPATIENT, for runs in which
 * what is waited for may never come (planted.py). */
static inline int patience(int tries)
{
	return getenv("CAIRN_IMPATIENT") != NULL ? tries / 10 : tries;
}

#endif
