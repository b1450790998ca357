from tinynn.kernels.op import Op

class Loss(Op):
    categorical: bool

half_squared_error: Loss
mean_squared_error: Loss
binary_crossentropy: Loss
binary_crossentropy_from_logits: Loss
