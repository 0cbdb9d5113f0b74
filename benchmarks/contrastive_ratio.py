"""Speed and memory of the contrastive op: `python -m benchmarks.contrastive_ratio [--seconds S] [--quick]`.

Forward and backward at D = 128 on 60 classes, against eager torch, pytorch-metric-learning (if installed)
and the
floor: the 4 N^2 D flops of the symmetric algorithm at the best rate of `torch.mm`, measured in the same run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.measure import Ratio, paired_ratio, peak_extra_bytes
from skelbench import ops, reference

D, CLASSES = 128, 60
Loss = Callable[[Tensor, Tensor], Tensor]


def batch(n: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Unit rows (n, 128) and labels in no order, every class at least twice."""
    torch.manual_seed(0)
    labels = torch.arange(n) // 2 % CLASSES
    return F.normalize(torch.randn(n, D), dim=1).to(dtype), labels[torch.randperm(n)]


def step(loss: Loss, z: Tensor, labels: Tensor) -> Callable[[], object]:
    """Forward and backward as a training step runs them."""
    leaf = z.clone().requires_grad_()

    def run() -> None:
        leaf.grad = None
        loss(leaf, labels).backward()

    return run


def supcon(z: Tensor, labels: Tensor) -> Tensor:
    return ops.contrastive_loss(z, labels, temperature=0.07)


def tcl(z: Tensor, labels: Tensor) -> Tensor:
    return ops.contrastive_loss(z, labels, temperature=0.1, k1=5000.0)


def metric_learning() -> Loss | None:
    """pytorch-metric-learning's SupConLoss, or None where it is not installed."""
    try:
        from pytorch_metric_learning.losses import SupConLoss
    except ImportError:
        return None
    return SupConLoss(temperature=0.07)


def best_product(seconds: float) -> tuple[Callable[[], object], float]:
    """The torch.mm that reaches the highest rate here, and its flops."""
    sides = {n: torch.randn(n, n) for n in (1024, 2048)}
    products = {n: (lambda x=x: torch.mm(x, x)) for n, x in sides.items()}
    ratio = paired_ratio(products[1024], products[2048], seconds=seconds)
    best = 1024 if ratio.median > 8 else 2048
    return products[best], 2.0 * best**3


def report(what: str, n: int, ratio: Ratio, aim: str) -> None:
    flops = 4.0 * n * n * D
    print(
        f"{what:<44} N={n:<6} {ratio!s:<22} aim {aim:<7} ours {ratio.seconds_a * 1e3:9.2f} ms "
        f"{flops / ratio.seconds_a / 1e9:6.0f} GF/s, other {ratio.seconds_b * 1e3:9.2f} ms "
        f"({ratio.groups} groups)",
        flush=True,
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=6.0, help="time for one ratio")
    options.add_argument("--quick", action="store_true", help="N up to 4096, no memory measurement")
    chosen = options.parse_args()
    seconds, quick = chosen.seconds, chosen.quick
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{torch.backends.cpu.get_cpu_capability()}; "
        f"extension {'built' if ops.built else 'NOT BUILT'}, levels {ops.isa_levels() if ops.built else []}"
    )
    print("other's time / our time, median [95 % interval] of interleaved groups; fp32, forward + backward")
    for n, aim in ((1024, "3.5"), (4096, "6"), (8192, "9")):
        if n <= 4096 or not quick:
            z, y = batch(n)
            ratio = paired_ratio(step(supcon, z, y), step(reference.supcon_eager, z, y), seconds=seconds)
            report("SupCon, eager / ours", n, ratio, aim)
    for n, aim in ((1024, "4.5"), (4096, "11")):
        z, y = batch(n)
        report("TCL, eager / ours", n, paired_ratio(step(tcl, z, y), step(reference.tcl_eager, z, y)), aim)
    peer = metric_learning()
    if peer is None:
        print("pytorch-metric-learning is not installed: not compared")
    else:
        z, y = batch(2048)
        report(
            "SupCon, pytorch-metric-learning / ours",
            2048,
            paired_ratio(step(supcon, z, y), step(peer, z, y)),
            "6",
        )

    product, flops = best_product(seconds / 2)
    for n in (1024, 2048, 4096, 8192, 16384):
        if n <= 4096 or not quick:
            z, y = batch(n)
            scale = 4.0 * n * n * D / flops
            above = paired_ratio(product, step(supcon, z, y), seconds=seconds)
            print(
                f"SupCon, ours / floor (4 N^2 D at torch.mm)   N={n:<6} {above.median / scale:.2f} "
                f"[{above.low / scale:.2f}, {above.high / scale:.2f}]      aim 1.3     "
                f"torch.mm {flops / above.seconds_a / 1e9:.0f} GF/s"
            )
    z, y = batch(4096)
    ratio = paired_ratio(step(supcon, z.bfloat16(), y), step(supcon, z, y), seconds=seconds)
    report("SupCon, our fp32 / our bf16", 4096, ratio, "1.5")
    if not quick:
        n = 65536
        used = peak_extra_bytes(
            "import torch\nfrom benchmarks.contrastive_ratio import batch, step, supcon\n"
            f"step(supcon, *batch(256))()\nrun = step(supcon, *batch({n}))",
            "run()",
        )
        print(f"peak extra memory at N={n}: {used / 1e6:.0f} MB (aim: under 200; one N x N fp32 is 17180)")


if __name__ == "__main__":
    main()
