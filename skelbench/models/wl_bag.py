"""End-to-end graph model: learned embeddings of rooted subtrees, summed per graph, then a GRU over a clip's graphs.

graph2vec learns its vectors without the classes and then freezes them. Here the table of subtree embeddings is trained
with the classifier. Deep subtrees of finely quantised poses are rare words, and a table memorises them. The remedies
are those of language models: a floor on counts, dropout of tokens, weights per depth, and several labellings (bin
sizes, motion) side by side.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from skelbench.ops.bag import bag_sums
from skelbench.ops.wl import neighbour_lists, wl_subtrees_csr
from skelbench.parallel.shares import clips_before

# Odd 64-bit word that sets the labels of one labelling apart from another's.
_CHANNEL_SALT = 0x5851F42D4C957F2D
# Graphs whose tokens are made at a time.
_GRAPHS = 512


class WLBagGRU(nn.Module):
    """Tokens of K labellings and all depths -> hashed table -> sum per graph -> GRU -> class scores."""

    indptr: Tensor
    indices: Tensor
    known: Tensor

    def __init__(
        self,
        edges: Tensor,
        nodes: int,
        classes: int,
        *,
        labellings: int = 1,
        iterations: int = 1,
        table: int = 1 << 16,
        dim: int = 64,
        hidden: int = 128,
        layers: int = 1,
        token_dropout: float = 0.3,
        dropout: float = 0.5,
    ) -> None:
        """Make a classifier.

        Args:
            edges: int64 (E, 2), undirected, the topology that all graphs share.
            nodes: nodes V of a graph.
            classes: number of classes.
            labellings: K.
            iterations: depth of the subtrees.
            table: rows of the embedding table, a power of two. Tokens with equal low bits share a row.
            dim: length of an embedding.
            hidden: units of the GRU, in each direction.
            layers: layers of the GRU.
            token_dropout: share of tokens that each sum leaves out in training; the others are scaled up.
            dropout: before the GRU and before the linear layer.

        Raises:
            ValueError: a table or token_dropout outside its range; edges as in `ops.neighbour_lists`.
        """
        super().__init__()
        if table < 2 or table & (table - 1):
            raise ValueError(f"table: expected a power of two, got {table}")
        if not 0 <= token_dropout < 1:
            raise ValueError(f"token_dropout must be in [0, 1), got {token_dropout}")
        indptr, indices = neighbour_lists(edges, nodes)
        self.register_buffer("indptr", indptr, persistent=False)
        self.register_buffer("indices", indices, persistent=False)
        self.register_buffer("known", torch.ones(table), persistent=True)
        self.iterations = iterations
        self.token_dropout = token_dropout
        self.embedding = nn.Parameter(torch.randn(table, dim) * 0.1)
        self.depth_weight = nn.Parameter(torch.ones(labellings, iterations + 1))
        # The sum of V independent embeddings then has the variance of one.
        self.scale = nodes**-0.5
        self.norm = nn.LayerNorm(dim)
        self.recurrent = nn.GRU(dim, hidden, layers, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(2 * hidden, classes)

    def rows(self, labels: Tensor) -> Tensor:
        """Table rows of all tokens of labels int64 (B, W, K, V): int32 (B * W, K * (iterations + 1) * V)."""
        batch, windows, labellings, nodes = labels.shape
        salt = (torch.arange(labellings, device=labels.device) * _CHANNEL_SALT)[:, None]
        graphs = labels.reshape(batch * windows, labellings, nodes)
        width = labellings * (self.iterations + 1) * nodes
        rows = torch.empty(batch * windows, width, dtype=torch.int32, device=labels.device)
        # On the CPU in parts, so that the 64-bit tokens stay in the cache.
        size = _GRAPHS if labels.device.type == "cpu" else max(len(graphs), 1)
        for part, to in zip(graphs.split(size), rows.split(size), strict=True):
            salted = (part + salt).reshape(-1, nodes)
            tokens = wl_subtrees_csr(salted, self.indptr, self.indices, self.iterations)
            to.copy_(tokens.bitwise_and_(len(self.embedding) - 1).reshape(len(part), width))
        return rows

    @torch.no_grad()
    def keep_known(self, batches: Iterable[Tensor], floor: int) -> int:
        """Drop, from now on, tokens whose table row occurs in fewer than `floor` clips of the training batches.

        Args:
            batches: labels, each (B, W, K, V).
            floor: least number of clips.

        Returns:
            The number of rows kept.
        """
        count = torch.zeros(len(self.embedding), dtype=torch.int64, device=self.known.device)
        for labels in batches:
            for clip in self.rows(labels).reshape(len(labels), -1):
                count[clip.unique()] += 1
        self.known.copy_(count >= floor)
        return int(self.known.sum())

    def forward(self, labels: Tensor) -> Tensor:
        """Logits (B, classes) of node labels int64 (B, W, K, V): W graphs a clip under K labellings."""
        batch, windows = labels.shape[:2]
        rows = self.rows(labels)
        dropout = self.token_dropout if self.training else 0.0
        # The seed follows torch's random state, as every dropout.
        seed = int(torch.randint(2**62, ())) if dropout > 0 else 0
        bags = bag_sums(
            rows,
            self.embedding,
            self.depth_weight.flatten() * self.scale,
            self.known > 0,
            dropout=dropout,
            seed=seed,
            first=clips_before() * windows,
        )
        sequence = self.dropout(self.norm(bags)).unflatten(0, (batch, windows))
        states, _ = self.recurrent(sequence)
        logits: Tensor = self.linear(self.dropout(states.mean(dim=1)))
        return logits
