from tinynn.kernels.op import Op

layer_normalization: Op
