"""Elementary and special functions without cancellation: remainders, Stirling forms, Bessel functions, Newton steps."""
