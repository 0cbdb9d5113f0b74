"""Instructions that the AVX2 kernels execute, counted by callgrind: they repeat to the digit where times do not."""
