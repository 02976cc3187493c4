/* Floating-point numbers as text. Pure. */
#ifndef CAIRN_NET_PROTO_FLOAT_TEXT_H
#define CAIRN_NET_PROTO_FLOAT_TEXT_H

#include <stddef.h>

enum { FLOAT_TEXT_CAP = 5120 }; /* the longest long double has 4933 digits in front of the point */

/* Writes v as INCRBYFLOAT and HINCRBYFLOAT store and answer it: plain decimal, at most 17 digits
 * behind the point, no zeros at its end, never -0; "inf", "-inf", "nan". Returns the length; no
 * terminator is promised. */
size_t float_text(long double v, char dst[FLOAT_TEXT_CAP]);

#endif
