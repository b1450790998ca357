"""Recurrent layers. Weights, gate order and defaults are those of Keras 3."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from tinynn import initializers, regularizers
from tinynn.checks import check_count
from tinynn.engine.graph import Network, Parameter, Tensor
from tinynn.initializers import InitializerLike
from tinynn.layers.base import Layer, expect_axes
from tinynn.regularizers import RegularizerLike


class _Recurrent(Layer):
    """A layer that reads a sequence step by step: shape (steps, features) -> (units,) or (steps, units)."""

    op: ClassVar[str]
    gates: ClassVar[int]

    def __init__(self, units: int, return_sequences: bool = False, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform",
                 recurrent_initializer: InitializerLike = "orthogonal", bias_initializer: InitializerLike = "zeros",
                 kernel_regularizer: RegularizerLike = None, recurrent_regularizer: RegularizerLike = None,
                 bias_regularizer: RegularizerLike = None, name: str | None = None) -> None:
        self.units = check_count(type(self).__name__, "units", units)
        self.return_sequences = bool(return_sequences)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.name = name

    def _bias(self, network: Network) -> Parameter:
        return self._declare_bias(network, (self.gates * self.units,), self.bias_initializer)

    def _declare_bias(self, network: Network, shape: tuple[int, ...], initializer: Any) -> Parameter:
        return network.parameter("bias", shape, initializer, decayed=False, penalty=self.bias_regularizer)

    def _attributes(self) -> dict[str, Any]:
        return {}

    def connect(self, network: Network, x: Tensor) -> Tensor:
        expect_axes(network, x, 2, "(steps, features)")
        w = network.parameter("kernel", (x.shape[1], self.gates * self.units), self.kernel_initializer,
                              penalty=self.kernel_regularizer)
        u = network.parameter("recurrent_kernel", (self.units, self.gates * self.units), self.recurrent_initializer,
                              penalty=self.recurrent_regularizer)
        b = self._bias(network) if self.use_bias else None
        return network.op(self.op, x, [w, u, b], return_sequences=self.return_sequences, **self._attributes())


class SimpleRNN(_Recurrent):
    """Elman's network: ``h_t = tanh(x_t w + h_{t-1} u + b)``, shape (steps, features) -> (units,).

    Parameters
    ----------
    units : int
        Length of the state.
    return_sequences : bool
        Put out the state after every step, (steps, units), instead of the last one.
    use_bias : bool
        Whether there is a b.
    kernel_initializer, recurrent_initializer, bias_initializer : str or Initializer
        Initial values of w, u and b.
    kernel_regularizer, recurrent_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties on the size of w, u and b, terms of the loss: see `tinynn.regularizers`.
    name : str, optional
        Its name in the model.

    Notes
    -----
    Parameters: ``kernel`` (features, units), ``recurrent_kernel`` (units, units), ``bias`` (units,).

    Of a data set's sample that has fewer items than the others (index -1), only the steps it has are gone through;
    behind them a sequence of states repeats the last one.
    """

    op = "rnn"
    gates = 1


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with forget gate), (steps, features) -> (units,).

    ``i, f, o = sigmoid(x_t w + h_{t-1} u + b)``, ``g = tanh(...)``, ``c_t = f c_{t-1} + i g``,
    ``h_t = o tanh(c_t)``; the gates' order in w, u and b is i, f, g, o.

    Parameters
    ----------
    units : int
        Length of the state.
    return_sequences : bool
        Put out the state after every step, (steps, units), instead of the last one.
    use_bias : bool
        Whether there is a b.
    kernel_initializer, recurrent_initializer, bias_initializer : str or Initializer
        Initial values of w, u and b.
    kernel_regularizer, recurrent_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties on the size of w, u and b, terms of the loss: see `tinynn.regularizers`.
    unit_forget_bias : bool
        Begin with 1 in the bias of the forget gate.
    name : str, optional
        Its name in the model.

    Notes
    -----
    Parameters: ``kernel`` (features, 4 units), ``recurrent_kernel`` (units, 4 units), ``bias`` (4 units,).

    Of a data set's sample that has fewer items than the others (index -1), only the steps it has are gone through;
    behind them a sequence of states repeats the last one.
    """

    op = "lstm"
    gates = 4

    def __init__(self, units: int, return_sequences: bool = False, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform",
                 recurrent_initializer: InitializerLike = "orthogonal", bias_initializer: InitializerLike = "zeros",
                 unit_forget_bias: bool = True, kernel_regularizer: RegularizerLike = None,
                 recurrent_regularizer: RegularizerLike = None, bias_regularizer: RegularizerLike = None,
                 name: str | None = None) -> None:
        super().__init__(units, return_sequences, use_bias, kernel_initializer, recurrent_initializer,
                         bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer, name)
        self.unit_forget_bias = bool(unit_forget_bias)

    def _bias(self, network: Network) -> Parameter:
        def initialize(shape: tuple[int, ...], dtype: Any, generator: np.random.Generator) -> np.ndarray:
            bias = np.array(self.bias_initializer(shape, dtype, generator))
            if self.unit_forget_bias:
                bias[self.units:2 * self.units] = 1
            return bias

        return self._declare_bias(network, (4 * self.units,), initialize)


class GRU(_Recurrent):
    """Gated recurrent unit (Cho et al. 2014), shape (steps, features) -> (units,).

    ``z, r = sigmoid(x_t w + h_{t-1} u + b)``, ``h_t = z h_{t-1} + (1 - z) g``; the gates' order in w, u and b is
    z, r, g. With `reset_after` ``g = tanh(x_t w + b_0 + r (h_{t-1} u + b_1))``, without it
    ``g = tanh(x_t w + (r h_{t-1}) u + b)``.

    Parameters
    ----------
    units : int
        Length of the state.
    return_sequences : bool
        Put out the state after every step, (steps, units), instead of the last one.
    use_bias : bool
        Whether there is a b.
    kernel_initializer, recurrent_initializer, bias_initializer : str or Initializer
        Initial values of w, u and b.
    kernel_regularizer, recurrent_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties on the size of w, u and b, terms of the loss: see `tinynn.regularizers`.
    reset_after : bool
        Apply the reset gate after the matrix product (Keras' default) instead of before.
    name : str, optional
        Its name in the model.

    Notes
    -----
    Parameters: ``kernel`` (features, 3 units), ``recurrent_kernel`` (units, 3 units), ``bias`` (2, 3 units), or
    (3 units,) without `reset_after`.

    Of a data set's sample that has fewer items than the others (index -1), only the steps it has are gone through;
    behind them a sequence of states repeats the last one.
    """

    op = "gru"
    gates = 3

    def __init__(self, units: int, return_sequences: bool = False, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform",
                 recurrent_initializer: InitializerLike = "orthogonal", bias_initializer: InitializerLike = "zeros",
                 reset_after: bool = True, kernel_regularizer: RegularizerLike = None,
                 recurrent_regularizer: RegularizerLike = None, bias_regularizer: RegularizerLike = None,
                 name: str | None = None) -> None:
        super().__init__(units, return_sequences, use_bias, kernel_initializer, recurrent_initializer,
                         bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer, name)
        self.reset_after = bool(reset_after)

    def _bias(self, network: Network) -> Parameter:
        shape = (2, 3 * self.units) if self.reset_after else (3 * self.units,)
        return self._declare_bias(network, shape, self.bias_initializer)

    def _attributes(self) -> dict[str, Any]:
        return {"reset_after": self.reset_after}
