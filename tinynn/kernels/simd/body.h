/* Everything for one instruction set and dtype, ending in its table of functions. */
#include "vector.h"

#include "functions.h"

#include "columns.h"
#include "convolve.h"
#include "gemm.h"
#include "optimizers.h"
#include "recurrent.h"
#include "reduce.h"

#include "augmentation.h"
#if !REAL_IS_FLOAT
#include "philox.h"
#endif
#include "dropout.h"
#include "windows.h"

static const NAME(Simd) NAME(table) = {
    .gemm = NAME(gemm), .gemm_pack = NAME(gemm_pack), .gemm_packed = NAME(gemm_packed),
    .gemm_listed = NAME(gemm_listed),
    .exp = NAME(exp), .exp_of = NAME(exp_of), .log = NAME(log), .log1p_exp = NAME(log1p_exp),
    .activation_forward = NAME(activation_forward), .activation_backward = NAME(activation_backward),
    .sum = NAME(sum), .dot = NAME(dot), .maximum = NAME(maximum), .all_finite = NAME(all_finite),
    .column_sum = NAME(column_sum), .column_products = NAME(column_products),
    .column_affine = NAME(column_affine), .column_affine_backward = NAME(column_affine_backward),
    .scale = NAME(scale), .axpy = NAME(axpy),
    .convolve = NAME(convolve), .convolve_logarithms = NAME(convolve_logarithms),
    .softmax_forward = NAME(softmax_forward), .softmax_backward = NAME(softmax_backward),
    .max_pool = NAME(max_pool), .max_pool_backward = NAME(max_pool_backward),
    .average_pool = NAME(average_pool), .average_pool_backward = NAME(average_pool_backward),
    .add_windows = NAME(add_windows),
    .convert = NAME(convert), .augment = NAME(augment), .dropout = NAME(dropout),
    .lstm_forward = NAME(lstm_forward), .lstm_backward = NAME(lstm_backward),
    .gru_forward = NAME(gru_forward), .gru_backward = NAME(gru_backward),
    .gru_reset_forward = NAME(gru_reset_forward), .gru_reset_backward = NAME(gru_reset_backward),
    .gru_candidate_forward = NAME(gru_candidate_forward), .gru_candidate_backward = NAME(gru_candidate_backward),
    .sgd = NAME(sgd), .adam = NAME(adam), .rmsprop = NAME(rmsprop),
};
