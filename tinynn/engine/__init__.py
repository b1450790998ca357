"""From specs to running code: shapes and offsets, fusion, arenas, the thread pool, the training loop."""
