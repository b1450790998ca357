from tinynn.kernels.op import Op

dense: Op
