"""The detector: backbones, dropout passes, training and evaluation. torch lives here alone."""

import os

# Read by OpenMP when torch is loaded. By default its threads spin while they wait for each other, so that two
# busy processes on two cores make a training step 8 times as slow as it should be; docs/benchmarks/speed.md.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
