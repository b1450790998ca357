/* The part of a recurrent step that is not a matrix product, on one row of `units` hidden units.
 * A row of gates holds its parts one after the other, each of `units` numbers, in Keras' order.
 * Plain reference: tests/oracles/recurrent.py. */
#include "functions.h"
#include "vector.h"

/* gates: IN z = [i f g o] before, OUT after their activations.
 *   c = f c_previous + i g,   h = o tanh(c) */
static void NAME(lstm_cell_forward)(REAL *gates, REAL *c, REAL *tanh_c, REAL *h, const REAL *c_previous,
                                    ptrdiff_t units)
{
    REAL *input = gates, *forget = gates + units, *candidate = gates + 2 * units, *output = gates + 3 * units;
    FOR_EACH_VECTOR(units, {
        vector in = NAME(vector_sigmoid)(LOAD(input));
        vector f = NAME(vector_sigmoid)(LOAD(forget));
        vector g = NAME(vector_tanh)(LOAD(candidate));
        vector o = NAME(vector_sigmoid)(LOAD(output));
        vector cell = NAME(multiply_add)(f, LOAD(c_previous), in * g);
        vector squashed = NAME(vector_tanh)(cell);
        STORE(input, in);
        STORE(forget, f);
        STORE(candidate, g);
        STORE(output, o);
        STORE(c, cell);
        STORE(tanh_c, squashed);
        STORE(h, o * squashed);
    });
}

/* dc: IN dL/dc from the later step, OUT dL/dc_previous.  dz may be the same array as gates.
 *   dc += dh o (1 - tanh(c)^2)
 *   dz = [dc g i(1-i), dc c_previous f(1-f), dc i (1-g^2), dh tanh(c) o(1-o)],   dc_previous = dc f */
static void NAME(lstm_cell_backward)(REAL *dz, REAL *dc, const REAL *dh, const REAL *gates, const REAL *tanh_c,
                                     const REAL *c_previous, ptrdiff_t units)
{
    FOR_EACH_VECTOR(units, {
        vector in = LOAD(gates);
        vector f = LOAD(gates + units);
        vector g = LOAD(gates + 2 * units);
        vector o = LOAD(gates + 3 * units);
        vector squashed = LOAD(tanh_c);
        vector d_hidden = LOAD(dh);
        vector d_cell = NAME(multiply_add)(d_hidden * o, (1 - squashed) * (1 + squashed), LOAD(dc));
        STORE(dz, d_cell * g * (in * (1 - in)));
        STORE(dz + units, d_cell * LOAD(c_previous) * (f * (1 - f)));
        STORE(dz + 2 * units, d_cell * in * ((1 - g) * (1 + g)));
        STORE(dz + 3 * units, d_hidden * squashed * (o * (1 - o)));
        STORE(dc, d_cell * f);
    });
}

/* gates: IN the input's part x w + b_input = [z r g], OUT after the activations; recurrent: h_previous u + b_recurrent.
 *   z = s(z + recurrent_z),  r = s(r + recurrent_r),  g = tanh(g + r recurrent_g),   h = z h_previous + (1 - z) g */
static void NAME(gru_cell_forward)(REAL *gates, REAL *h, const REAL *recurrent, const REAL *h_previous, ptrdiff_t units)
{
    REAL *update = gates, *reset = gates + units, *candidate = gates + 2 * units;
    FOR_EACH_VECTOR(units, {
        vector z = NAME(vector_sigmoid)(LOAD(update) + LOAD(recurrent));
        vector r = NAME(vector_sigmoid)(LOAD(reset) + LOAD(recurrent + units));
        vector g = NAME(vector_tanh)(NAME(multiply_add)(r, LOAD(recurrent + 2 * units), LOAD(candidate)));
        STORE(update, z);
        STORE(reset, r);
        STORE(candidate, g);
        STORE(h, NAME(multiply_add)(z, LOAD(h_previous), (1 - z) * g));
    });
}

/* dz: gradient of the input's part [z r g], d_recurrent: of the recurrent part; dh_previous: the direct path.
 *   dg = dh (1 - z) (1 - g^2),  dr = dg recurrent_g r(1-r),  dz = dh (h_previous - g) z(1-z)
 *   d_recurrent = [dz, dr, dg r],   dh_previous = dh z */
static void NAME(gru_cell_backward)(REAL *dz, REAL *d_recurrent, REAL *dh_previous, const REAL *dh, const REAL *gates,
                                    const REAL *recurrent, const REAL *h_previous, ptrdiff_t units)
{
    FOR_EACH_VECTOR(units, {
        vector z = LOAD(gates);
        vector r = LOAD(gates + units);
        vector g = LOAD(gates + 2 * units);
        vector d_hidden = LOAD(dh);
        vector d_candidate = d_hidden * (1 - z) * ((1 - g) * (1 + g));
        vector d_reset = d_candidate * LOAD(recurrent + 2 * units) * (r * (1 - r));
        vector d_update = d_hidden * (LOAD(h_previous) - g) * (z * (1 - z));
        STORE(dz, d_update);
        STORE(dz + units, d_reset);
        STORE(dz + 2 * units, d_candidate);
        STORE(d_recurrent, d_update);
        STORE(d_recurrent + units, d_reset);
        STORE(d_recurrent + 2 * units, d_candidate * r);
        STORE(dh_previous, d_hidden * z);
    });
}

/* The GRU whose reset gate acts before the matrix product (Keras' reset_after=False), in two parts around that
 * product: the candidate needs (r h_previous) u. gates: IN z = x w + b [+ the recurrent product] = [z r g].
 *   z = s(z),  r = s(r),  reset_h = r h_previous */
static void NAME(gru_reset_forward)(REAL *gates, REAL *reset_h, const REAL *h_previous, ptrdiff_t units)
{
    REAL *update = gates, *reset = gates + units;
    FOR_EACH_VECTOR(units, {
        vector r = NAME(vector_sigmoid)(LOAD(reset));
        STORE(update, NAME(vector_sigmoid)(LOAD(update)));
        STORE(reset, r);
        STORE(reset_h, r * LOAD(h_previous));
    });
}

/*   g = tanh(g),   h = z h_previous + (1 - z) g */
static void NAME(gru_candidate_forward)(REAL *gates, REAL *h, const REAL *h_previous, ptrdiff_t units)
{
    REAL *update = gates, *candidate = gates + 2 * units;
    FOR_EACH_VECTOR(units, {
        vector z = LOAD(update);
        vector g = NAME(vector_tanh)(LOAD(candidate));
        STORE(candidate, g);
        STORE(h, NAME(multiply_add)(z, LOAD(h_previous), (1 - z) * g));
    });
}

/* dz may be the same array as gates, dh_previous as dh. The part r of dz is not changed.
 *   dz_z = dh (h_previous - g) z(1-z),   dz_g = dh (1 - z) (1 - g^2),   dh_previous = dh z */
static void NAME(gru_candidate_backward)(REAL *dz, REAL *dh_previous, const REAL *dh, const REAL *gates,
                                         const REAL *h_previous, ptrdiff_t units)
{
    FOR_EACH_VECTOR(units, {
        vector z = LOAD(gates);
        vector g = LOAD(gates + 2 * units);
        vector d_hidden = LOAD(dh);
        STORE(dz, d_hidden * (LOAD(h_previous) - g) * (z * (1 - z)));
        STORE(dz + 2 * units, d_hidden * (1 - z) * ((1 - g) * (1 + g)));
        STORE(dh_previous, d_hidden * z);
    });
}

/* Writes the part r of dz, from d_reset_h = dz_g u_g^T.
 *   dz_r = d_reset_h h_previous r(1-r),   dh_previous += d_reset_h r */
static void NAME(gru_reset_backward)(REAL *dz, REAL *dh_previous, const REAL *d_reset_h, const REAL *gates,
                                     const REAL *h_previous, ptrdiff_t units)
{
    FOR_EACH_VECTOR(units, {
        vector r = LOAD(gates + units);
        vector d_product = LOAD(d_reset_h);
        STORE(dz + units, d_product * LOAD(h_previous) * (r * (1 - r)));
        STORE(dh_previous, NAME(multiply_add)(d_product, r, LOAD(dh_previous)));
    });
}
