from tinynn.kernels.op import Op

relu: Op
sigmoid: Op
tanh: Op
softmax: Op
