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
    left_hip=12,
    right_hip=16,
)  # fmt: skip
"""The 25 joints and 24 bones of NTU RGB+D (Shahroudy et al., CVPR 2016, figure 1; 0-based here)."""

KINECT_20 = (
    "hip_center", "spine", "shoulder_center", "head",
    "left_shoulder", "left_elbow", "left_wrist", "left_hand",
    "right_shoulder", "right_elbow", "right_wrist", "right_hand",
    "left_hip", "left_knee", "left_ankle", "left_foot",
    "right_hip", "right_knee", "right_ankle", "right_foot",
)  # fmt: skip
"""Joints of Kinect v1, as NW-UCLA numbers them."""
KINECT_20_EDGES = (
    (1, 0), (2, 1), (3, 2), (4, 2), (5, 4), (6, 5), (7, 6), (8, 2), (9, 8), (10, 9), (11, 10),
    (12, 0), (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18),
)  # fmt: skip
COCO_17 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
"""Keypoints of COCO."""
COCO_17_EDGES = (
    (1, 0), (2, 0), (3, 1), (4, 2), (5, 0), (6, 0), (7, 5), (8, 6), (9, 7), (10, 8),
    (11, 5), (12, 6), (13, 11), (14, 12), (15, 13), (16, 14),
)  # fmt: skip
OPENPOSE_18 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
"""Keypoints of OpenPose, as Kinetics-Skeleton has them."""
OPENPOSE_18_EDGES = (
    (0, 1), (2, 1), (3, 2), (4, 3), (5, 1), (6, 5), (7, 6), (8, 2), (9, 8), (10, 9), (11, 5), (12, 11), (13, 12),
    (14, 0), (15, 0), (16, 14), (17, 15),
)  # fmt: skip

# Names in use for each role, most wanted first; letters only, lower case. A joint of the ASF/AMC files of
# HDM05 is the far end of the bone of that name, so its shoulders are the ends of the clavicles.
_ROLES = {
    "root": (
        "spinemid",
        "midspine",
        "spine",
        "torso",
        "root",
        "pelvis",
        "hipcenter",
        "spinebase",
        "midhip",
        "hips",
    ),
    "left_shoulder": ("lshoulder", "leftshoulder", "shoulderleft", "lclavicle", "leftarm", "shoulderl"),
    "right_shoulder": ("rshoulder", "rightshoulder", "shoulderright", "rclavicle", "rightarm", "shoulderr"),
    "hip": ("spinebase", "hipcenter", "midhip", "pelvis", "root", "hips", "torso"),
    "neck": ("spineshoulder", "shouldercenter", "neck", "lowerneck", "thorax", "head"),
    "left_hip": ("lhip", "lefthip", "hipleft", "lhipjoint", "leftupleg", "hipl"),
    "right_hip": ("rhip", "righthip", "hipright", "rhipjoint", "rightupleg", "hipr"),
}


def skeleton_from(
    joint_names: Sequence[str], edges: Sequence[tuple[int, int]], root: int | None = None
) -> Skeleton:
    """A skeleton whose roles are found by the joints' names.

    Args:
        joint_names: of the J joints.
        edges: bones, (child, parent).
        root: joint that the data name as the root; None: found by its name, else the joint that is nobody's child,
            else joint 0. The other roles stay None where no name fits.
    """
    letters = [re.sub("[^a-z]", "", name.lower()) for name in joint_names]
    found: dict[str, int | None] = {
        role: next((letters.index(name) for name in wanted if name in letters), None)
        for role, wanted in _ROLES.items()
    }
    by_name = found.pop("root")
    centred = by_name is not None or root is not None
    if by_name is None:
        children = {child for child, _ in edges}
        by_name = (
            root
            if root is not None
            else next((joint for joint in range(len(joint_names)) if joint not in children), 0)
        )
    if found["hip"] == found["neck"]:
        found["hip"] = found["neck"] = None
    return Skeleton(tuple(joint_names), tuple(edges), by_name, centred=centred, **found)


def skeleton_of(joints: int) -> Skeleton:
    """The skeleton that data of so many joints have, where their file does not tell; without bones where none is known.

    25 joints: Kinect v2 (NTU RGB+D); 20: Kinect v1 (NW-UCLA); 17: COCO; 18: OpenPose.
    """
    if joints == 25:
        return NTU_25
    names, edges = {
        20: (KINECT_20, KINECT_20_EDGES),
        17: (COCO_17, COCO_17_EDGES),
        18: (OPENPOSE_18, OPENPOSE_18_EDGES),
    }.get(joints, (tuple(f"joint {number}" for number in range(joints)), ()))
    return skeleton_from(names, edges)
