/* Planted bugs: mistakes that the crash tests must find, so that those tests are known to be able
 * to fail.
 *
 * Only a build with CAIRN_PLANTED has them; there the environment variable CAIRN_BUG chooses one by
 * its number (tests/crash/PLANTED.md lists them). Every other build sees a constant false and
 * nothing of the mistake. */
#ifndef CAIRN_ENGINE_BASE_PLANTED_H
#define CAIRN_ENGINE_BASE_PLANTED_H

#ifdef CAIRN_PLANTED
/* The number in CAIRN_BUG, 0 for none. */
int planted_bug(void);
#define PLANTED(n) (planted_bug() == (n))
#else
#define PLANTED(n) 0
#endif

#endif
