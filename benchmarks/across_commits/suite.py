"""The benchmarks that asv runs at every commit: time, peak memory, and the ratio of an op's time to its peer's.

The ratio is the regression signal: its two sides are timed in turn, so that a busy machine slows both. A commit that
lacks an op has no figure for it.
"""

from __future__ import annotations

from typing import Any

RATIOS = (
    "contrastive/contrastive-supcon-n1024-float32",
    "contrastive/contrastive-tcl-n1024-float32",
    "contrastive/contrastive-ntxent-n1024-float32",
    "ragged/augment-batch512",
    "ragged/ragged_linear-batch64",
    "ragged/ragged_decode-batch64",
    "wl/wl_subtrees-graphs4096",
)
TIMES = (*RATIOS, "inference/inference-conmlp-batch1", "inference/inference-wl_bag-batch1")
MEMORY = ("contrastive/contrastive-supcon-n4096-float32", "ragged/ragged_linear-batch512")


def prepared(identifier: str) -> tuple[Any, Any]:
    """(instance, problem) of "family/id".

    Raises:
        NotImplementedError: the commit lacks the op; asv skips the benchmark.
    """
    from benchmarks import cases

    try:
        instance = cases.find(*identifier.split("/"))
        problem = instance.problem()
    except (ImportError, AttributeError, RuntimeError) as error:
        raise NotImplementedError(f"{identifier}: not in this commit ({error})") from error
    problem.ours.check()
    return instance, problem


class Time:
    """Absolute times: noisy on a shared machine, but they show the shape of a change."""

    params = TIMES
    param_names = ("case",)
    number = 1
    repeat = (3, 20, 3.0)
    timeout = 300.0

    def setup(self, identifier: str) -> None:
        """Prepare the case and run it once."""
        self.run = prepared(identifier)[1].ours.run
        self.run()

    def time_case(self, identifier: str) -> None:
        """Run the case: asv times this."""
        self.run()


class PeakMemory:
    """Peak resident memory of a process that makes the inputs and computes once, torch included."""

    params = MEMORY
    param_names = ("case",)
    timeout = 300.0

    def setup(self, identifier: str) -> None:
        """Make the inputs; no check, which would need more memory than the case."""
        from benchmarks import cases

        try:
            self.run = cases.find(*identifier.split("/")).problem().ours.run
        except (ImportError, AttributeError, RuntimeError) as error:
            raise NotImplementedError(f"{identifier}: not in this commit ({error})") from error

    def peakmem_case(self, identifier: str) -> None:
        """Run the case: asv reads the peak of this process."""
        self.run()


class Ratio:
    """Our time over the first peer's, by interleaved groups: what `asv continuous` should judge by.

    In processor time of one thread: on a busy machine, two threads wait for each other and for other processes.
    """

    params = RATIOS
    param_names = ("case",)
    timeout = 300.0

    def setup(self, identifier: str) -> None:
        """Prepare the case on one thread."""
        import torch

        torch.set_num_threads(1)
        self.prepared = prepared(identifier)

    def track_time_over_peer(self, identifier: str) -> float:
        """Our processor time over the first peer's: asv tracks this number."""
        from benchmarks.measure import paired_ratio, processor_clock

        instance, problem = self.prepared
        peer = instance.contender(next(iter(instance.case.peers)), problem)
        ratio = paired_ratio(peer.run, problem.ours.run, seconds=3.0, min_groups=7, timer=processor_clock)
        return float(ratio.median * peer.share)

    track_time_over_peer.unit = "x the peer's time"  # type: ignore[attr-defined]
