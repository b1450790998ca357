from tinynn.kernels.op import Op

max_pooling2d: Op
average_pooling2d: Op
