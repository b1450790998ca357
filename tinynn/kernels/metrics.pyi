from tinynn.kernels.op import Op

categorical_accuracy: Op
binary_accuracy: Op
mean_absolute_error: Op
