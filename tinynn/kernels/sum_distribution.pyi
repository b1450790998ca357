from tinynn.kernels.op import Op

sum_distribution: Op
sum_distribution_crossentropy_from_logits: Op
