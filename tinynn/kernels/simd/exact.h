/* Every C file and every Cython module includes this first: the arithmetic must be that of IEEE 754. Options such as
 * -ffast-math let the compiler assume that there is no NaN, and leave out every check for one; and they let it reorder
 * sums, which makes bits depend on the machine. */
#ifndef TINYNN_EXACT_H
#define TINYNN_EXACT_H

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ > 0)
#error "tinynn: with -ffast-math, -Ofast or -ffinite-math-only, NaN and infinity go unnoticed; build without, e.g. CFLAGS=-O3"
#elif defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__)
#error "tinynn: -funsafe-math-optimizations and its parts change results from machine to machine; remove them from CFLAGS"
#endif

#endif
