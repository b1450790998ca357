from tinynn.kernels.op import Op

gru: Op
