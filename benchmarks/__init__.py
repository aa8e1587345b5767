"""Side-by-side runs against other libraries: `python -m benchmarks`. Nothing in the book or the tests needs them."""
