"""What `companion.scale` is made of: sources of chunks, the reduction, checkpoints, Dask, Newton steps and EM."""
