/* One instruction set: included by its own file, which has set VECTOR_BYTES, SIMD and SIMD_NAME. */
#include <stdint.h>
#include <string.h>

#include "simd.h"

#define REAL double
#define NAME(name) name##_double
#define REAL_IS_FLOAT 0
#include "body.h"
#include "tape.h"
#include "undefine.h"

#define REAL float
#define NAME(name) name##_float
#define REAL_IS_FLOAT 1
#include "body.h"
#include "undefine.h"

const Simd SIMD = {SIMD_NAME, &table_float, &table_double, &tape_functions, random_words};
