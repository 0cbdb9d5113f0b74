"""What joint names and bones say of a skeleton: left and right, landmarks, and the tree that the bones make."""

from __future__ import annotations

import re

from skelbench.data.clips import Skeleton

LANDMARKS = 5

# Names of each landmark, most wanted first; letters only, lower case.
_LANDMARKS = (
    ("head", "upperneck"),
    ("lhand", "lefthand", "handleft", "lwrist", "leftwrist", "wristleft"),
    ("rhand", "righthand", "handright", "rwrist", "rightwrist", "wristright"),
    ("lfoot", "leftfoot", "footleft", "lankle", "leftankle", "ankleleft"),
    ("rfoot", "rightfoot", "footright", "rankle", "rightankle", "ankleright"),
)
_SIDES = (("left", "right"), ("right", "left"))


def letters(skeleton: Skeleton) -> list[str]:
    """Joint names in lower-case letters only: "l_hand", "LHand" and "l-hand" are one name."""
    return [re.sub("[^a-z]", "", name.lower()) for name in skeleton.joint_names]


def mirrored(skeleton: Skeleton) -> list[int]:
    """For each joint, the joint of the other side by its name; itself where there is none."""
    names = letters(skeleton)
    place = {name: joint for joint, name in enumerate(names)}

    def other(name: str) -> int | None:
        swapped = [name.replace(a, b) for a, b in _SIDES if a in name]
        if name[:1] in ("l", "r"):
            swapped.append({"l": "r", "r": "l"}[name[0]] + name[1:])
        if name[-1:] in ("l", "r"):
            swapped.append(name[:-1] + {"l": "r", "r": "l"}[name[-1]])
        return next((place[found] for found in swapped if found in place), None)

    pairs = [other(name) for name in names]
    return [
        partner if partner is not None and pairs[partner] == joint else joint
        for joint, partner in enumerate(pairs)
    ]


def torso_pairs(skeleton: Skeleton) -> list[tuple[int, int]]:
    """(left, right) shoulders and hips, as far as the skeleton knows them; their lines give the body's yaw."""
    known = (
        (skeleton.left_shoulder, skeleton.right_shoulder),
        (skeleton.left_hip, skeleton.right_hip),
    )
    return [(left, right) for left, right in known if left is not None and right is not None]


def landmarks(skeleton: Skeleton) -> list[int]:
    """Head, hands and feet (or the nearest joint named), at most `LANDMARKS` joints.

    Where names are missing, ends of the bones (joints that are nobody's parent) fill the places in joint order; a
    skeleton with too few of these has fewer landmarks.
    """
    names = letters(skeleton)
    found = [next((names.index(name) for name in wanted if name in names), None) for wanted in _LANDMARKS]
    chosen = list(dict.fromkeys(joint for joint in found if joint is not None))
    inner = {parent for _, parent in skeleton.edges}
    ends = [joint for joint in range(len(names)) if joint not in inner and joint not in chosen]
    return (chosen + ends)[:LANDMARKS]


def parents(skeleton: Skeleton) -> list[int]:
    """The parent of each joint; itself where it has none, or where its bones run in a circle."""
    parent = list(range(len(skeleton.joint_names)))
    for child, above in skeleton.edges:
        parent[child] = above
        if _circular(parent, child):
            parent[child] = child
    return parent


def _circular(parent: list[int], joint: int) -> bool:
    start = joint
    while parent[joint] != joint:
        joint = parent[joint]
        if joint == start:
            return True
    return False
