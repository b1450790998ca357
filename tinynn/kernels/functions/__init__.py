"""The public kernel functions: arguments checked in Python, arithmetic done by the compiled modules next door.

One file per operation, named like the compiled module that it runs. `tinynn.kernels` exports them all.
"""
