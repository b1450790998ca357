"""From the ops of layers to running code: shapes, fusion, memory, the loop over mini-batches, the thread pool."""
