"""Skeletons: Kinect v2's 25 joints as NTU RGB+D numbers them, and the names other data give to the same roles."""

from __future__ import annotations

import re
from collections.abc import Sequence

from skelbench.data.clips import Skeleton

NTU_25 = Skeleton(
    joint_names=(
        "spine_base", "spine_mid", "neck", "head",
        "left_shoulder", "left_elbow", "left_wrist", "left_hand",
        "right_shoulder", "right_elbow", "right_wrist", "right_hand",
        "left_hip", "left_knee", "left_ankle", "left_foot",
        "right_hip", "right_knee", "right_ankle", "right_foot",
        "spine_shoulder", "left_hand_tip", "left_thumb", "right_hand_tip", "right_thumb",
    ),
    edges=(
        (0, 1), (1, 20), (2, 20), (3, 2),
        (4, 20), (5, 4), (6, 5), (7, 6), (21, 7), (22, 6),
        (8, 20), (9, 8), (10, 9), (11, 10), (23, 11), (24, 10),
        (12, 0), (13, 12), (14, 13), (15, 14),
        (16, 0), (17, 16), (18, 17), (19, 18),
    ),
    root=1,
    left_shoulder=4,
    right_shoulder=8,
    hip=0,
    neck=20,
)  # fmt: skip
"""The 25 joints and 24 bones of NTU RGB+D (Shahroudy et al., CVPR 2016, figure 1; 0-based here)."""

# Names in use for each role, most wanted first; letters only, lower case. A joint of the ASF/AMC files of
# HDM05 is the far end of the bone of that name, so its shoulders are the ends of the clavicles.
_ROLES = {
    "root": ("spinemid", "midspine", "spine", "torso", "root", "pelvis", "hipcenter", "spinebase", "midhip"),
    "left_shoulder": ("lshoulder", "leftshoulder", "shoulderleft", "lclavicle"),
    "right_shoulder": ("rshoulder", "rightshoulder", "shoulderright", "rclavicle"),
    "hip": ("spinebase", "hipcenter", "midhip", "pelvis", "root", "torso"),
    "neck": ("spineshoulder", "shouldercenter", "neck", "lowerneck", "thorax", "head"),
}


def skeleton_from(joint_names: Sequence[str], edges: Sequence[tuple[int, int]]) -> Skeleton:
    """A skeleton whose roles are found by the joints' names.

    `edges` are (child, parent). The root falls back to the joint that is nobody's child, then to joint 0; the
    other roles stay None where no name fits.
    """
    letters = [re.sub("[^a-z]", "", name.lower()) for name in joint_names]
    found: dict[str, int | None] = {
        role: next((letters.index(name) for name in wanted if name in letters), None)
        for role, wanted in _ROLES.items()
    }
    root = found.pop("root")
    if root is None:
        children = {child for child, _ in edges}
        root = next((joint for joint in range(len(joint_names)) if joint not in children), 0)
    if found["hip"] == found["neck"]:
        found["hip"] = found["neck"] = None
    return Skeleton(tuple(joint_names), tuple(edges), root, **found)
