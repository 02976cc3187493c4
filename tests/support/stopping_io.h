/* The real disk until it stops: after a given number of changes (writes, syncs, names) every
 * further one fails, as if the process had been killed between two of them. */
#ifndef CAIRN_TESTS_SUPPORT_STOPPING_IO_H
#define CAIRN_TESTS_SUPPORT_STOPPING_IO_H

#include "engine/base/io.h"

struct stopping_io {
	struct io io; /* what the code under test gets */
	struct io_ops ops;
	uint64_t left;	  /* changes that still go through */
	uint64_t changes; /* asked for so far */
};

/* Lets the next left changes through. LMDB's own writes are not seen. */
void stopping_io_init(struct stopping_io *s, uint64_t left);

#endif
