"""Recipes of the graph family: graph2vec with an LSTM or a GRU, and the model that learns its subtrees end to end.

They are given clips that have graphs (the runner leaves out clips with two people, unless these are kept as two
components), and train on the task's training clips alone, unless the task is transductive.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skelbench.data.clips import Clips, DataError, IntArray
from skelbench.graph2vec import Graph2Vec, skeleton_graphs
from skelbench.graph2vec.batches import CHOSEN_LABELLINGS, LabelBatches, Labellings
from skelbench.graph2vec.documents import Vocabulary
from skelbench.graph2vec.graphs import SkeletonGraphs, window_topology
from skelbench.graph2vec.poses import LABEL_KINDS, poses
from skelbench.models.recurrent import SequenceClassifier
from skelbench.models.wl_bag import WLBagGRU
from skelbench.runs.results import Stage
from skelbench.training.built import BuiltFrom, WeightsError
from skelbench.training.log import EpochLog
from skelbench.training.sequence import Sequences, SequenceSettings, Vectors, train_sequence_classifier
from skelbench.training.settings import Settings
from skelbench.training.task import Fitted, Task, count_parameters
from skelbench.training.trained import Batch, Inputs
from skelbench.training.variant import Variant

# Adam, half cosine; with the floor, chosen on a validation camera (graph2vec/README.md).
BAG_RATE = 0.003
# Training clips that a subtree must occur in.
BAG_FLOOR = 5
BAG_ITERATIONS = 1
# Prefix of an embedding's tables among the stored weights.
TABLES = "graph2vec."
_LABELLINGS = f"{TABLES}labellings"


def graph2vec(task: Task, variant: Variant) -> Fitted:
    """PV-DBOW vectors of each graph (training graphs alone make the vocabulary), then a recurrent classifier."""
    settings = task.settings
    order = torch.cat([task.train, task.test]).cpu()
    # PV-DBOW is one process's work; the classifier is trained by all.
    embedded = task.ranks.by_first(lambda: _embedded(task, order.numpy()))
    vectors = torch.from_numpy(embedded.vectors)
    vectors = vectors.reshape(len(order), settings.windows, -1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.seed)
        classifier = SequenceClassifier(task.shape.classes, variant.cell or "lstm", input=vectors.shape[2])
    place = torch.full((len(task.clips),), -1)
    place[order] = torch.arange(len(order))
    return _train(
        task,
        classifier.to(task.fabric.device),
        Vectors(vectors[: len(task.train)]),
        Vectors(vectors[len(task.train) :]),
        lambda indices: vectors[place[indices.cpu()]].to(task.fabric.device),
        rate=SequenceSettings.learning_rate,
        table_parameters=embedded.parameters,
        tables={f"{TABLES}{name}": torch.from_numpy(table) for name, table in embedded.tables.items()},
        notes=embedded.notes,
    )


@dataclass(frozen=True)
class _Embedded:
    """What PV-DBOW learned."""

    vectors: NDArray[np.float32]
    """(graphs, width), of training and test graphs."""
    tables: dict[str, NDArray[Any]]
    parameters: int
    notes: list[str]


def _embedded(task: Task, order: IntArray) -> _Embedded:
    """`order` names the training clips and then the test clips. Their graphs, which take much memory, end here."""
    settings = task.settings
    graphs = _skeleton_graphs(task.clips, settings, order)
    learned = graphs if settings.transductive else graphs.select(np.arange(len(task.train)))
    model = Graph2Vec(
        vocabulary=settings.vocabulary,
        embedding=settings.embedding,
        seed=task.seed,
        cache_dir=task.embeddings,
        on_progress=_embedding_progress(task),
    )
    model.fit(learned)
    with warnings.catch_warnings():
        # Graphs without a known subtree: the notes say so.
        warnings.simplefilter("ignore", UserWarning)
        found = model.vectors_ if settings.transductive else model.transform(graphs)
    notes = [f"the vocabulary keeps {model.vocabulary_}"]
    if not settings.transductive and model.n_unknown_:
        notes.append(
            f"{model.n_unknown_} of {len(graphs)} graphs have no known subtree; their vectors are zeros"
        )
    tables: dict[str, NDArray[Any]] = {
        "tokens": model.vocabulary_.tokens,
        "counts": model.vocabulary_.counts,
        "table": model.table_,
    }
    return _Embedded(found, tables, model.n_table_parameters_, notes)


def wl_bag_gru(task: Task, variant: Variant) -> Fitted:
    """Subtree tokens made on the fly, a learned table, their sum per graph, and a GRU: trained together."""
    settings = task.settings
    used = torch.cat([task.train, task.test]).cpu().numpy()
    everything = poses(task.clips, "disjoint", task.shape.max_bodies, used)
    place = torch.full((len(task.clips),), -1)
    place[torch.from_numpy(everything.kept)] = torch.arange(len(everything))
    train, test = (
        LabelBatches(everything, place[part.cpu()], windows=settings.windows)
        for part in (task.train, task.test)
    )
    every = LabelBatches(everything, torch.arange(len(everything)), windows=settings.windows)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.seed)
        model = WLBagGRU(
            train.edges,
            train.nodes,
            task.shape.classes,
            labellings=len(train.labellings),
            iterations=BAG_ITERATIONS,
        ).to(task.fabric.device)
    parts = torch.arange(len(train)).split(256)
    model.keep_known((train.batch(part, False).to(task.fabric.device) for part in parts), BAG_FLOOR)
    return _train(
        task,
        model,
        train,
        test,
        lambda indices: every.batch(place[indices.cpu()], False).to(task.fabric.device),
        rate=BAG_RATE,
        cosine=True,
        tables={_LABELLINGS: _stored(CHOSEN_LABELLINGS)},
    )


def _stored(labellings: Labellings) -> Tensor:
    """Labellings as they lie beside a model's weights, float64 (K, 2): place in LABEL_KINDS, and bin size."""
    return torch.tensor([(LABEL_KINDS.index(kind), size) for kind, size in labellings], dtype=torch.float64)


def _labellings(built: BuiltFrom, weights: dict[str, Tensor]) -> Labellings:
    """The labellings that a stored row was trained with."""
    stored = weights.get(_LABELLINGS)
    kinds = range(len(LABEL_KINDS))
    if stored is None or stored.shape[1:] != (2,) or any(kind not in kinds for kind in stored[:, 0].tolist()):
        raise WeightsError(
            f"{built.variant}: the weights do not say how nodes were labelled, as an early version's; train it again"
        )
    return tuple((LABEL_KINDS[int(kind)], size) for kind, size in stored.tolist())


def restore_graph2vec(
    variant: Variant, built: BuiltFrom, weights: dict[str, Tensor]
) -> tuple[nn.Sequential, Inputs]:
    """A stored graph2vec row.

    With gensim, `Graph2Vec.transform` infers all graphs it is given together, so the vectors of one clip vary a little
    with the others.
    """
    tables = {
        name.removeprefix(TABLES): weights[name].numpy() for name in list(weights) if name.startswith(TABLES)
    }
    vocabulary = Vocabulary(tables["tokens"], tables["counts"], len(tables["tokens"]))
    settings = Settings(**built.settings)
    embedding = Graph2Vec.from_table(
        vocabulary, tables["table"], seed=built.seed, embedding=settings.embedding
    )

    def inputs(clips: Clips, device: torch.device) -> Batch:
        if settings.two_person == "drop" and (clips.bodies != 1).any():
            worst = clips.names[int((clips.bodies != 1).argmax())]
            raise DataError(
                f"{clips.source}: clip {worst} has several people, {built.variant} was trained without such clips: "
                "leave it out"
            )
        graphs = _skeleton_graphs(clips, settings)
        vectors = torch.from_numpy(embedding.transform(graphs)).reshape(len(clips), settings.windows, -1)
        return lambda indices: vectors[indices.cpu()].to(device)

    model = SequenceClassifier(built.shape["classes"], variant.cell or "lstm", input=tables["table"].shape[1])
    return _headless(model, weights), inputs


def restore_wl_bag(
    variant: Variant, built: BuiltFrom, weights: dict[str, Tensor]
) -> tuple[nn.Sequential, Inputs]:
    """A stored wl-bag row."""
    bodies, windows = built.shape["max_bodies"], Settings(**built.settings).windows
    labellings = _labellings(built, weights)

    def inputs(clips: Clips, device: torch.device) -> Batch:
        everything = poses(clips, "disjoint", bodies)
        batches = LabelBatches(everything, torch.arange(len(clips)), labellings, windows=windows)
        return lambda indices: batches.batch(indices.cpu(), False).to(device)

    nodes = LabelBatches.window * bodies * len(built.joint_names)
    edges = window_topology(built.skeleton, LabelBatches.window, bodies)
    model = WLBagGRU(
        edges, nodes, built.shape["classes"], labellings=len(labellings), iterations=BAG_ITERATIONS
    )
    return _headless(model, weights), inputs


def _headless(model: SequenceClassifier | WLBagGRU, weights: dict[str, Tensor]) -> nn.Sequential:
    """The model up to its last layer, and that layer."""
    model.load_state_dict({name: weight for name, weight in weights.items() if not name.startswith(TABLES)})
    classifier = model.linear
    model.linear = nn.Identity()  # type: ignore[assignment]
    return nn.Sequential(OrderedDict(encoder=model, classifier=classifier))


def _skeleton_graphs(clips: Clips, settings: Settings, index: IntArray | None = None) -> SkeletonGraphs:
    return skeleton_graphs(
        clips,
        windows=settings.windows,
        label=settings.node_label,
        bin_size=settings.bin_size,
        two_person=settings.two_person,
        index=index,
    )


def _train(
    task: Task,
    model: nn.Module,
    train: Sequences,
    test: Sequences,
    batch: Callable[[Tensor], Tensor],
    rate: float,
    cosine: bool = False,
    table_parameters: int = 0,
    tables: dict[str, Tensor] | None = None,
    notes: Sequence[str] = (),
) -> Fitted:
    settings = task.settings
    rate = settings.sequence_lr or rate
    result = train_sequence_classifier(
        model,
        train,
        task.data.label[task.train].cpu(),
        test,
        SequenceSettings(
            epochs=settings.sequence_epochs,
            batch_size=settings.sequence_batch_size,
            learning_rate=rate,
            cosine=cosine,
            seed=task.seed,
        ),
        task.on_epoch,
        task.checkpoint,
        task.fabric,
        task.ranks,
    )
    return Fitted(
        model,
        batch,
        result.logits,
        tables=tables or {},
        notes=list(notes),
        training_parameters=count_parameters(model) + table_parameters,
        coverage=len(task.train),
        train_clips_per_s=result.clips_per_second,
        history=result.history,
        stages=[Stage("train", settings.sequence_epochs, settings.sequence_batch_size, rate, "Adam")],
    )


def _embedding_progress(task: Task) -> Callable[[str, int, int], None]:
    """Epochs of PV-DBOW on the task's bar."""

    def show(stage: str, done: int, total: int) -> None:
        if stage == "epoch":
            task.on_epoch(EpochLog("embedding", done, total, float("nan"), 0.0, 0.0))

    return show
