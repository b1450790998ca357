from tinynn.kernels.op import Op

conv2d: Op
