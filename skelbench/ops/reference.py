"""The ops in plain torch, any dtype and device: the oracle of the tests, the baseline, the fallback."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from skelbench.ops.clips import RaggedClips

# ---- contrastive: SupCon, NT-Xent, TCL ----


def contrastive_rows(
    embeddings: Tensor,
    labels: Tensor | None,
    contrasts: Tensor | None = None,
    contrast_labels: Tensor | None = None,
    *,
    positives: Tensor | None = None,
    temperature: float | Tensor = 0.07,
    k1: float = 0.0,
    k2: float = 1.0,
    self_offset: int | None = 0,
) -> tuple[Tensor, Tensor]:
    """Loss of each anchor (N,), 0 where it has no positive, and its number of positives (N,), int64.

    The general form of `skelbench.ops.contrastive_loss`, in the input's dtype, with N x M matrices and a
    maximum taken over the terms that are there, so that it holds for any temperature.
    """
    others = embeddings if contrasts is None else contrasts
    if positives is None:
        assert labels is not None
        positives = share_a_label(labels, labels if contrast_labels is None else contrast_labels)
    n, m = embeddings.shape[0], others.shape[0]
    # As the op: autocast would round the product.
    with torch.autocast(embeddings.device.type, enabled=False):
        similarity = embeddings @ others.T
    valid = torch.ones(n, m, dtype=torch.bool, device=embeddings.device)
    if contrasts is None:
        valid.fill_diagonal_(False)
    elif self_offset is not None:
        rows = torch.arange(n, device=embeddings.device)
        valid[rows, rows + self_offset] = False
    positive = valid & positives
    negative = valid & ~positive
    logits = similarity / temperature
    terms = [logits.masked_fill(~positive, -torch.inf)]
    if k2 > 0:
        weight = torch.tensor(k2, dtype=torch.float64).log().item()
        terms.append((logits + weight).masked_fill(~negative, -torch.inf))
    if k1 > 0:
        weight = torch.tensor(k1, dtype=torch.float64).log().item()
        terms.append((weight - similarity).masked_fill(~positive, -torch.inf))
    count = positive.sum(1)
    # Rows without a positive have no loss; a finite dummy keeps their gradient at zero instead of NaN.
    anchor = count > 0
    exponents = torch.cat(terms, 1).masked_fill(~anchor[:, None], 0.0)
    mean_positive = logits.masked_fill(~positive, 0.0).sum(1) / count.clamp(min=1)
    loss = torch.logsumexp(exponents, 1) - mean_positive
    return torch.where(anchor, loss, loss.new_zeros(())), count


def share_a_label(labels: Tensor, others: Tensor) -> Tensor:
    """Which rows have a label in common, bool (N, M), from one label per row or from several, of which -1 is none."""
    if labels.dim() == 1:
        return labels[:, None] == others[None, :]
    shared = torch.zeros(len(labels), len(others), dtype=torch.bool, device=labels.device)
    for own in labels.unbind(1):
        for other in others.unbind(1):
            shared |= (own[:, None] == other[None, :]) & (own != -1)[:, None]
    return shared


def contrastive_loss(
    embeddings: Tensor, labels: Tensor | None, *, reduction: str = "mean", **options: Any
) -> Tensor:
    """`skelbench.ops.contrastive_loss` in plain torch, in the input's dtype; `options` as `contrastive_rows`."""
    rows, count = contrastive_rows(embeddings, labels, **options)
    return reduce(rows, count > 0, reduction)


def reduce(rows: Tensor, anchors: Tensor, reduction: str) -> Tensor:
    """Mean over the anchors that have a positive (0 if none has), sum, or the rows themselves ("none")."""
    if reduction == "mean":
        return rows.sum() / anchors.sum().clamp(min=1)
    return rows.sum() if reduction == "sum" else rows


def supcon_eager(embeddings: Tensor, labels: Tensor, temperature: float = 0.07) -> Tensor:
    """SupCon as SupContrast formulates it (Khosla et al. 2020, eq. 2): the speed baseline. No singletons."""
    logits = embeddings @ embeddings.T / temperature
    logits = logits - logits.max(1, keepdim=True).values.detach()
    positive = (labels[:, None] == labels[None, :]).to(logits.dtype)
    others = torch.ones_like(positive).fill_diagonal_(0)
    positive = positive * others
    exp_logits = torch.exp(logits) * others
    log_prob = logits - torch.log(exp_logits.sum(1, keepdim=True))
    return -((positive * log_prob).sum(1) / positive.sum(1)).mean()


def tcl_eager(
    embeddings: Tensor, labels: Tensor, temperature: float = 0.1, k1: float = 5000.0, k2: float = 1.0
) -> Tensor:
    """TCL as its authors formulate it (WACV 2025): the speed baseline. No singletons."""
    similarity = embeddings @ embeddings.T
    same = (labels[:, None] == labels[None, :]).to(similarity.dtype)
    negative = 1 - same
    positive = same - torch.eye(len(labels), dtype=same.dtype, device=same.device)
    exp_logits = torch.exp(similarity / temperature)
    attraction = (exp_logits * positive).sum(1) + k1 * (torch.exp(-similarity) * positive).sum(1)
    denominator = attraction + k2 * (exp_logits * negative).sum(1)
    log_prob = torch.log(exp_logits / denominator[:, None])
    return -((log_prob * positive).sum(1) / positive.sum(1)).mean()


# ---- ragged: clips without their padding ----


def packed_rows(offsets: Tensor, frames: Tensor, bodies: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the rows of a batch lie: (clip, within, row), each int64 (R_b,), R_b = sum of frames * bodies.

    `clip` numbers the clip in the batch, `within` the row inside its clip, `row` the row of the packed
    joints.
    """
    counts = frames * bodies
    clip = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    within = torch.arange(len(clip), device=counts.device) - (counts.cumsum(0) - counts)[clip]
    return clip, within, offsets[clip] + within


def _slots(clips: RaggedClips) -> tuple[Tensor, Tensor, Tensor]:
    """(clip, slot, row) of every row; slot = padded frame * max_bodies + body."""
    clip, within, row = packed_rows(clips.offsets, clips.frames, clips.bodies)
    bodies = clips.bodies[clip]
    frame = clips.start[clip] + within // bodies
    return clip, frame * clips.max_bodies + within % bodies, row


def pad(clips: RaggedClips) -> Tensor:
    """The clips as zero-padded rows (B, features); column ((t * max_bodies + m) * J + j) * 3 + c."""
    clip, slot, row = _slots(clips)
    padded = clips.joints.new_zeros(len(clips), clips.length * clips.max_bodies, *clips.joints.shape[1:])
    return padded.index_put((clip, slot), clips.joints[row]).flatten(1)


def ragged_linear(clips: RaggedClips, weight: Tensor, bias: Tensor) -> Tensor:
    """`linear(pad(clips), weight, bias)`: weight (out, features), bias (out,) -> (B, out)."""
    return F.linear(pad(clips), weight, bias)


def ragged_decode(hidden: Tensor, weight: Tensor, bias: Tensor, clips: RaggedClips) -> Tensor:
    """`linear(hidden, weight, bias)` read where the clips have a body: -> (R_b, J, 3) in their row order."""
    clip, slot, _ = _slots(clips)
    padded = F.linear(hidden, weight, bias)
    return padded.view(len(clips), -1, *clips.joints.shape[1:])[clip, slot]


# ---- augment: the shear view and the reverse view ----


def augment(clips: RaggedClips, index: Tensor, shear: Tensor, reverse: Tensor) -> RaggedClips:
    """`skelbench.ops.augment`: the shear views of the clips at `index`, then their reverse views."""
    chosen = clips.select(index)
    frames, bodies = chosen.frames, chosen.bodies
    clip, within, row = packed_rows(chosen.offsets, frames, bodies)
    sheared = torch.einsum("rji,rik->rjk", clips.joints[row], shear.to(clips.joints.dtype)[clip])
    m = bodies[clip]
    mirrored = (frames[clip] - 1 - within // m) * m + within % m
    reversed_row = row + torch.where(reverse[clip], mirrored - within, 0)
    joints = torch.cat([sheared, clips.joints[reversed_row]])
    frames, bodies = frames.repeat(2), bodies.repeat(2)
    counts = frames * bodies
    start = view_starts(clips, index, reverse)
    return RaggedClips(
        joints, counts.cumsum(0) - counts, frames, bodies, start, clips.length, clips.max_bodies
    )


def view_starts(clips: RaggedClips, index: Tensor, reverse: Tensor) -> Tensor:
    """First padded frame of each view, int64 (2B,): reversing the padded row mirrors the clip's place in it."""
    start = clips.start[index]
    mirrored = clips.length - clips.frames[index] - start
    return torch.cat([start, torch.where(reverse, mirrored, start)])


# ---- wl: rooted subtrees ----

_LEAF, _DEPTH = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03


def _signed(word: int) -> int:
    """The int64 with the bits of an unsigned 64-bit word."""
    return word - (1 << 64) if word >> 63 else word


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Shift of the 64-bit word, zeros coming in (torch's own shift repeats the sign)."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift_right(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shift_right(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shift_right(x, 31)


def wl_subtrees(labels: Tensor, indptr: Tensor, indices: Tensor, iterations: int, bits: int = 64) -> Tensor:
    """Tokens of rooted subtrees: labels int64 (G, V) -> int64 (G, iterations + 1, V), bit for bit those of the op.

    The hash is stated in `csrc/wl/hash.h`. indptr (V + 1,) and indices: neighbour lists, as in `ops.wl_subtrees_csr`.
    """
    mask = _signed((1 << bits) - 1)
    owner = torch.repeat_interleave(torch.arange(labels.shape[1], device=labels.device), indptr.diff())
    tokens = [_mix(labels + _signed(_LEAF)) & mask]
    for _ in range(iterations):
        own = tokens[-1]
        neighbours = torch.zeros_like(own).index_add_(1, owner, own[:, indices])
        turned = (own << 23) | _shift_right(own, 64 - 23)
        tokens.append(_mix(turned + neighbours + _signed(_DEPTH)) & mask)
    return torch.stack(tokens, dim=1)


# ---- pv_dbow: an epoch of document vectors ----

_GOLDEN = 0x9E3779B97F4A7C15
_STEP, _SEGMENT, _SATURATED = 4, 64, 6.0


def _uniform(seed: int, epoch: int, stream: int, count: int) -> Tensor:
    """The first `count` numbers of a stream, float64 in [0, 1), those of `csrc/pv_dbow/random.h`."""
    key = torch.tensor(seed)
    for number in (0, epoch, stream):
        key = _mix(key + number + _signed(_GOLDEN))
    numbers = _mix(key + torch.arange(1, count + 1) * _signed(_GOLDEN))
    return _shift_right(numbers, 11).double() * 2.0**-53


def _thinned(words: Tensor, keep: Tensor, numbers: Tensor) -> Tensor:
    """The words of a document that down-sampling leaves, int64."""
    there = words >= 0
    return words[there & (numbers < keep[words.clamp_min(0).long()])].long()


def _step_of_document(
    vector: Tensor, table: Tensor, words: Tensor, samples: Tensor, rate: float
) -> tuple[Tensor, Tensor]:
    """Up to `_STEP` words and their samples (words, negative): the rows, and how far each follows the vector."""
    rows = torch.cat([words, samples.flatten()])
    label = (torch.arange(len(rows)) < len(words)).to(vector.dtype)
    product = table[rows] @ vector
    slope = rate * (label - torch.sigmoid(product))
    slope[product.abs() >= _SATURATED] = 0
    slope[len(words) :][(samples == words[:, None]).flatten()] = 0
    return rows, slope


def pv_dbow_train_(
    vectors: Tensor,
    table: Tensor,
    words: Tensor,
    indptr: Tensor,
    cumulative: Tensor,
    keep: Tensor,
    rate: float,
    next_rate: float,
    negative: int,
    epoch: int,
    seed: int,
    block: int,
) -> None:
    """An epoch of `skelbench.ops.pv_dbow`, in place, in the order that `csrc/pv_dbow/README.md` states."""
    blocks = -(-len(vectors) // block)
    parts = words.split(indptr.diff().tolist())
    for b in range(blocks):
        now = rate + (next_rate - rate) * b / blocks
        members = range(b, len(vectors), blocks)
        kept = {d: _thinned(parts[d], keep, _uniform(seed, epoch, 2 * d, len(parts[d]))) for d in members}
        longest = max(len(part) for part in kept.values())
        samples = _samples(cumulative, _uniform(seed, epoch, 2 * b + 1, longest * negative), negative)
        for first in range(0, longest, _SEGMENT):
            change = torch.zeros_like(table)
            for d, part in kept.items():
                for place in range(first, min(first + _SEGMENT, len(part)), _STEP):
                    some = part[place : place + _STEP]
                    shared = samples[place : place + len(some)]
                    rows, slope = _step_of_document(vectors[d], table, some, shared, now)
                    change.index_add_(0, rows, slope[:, None] * vectors[d])
                    vectors[d] += slope @ table[rows]
            table += change


def pv_dbow_infer_(
    vectors: Tensor,
    table: Tensor,
    words: Tensor,
    indptr: Tensor,
    cumulative: Tensor,
    keep: Tensor,
    rate: float,
    negative: int,
    epoch: int,
    seed: int,
) -> None:
    """An epoch of `skelbench.ops.pv_dbow_infer`, in place."""
    lengths = indptr.diff().tolist()
    longest = max(lengths, default=0)
    samples = _samples(cumulative, _uniform(seed, epoch, 1, longest * negative), negative)
    thinning = _uniform(seed, epoch, 0, longest)
    for vector, document in zip(vectors, words.split(lengths), strict=True):
        part = _thinned(document, keep, thinning[: len(document)])
        for place in range(0, len(part), _STEP):
            some = part[place : place + _STEP]
            rows, slope = _step_of_document(vector, table, some, samples[place : place + len(some)], rate)
            vector += slope @ table[rows]


def _samples(cumulative: Tensor, numbers: Tensor, negative: int) -> Tensor:
    """Negative samples, int64 (numbers / negative, negative)."""
    return torch.searchsorted(cumulative, numbers, right=True).reshape(-1, negative)


# ---- bag: sums of embeddings ----

_WORD = 0xFFFFFFFF


def _mix32(x: Tensor) -> Tensor:
    """The finalizer of MurmurHash3 on 32-bit words held as int64."""
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & _WORD
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & _WORD
    return x ^ (x >> 16)


def _tokens_used(
    first: int, bags: int, tokens: int, dropout: float, seed: int, device: torch.device
) -> Tensor:
    """Which tokens dropout leaves, bool (bags, tokens), as in `csrc/bag/cpu.cpp`."""
    golden = 0x9E3779B9
    start = _mix32(torch.tensor((seed + golden) & _WORD, device=device)) ^ (seed >> 32)
    of_bag = _mix32(start) + _mix32((torch.arange(first, first + bags, device=device) + golden) & _WORD)
    place = torch.arange(tokens, device=device) * golden
    return _mix32((of_bag[:, None] + place) & _WORD) >= int(dropout * 2**32)


def bag_sums(
    rows: Tensor,
    table: Tensor,
    weight: Tensor,
    known: Tensor,
    dropout: float = 0.0,
    seed: int = 0,
    first: int = 0,
) -> Tensor:
    """`skelbench.ops.bag_sums`: rows (G, L), table (R, D), weight (C,), known (R,) -> (G, D)."""
    if rows.shape[1] == 0:
        return (table[:1].sum() + weight.sum()) * table.new_zeros(len(rows), table.shape[1])
    used = known[rows.long()] & _tokens_used(first, rows.shape[0], rows.shape[1], dropout, seed, rows.device)
    repeats = rows.shape[1] // len(weight)
    each = used * weight.repeat_interleave(repeats) / (1 - dropout)
    # A token that is left out reads a row of zeros: its own may be anything, and 0 times NaN is not 0.
    read = torch.where(used, rows.long(), len(table))
    with_zeros = torch.cat([table, table.new_zeros(1, table.shape[1])])
    return F.embedding_bag(read, with_zeros, mode="sum", per_sample_weights=each)
