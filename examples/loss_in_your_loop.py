"""A loss of skelbench in a training loop of your own: nothing else of the package is used.

    python examples/loss_in_your_loop.py

Made-up vectors of four classes are embedded by a small network. SupConLoss pulls together the rows with the same
label. Each batch holds two views of every sample, here the sample with two draws of noise.
"""

import torch
from torch import nn

from skelbench.losses import SupConLoss

CLASSES, PER_CLASS, FEATURES = 4, 64, 32
STEPS = 100


def main() -> tuple[float, float]:
    """Train; returns the first and the last loss."""
    torch.manual_seed(0)
    label = torch.arange(CLASSES).repeat_interleave(PER_CLASS)
    samples = torch.randn(CLASSES, FEATURES)[label] + 1.5 * torch.randn(len(label), FEATURES)

    encoder = nn.Sequential(nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, 16))
    # Rows need not be normalised: the loss does that. Memory grows with N x D, not with N x N.
    loss_of = SupConLoss(temperature=0.1)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
    losses = []
    for _ in range(STEPS):
        views = torch.stack([samples + 0.3 * torch.randn_like(samples) for _ in range(2)], dim=1)
        # (B, 2, 16) embeddings with (B,) labels; (N, 16) with (N,) labels works as well.
        loss = loss_of(encoder(views), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"SupCon loss: {losses[0]:.3f} at the start, {losses[-1]:.3f} after {STEPS} steps")
    return losses[0], losses[-1]


if __name__ == "__main__":
    main()
