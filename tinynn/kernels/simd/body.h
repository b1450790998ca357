/* Everything for one instruction set and dtype, ending in its table of functions. */
#include "augmentation.h"
#include "columns.h"
#include "convolve.h"
#include "dropout.h"
#include "functions.h"
#include "gemm.h"
#include "optimizers.h"
#include "recurrent.h"
#include "reduce.h"
#include "samples.h"
#include "windows.h"

#define FUNCTION(type, name, parameters) .name = NAME(name),
static const NAME(Simd) NAME(table) = {
#include "table.h"
};
#undef FUNCTION
