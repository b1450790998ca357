from tinynn.kernels.op import Op

repeat: Op
split: Op
stack: Op
add: Op
fan_out: Op
