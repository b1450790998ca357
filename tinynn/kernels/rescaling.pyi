from tinynn.kernels.op import Op

rescaling: Op
