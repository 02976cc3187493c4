/* Starting named threads. */
#include "engine/base/thread.h"

bool thread_start(pthread_t *out, const char *name, void *(*run)(void *arg), void *arg)
{
	if (pthread_create(out, NULL, run, arg) != 0) {
		return false;
	}
	/* A thread without a name works as well. */
	(void)pthread_setname_np(*out, name);
	return true;
}
