/* Waiting with a time limit, for the threads that may: conditions on the monotonic clock, and short
 * pauses. */
#ifndef CAIRN_ENGINE_BASE_WAITING_H
#define CAIRN_ENGINE_BASE_WAITING_H

#include <pthread.h>
#include <stdint.h>

/* Like pthread_cond_init, for use with waiting_cond_us. */
void waiting_cond_init(pthread_cond_t *cond);

/* Waits until signalled or us microseconds of real time have passed. The mutex is held, as for
 * pthread_cond_wait. */
void waiting_cond_us(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t us);

/* Lets us microseconds of real time pass. */
void waiting_pause_us(uint64_t us);

#endif
