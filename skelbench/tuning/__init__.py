"""Choosing hyper-parameters on a part of the training clips; test clips are never looked at."""
