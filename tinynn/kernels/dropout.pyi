from tinynn.kernels.op import Op

dropout: Op
