"""Training and evaluation on Accelerate."""
