"""What a variant costs: multiply-adds, throughput, latency, memory."""

from __future__ import annotations

import contextlib
import resource
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from skelbench.runs.results import Speed
from skelbench.training.task import Fitted, Task

BATCH = 512
LATENCY_RUNS = 200
THROUGHPUT_RUNS = 5


def macs(fitted: Fitted, clip: Tensor) -> int:
    """Multiply-adds of one padded clip (an int64 (1,) index) through the classifier."""
    model = fitted.inference.eval()
    counter = FlopCounterMode(display=False)
    with _frozen(model), _plain_recurrent_layers(), counter, torch.inference_mode():
        model(fitted.batch(clip))
    return int(counter.get_total_flops()) // 2


@contextlib.contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """No parameter asks for a gradient: torch 2.11's counter fails on a module that is called with one that does."""
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in learned:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)


@contextlib.contextmanager
def _plain_recurrent_layers() -> Iterator[None]:
    """Compute recurrent layers as products that the counter sees, not in one call of oneDNN or cuDNN."""
    with warnings.catch_warnings():
        # torch speaks of Intel GPUs.
        warnings.filterwarnings("ignore", "TF32 acceleration")
        with torch.backends.mkldnn.flags(enabled=False), torch.backends.cudnn.flags(enabled=False):
            yield


def inference_parameters(fitted: Fitted) -> int:
    """Trained numbers in what a user runs."""
    return sum(parameter.numel() for parameter in fitted.inference.parameters())


def model_bytes(fitted: Fitted) -> int:
    """Bytes of the weights, buffers and tables of what a user runs: its weights file without the header."""
    tensors = [*fitted.inference.state_dict().values(), *fitted.tables.values()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def reset_peak(device: torch.device) -> None:
    """Begin a new measurement of peak memory."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    # Linux restarts the high-water mark of the resident set; elsewhere it stays that of the process, an upper bound.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb(device: torch.device) -> float:
    """Peak since `reset_peak`: allocated on a GPU, resident set on a CPU; MB of 10^6 bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def speed(task: Task, fitted: Fitted) -> Speed:
    """Throughput and latency of the classifier on test clips, warmed up."""
    device = task.fabric.device
    many = task.test[torch.arange(BATCH) % len(task.test)]
    throughput = [BATCH / _seconds(fitted, many, device) for _ in range(1 + THROUGHPUT_RUNS)][1:]
    singles = [task.test[i % len(task.test)].reshape(1) for i in range(LATENCY_RUNS + 10)]
    with _one_thread():
        latency = np.array([_seconds(fitted, one, device) for one in singles][10:]) * 1e3
    return Speed(
        train_clips_per_s=fitted.train_clips_per_s,
        inference_clips_per_s=statistics.median(throughput),
        latency_p50_ms=float(np.percentile(latency, 50)),
        latency_p95_ms=float(np.percentile(latency, 95)),
        latency_p99_ms=float(np.percentile(latency, 99)),
        peak_memory_mb=peak_memory_mb(device),
    )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One CPU thread: what a small device has, and what no neighbour disturbs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _seconds(fitted: Fitted, indices: Tensor, device: torch.device) -> float:
    """One batch from dataset to logits."""
    module: nn.Module = fitted.inference.eval()
    synchronise: Callable[[], None] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    with torch.inference_mode():
        synchronise()
        began = time.perf_counter()
        module(fitted.batch(indices))
        synchronise()
        return time.perf_counter() - began
