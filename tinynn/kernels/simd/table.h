/* The list of the vector functions: FUNCTION(what it returns, its name, (its parameters)).
 *
 * For each dtype, simd.h makes a struct of function pointers of it, and body.h the struct's initializer. A new function
 * needs a line here, its definition NAME(name) in a header beside this one, and its declaration for Cython in
 * machine.pxd (Vectors).
 *
 * Conventions: outputs first, then inputs, then sizes; n counts elements; matrices are row-major. An output may be the
 * same array as an input of the same shape; otherwise arrays do not overlap. */

/* c (m,n) := [c +] a (m,k) b (k,n), then + bias (n), then the activation.
 * Element (i,p) of a is a[i * a_row + p * a_column]; so for b. One of b's strides is 1.
 * Each element of c is one chain of multiply-adds, p ascending: its bits depend on nothing else. */
FUNCTION(void, gemm, (REAL *c, ptrdiff_t c_row, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b,
                      ptrdiff_t b_row, ptrdiff_t b_column, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int accumulate,
                      const REAL *bias, int activation, void *scratch))
/* The same product in two parts, for a b that is used many times: pack columns first..last of it
 * (first a multiple of PACK_COLUMNS), then multiply. */
FUNCTION(void, gemm_pack, (REAL *packed, const REAL *b, ptrdiff_t b_row, ptrdiff_t b_column, ptrdiff_t k, ptrdiff_t n,
                           ptrdiff_t first, ptrdiff_t last))
FUNCTION(void, gemm_packed, (REAL *c, ptrdiff_t c_row, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column,
                             const REAL *packed, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int accumulate,
                             const REAL *bias, int activation))
/* The same with element (i,p) of a at a[rows[i] + columns[p]]: a convolution, whose patches overlap. */
FUNCTION(void, gemm_listed, (REAL *c, ptrdiff_t c_row, const REAL *a, const int32_t *rows, const int32_t *columns,
                             const REAL *packed, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int accumulate,
                             const REAL *bias, int activation))

/* y = f(x) element by element. */
FUNCTION(void, exp, (REAL *y, const REAL *x, ptrdiff_t n))
FUNCTION(void, log, (REAL *y, const REAL *x, ptrdiff_t n))
FUNCTION(void, activation_forward, (REAL *y, const REAL *x, ptrdiff_t n, int activation))
/* dx = dy f'(x), written in terms of y = f(x). */
FUNCTION(void, activation_backward, (REAL *dx, const REAL *dy, const REAL *y, ptrdiff_t n, int activation))
/* log(1 + exp(-|x|)): the bounded part of log sigmoid and of the binary cross-entropy. */
FUNCTION(void, log1p_exp, (REAL *y, const REAL *x, ptrdiff_t n))

/* Reductions: one fixed tree, the same for every vector width. */
FUNCTION(REAL, sum, (const REAL *x, ptrdiff_t n))
FUNCTION(REAL, dot, (const REAL *x, const REAL *y, ptrdiff_t n))
FUNCTION(REAL, maximum, (const REAL *x, ptrdiff_t n))
/* Whether there is no NaN and no infinity. */
FUNCTION(int, all_finite, (const REAL *x, ptrdiff_t n))
/* y (n) := [y +] sum of the rows of x (rows, n), rows ascending. */
FUNCTION(void, column_sum, (REAL *y, const REAL *x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t n, int accumulate))
/* y (n) = sum over rows of (a - a_mean) (b - b_mean), rows ascending; a mean may be NULL: 0. */
FUNCTION(void, column_products, (REAL *y, const REAL *a, const REAL *a_mean, const REAL *b, const REAL *b_mean,
                                 ptrdiff_t rows, ptrdiff_t n))
/* y = (x - mean) scale + shift;  dx = dy scale - (x - mean) slope - offset; all but x, y, dx, dy are rows of n. */
FUNCTION(void, column_affine, (REAL *y, const REAL *x, const REAL *mean, const REAL *scale, const REAL *shift,
                               ptrdiff_t rows, ptrdiff_t n))
FUNCTION(void, column_affine_backward, (REAL *dx, const REAL *dy, const REAL *x, const REAL *mean, const REAL *scale,
                                        const REAL *slope, const REAL *offset, ptrdiff_t rows, ptrdiff_t n))

/* y = alpha x;  y += alpha x. */
FUNCTION(void, scale, (REAL *y, const REAL *x, REAL alpha, ptrdiff_t n))
FUNCTION(void, axpy, (REAL *y, const REAL *x, REAL alpha, ptrdiff_t n))

/* y[s] = sum_k p[k] x[s + step k], s < n, k < terms; step is -1 (a convolution) or 1 (a correlation). Each element
 * is one chain of multiply-adds, k ascending. The second computes the same with all numbers given as logarithms. */
FUNCTION(void, convolve, (REAL *y, const REAL *x, ptrdiff_t step, const REAL *p, ptrdiff_t terms, ptrdiff_t n))
FUNCTION(void, convolve_logarithms, (REAL *y, const REAL *x, ptrdiff_t step, const REAL *p, ptrdiff_t terms,
                                     ptrdiff_t n))

/* y = exp(x - max x) / sum of the same, one row of n; *largest = max x; returns max y.  dx = y (dy - sum dy y). */
FUNCTION(REAL, softmax_forward, (REAL *y, REAL *largest, const REAL *x, ptrdiff_t n))
FUNCTION(void, softmax_backward, (REAL *dx, const REAL *dy, const REAL *y, ptrdiff_t n))

/* For a row of windows y = the largest x, or the mean of x, channel by channel. Backward adds to dx, or sets it where
 * windows do not overlap: dy where x is first equal to y, or dy's share everywhere. */
FUNCTION(void, max_pool, (REAL *y, const REAL *x, const Windows *windows))
FUNCTION(void, max_pool_backward, (REAL *dx, const REAL *dy, const REAL *x, const REAL *y, const Windows *windows))
FUNCTION(void, average_pool, (REAL *y, const REAL *x, const Windows *windows))
FUNCTION(void, average_pool_backward, (REAL *dx, const REAL *dy, const Windows *windows))
/* Pixel after pixel: x[start + step * pixel + i] += windows[window_row * pixel + i], i < n, where that index
 * of x is in 0..width. */
FUNCTION(void, add_windows, (REAL *x, ptrdiff_t width, ptrdiff_t start, ptrdiff_t step, const REAL *windows,
                             ptrdiff_t window_row, ptrdiff_t pixels, ptrdiff_t n))

/* y = x * factor + offset, x of the kind UINT8, FLOAT or DOUBLE; this gathers a mini-batch. */
FUNCTION(void, convert, (REAL *y, const void *x, int kind, REAL factor, REAL offset, ptrdiff_t n))

/* y (rows, columns, channels) = image x changed at random, times scale, plus offset; x as in convert.
 * Sample and place select the random numbers; scratch has augmentation_scratch numbers. */
FUNCTION(void, augment, (REAL *y, const void *x, int kind, const Augmentation *augmentation, uint32_t sample,
                         uint32_t place, REAL scale, REAL offset, REAL *scratch))

/* Dropout with the random words of (key, purpose, epoch, step); x[0] is number `first` of the whole. See dropout.h. */
FUNCTION(void, dropout, (REAL *y, const REAL *x, REAL scale, uint32_t dropped, uint64_t key, uint32_t purpose,
                         uint32_t epoch, uint32_t step, ptrdiff_t first, ptrdiff_t n))

/* Recurrent cells, one row of h units: the part of a step that is not a matrix product. See recurrent.h. */
FUNCTION(void, lstm_cell_forward, (REAL *gates, REAL *c, REAL *tanh_c, REAL *h, const REAL *c_previous,
                                   ptrdiff_t units))
FUNCTION(void, lstm_cell_backward, (REAL *dz, REAL *dc, const REAL *dh, const REAL *gates, const REAL *tanh_c,
                                    const REAL *c_previous, ptrdiff_t units))
FUNCTION(void, gru_cell_forward, (REAL *gates, REAL *h, const REAL *recurrent, const REAL *h_previous, ptrdiff_t units))
FUNCTION(void, gru_cell_backward, (REAL *dz, REAL *d_recurrent, REAL *dh_previous, const REAL *dh, const REAL *gates,
                                   const REAL *recurrent, const REAL *h_previous, ptrdiff_t units))
FUNCTION(void, gru_reset_forward, (REAL *gates, REAL *reset_h, const REAL *h_previous, ptrdiff_t units))
FUNCTION(void, gru_candidate_forward, (REAL *gates, REAL *h, const REAL *h_previous, ptrdiff_t units))
FUNCTION(void, gru_candidate_backward, (REAL *dz, REAL *dh_previous, const REAL *dh, const REAL *gates,
                                        const REAL *h_previous, ptrdiff_t units))
FUNCTION(void, gru_reset_backward, (REAL *dz, REAL *dh_previous, const REAL *d_reset_h, const REAL *gates,
                                    const REAL *h_previous, ptrdiff_t units))

/* Optimizers on n consecutive parameters w with gradient dw. See optimizers.h. */
FUNCTION(void, sgd, (REAL *w, const REAL *dw, REAL *velocity, REAL rate, REAL momentum, int nesterov, ptrdiff_t n))
FUNCTION(void, adam, (REAL *w, const REAL *dw, REAL *m, REAL *v, REAL rate, REAL m_weight, REAL v_weight, REAL epsilon,
                      REAL decay, ptrdiff_t n))
FUNCTION(void, rmsprop, (REAL *w, const REAL *dw, REAL *v, REAL *velocity, REAL rate, REAL rho, REAL v_weight,
                         REAL momentum, REAL epsilon, ptrdiff_t n))
