from tinynn.kernels.op import Op

batch_normalization: Op
