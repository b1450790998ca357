from tinynn.kernels.machine cimport Augmentation

cdef Augmentation augmentation_of(function, shape, shift, rotation, zoom, shear, elastic, smoothness, key,
                                  epoch) except *
