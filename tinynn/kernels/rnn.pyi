from tinynn.kernels.op import Op

ACTIVATIONS: dict[str, int]
rnn: Op
