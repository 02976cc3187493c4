/* Threads with names, so that top, perf and a debugger tell them apart. */
#ifndef CAIRN_ENGINE_BASE_THREAD_H
#define CAIRN_ENGINE_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Starts a joinable thread; name: at most 15 bytes. False: the system gave none. */
bool thread_start(pthread_t *out, const char *name, void *(*run)(void *arg), void *arg);

#endif
