"""Clips of one skeleton as clips of another: joints are found by the part of the body that their names say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skelbench.data.clips import Clips, DataError, Skeleton

# Names in use for each part, most wanted first; letters only, lower case, without left or right. A joint of the ASF/AMC
# files of HDM05 is the far end of the bone of that name: the humerus ends at the elbow.
_MIDDLE = {
    "hips": ("hipcenter", "spinebase", "midhip", "pelvis", "hips", "root"),
    "spine": ("spinemid", "midspine", "spine", "torso", "lowerback", "upperback"),
    "neck": ("shouldercenter", "spineshoulder", "neck", "lowerneck", "thorax"),
    "head": ("head", "nose", "upperneck"),
}
_SIDED = {
    "shoulder": ("shoulder", "clavicle", "arm"),
    "elbow": ("elbow", "humerus", "forearm"),
    "wrist": ("radius", "wrist"),
    "hand": ("hand",),
    "hip": ("hip", "hipjoint", "upleg"),
    "knee": ("knee", "femur", "leg"),
    "ankle": ("ankle", "tibia"),
    "foot": ("foot",),
}
# A skeleton that shares fewer parts with the other is another thing.
_LEAST = 5


def parts(joint_names: Sequence[str]) -> dict[str, int]:
    """The joint of each part that the names tell: "left wrist" -> joint index."""
    names = [re.sub("[^a-z]", "", name.lower()) for name in joint_names]
    found: dict[str, int] = {}
    for part, wanted in _MIDDLE.items():
        place = next((names.index(name) for name in wanted if name in names), None)
        if place is not None:
            found[part] = place
    for side in ("left", "right"):
        for part, wanted in _SIDED.items():
            forms = [
                form
                for name in wanted
                for form in (side + name, name + side, side[0] + name, name + side[0])
                if form in names
            ]
            if forms:
                found[f"{side} {part}"] = names.index(forms[0])
    return found


def onto(clips: Clips, skeleton: Skeleton) -> tuple[Clips, list[str]]:
    """`clips` with the joints of another skeleton.

    A joint that the clips do not have lies where the nearest joint of the other skeleton lies that they have, along its
    bones.

    Returns:
        The clips, and the names of the joints that they do not have.

    Raises:
        DataError: the skeletons share fewer than five parts of the body by their names.
    """
    own, theirs = parts(skeleton.joint_names), parts(clips.skeleton.joint_names)
    source = {joint: theirs[part] for part, joint in own.items() if part in theirs}
    if len(source) < _LEAST:
        raise DataError(
            f"{clips.source}: {len(source)} of its joints have a counterpart by name in a skeleton of "
            f"{', '.join(skeleton.joint_names[:4])}, ...: name them as docs/formats.md does"
        )
    count = len(skeleton.joint_names)
    missing = [skeleton.joint_names[joint] for joint in range(count) if joint not in source]
    columns = [source[_nearest(joint, source, skeleton)] for joint in range(count)]
    return replace(clips, joints=np.ascontiguousarray(clips.joints[:, columns]), skeleton=skeleton), missing


def _nearest(joint: int, known: dict[int, int], skeleton: Skeleton) -> int:
    """The nearest of the known joints along the bones, itself if it is one; the root's first where none is joined."""
    reached, seen = [joint], {joint}
    while reached:
        for place in reached:
            if place in known:
                return place
        step = []
        for child, parent in skeleton.edges:
            step += [b for a, b in ((child, parent), (parent, child)) if a in reached and b not in seen]
        seen.update(step)
        # The body's middle first: a hand that is not there lies at the wrist and not at a finger.
        reached = sorted(set(step), key=lambda place: place != skeleton.root)
    return next(iter(known))
