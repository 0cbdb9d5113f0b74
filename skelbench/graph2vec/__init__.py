"""graph2vec on skeletons: clips -> graphs of short windows -> subtrees as words -> PV-DBOW vectors."""

from skelbench.graph2vec.embedding import Graph2Vec
from skelbench.graph2vec.graphs import SkeletonGraphs, skeleton_graphs, window_topology
from skelbench.graph2vec.poses import Poses, poses

__all__ = ["Graph2Vec", "Poses", "SkeletonGraphs", "poses", "skeleton_graphs", "window_topology"]
