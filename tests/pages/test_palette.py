"""The palette, measured: any two colours are told apart by full colour vision, in protanopia and in deuteranopia."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import skelbench.pages
from skelbench.runs.looks import COLORS, MARKERS
from skelbench.variants import VARIANTS

STYLE = (Path(skelbench.pages.__file__).parent / "templates/style.css").read_text()
# Machado, Oliveira and Fernandes (2009), severity 1.0; on linear RGB.
VISION = {
    "full": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def themes() -> dict[str, dict[str, str]]:
    """Every variable of the light and of the dark page."""
    light, dark = re.findall(r":root(?::not\(.printing\))? \{(.*?)\}", STYLE, re.S)
    return {
        name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for name, block in (("light", light), ("dark", dark))
    }


def linear(color: str) -> np.ndarray:
    channels = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    share = XYZ @ rgb.clip(0, 1) / XYZ.sum(1)
    x, y, z = np.where(share > 216 / 24389, np.cbrt(share), (24389 / 27 * share + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def ciede2000(first: np.ndarray, second: np.ndarray) -> float:
    """Sharma, Wu and Dalal (2005), of two colours in CIELAB."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))
    c1, c2 = np.hypot((1 + g) * a1, b1), np.hypot((1 + g) * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, (1 + g) * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    mean_h = (h1 + turn / 2) % 360 if c1 * c2 else h1 + h2
    t = (
        1
        - 0.17 * np.cos(np.radians(mean_h - 30))
        + 0.24 * np.cos(np.radians(2 * mean_h))
        + 0.32 * np.cos(np.radians(3 * mean_h + 6))
        - 0.20 * np.cos(np.radians(4 * mean_h - 63))
    )
    s_l = 1 + 0.015 * (mean_l - 50) ** 2 / np.sqrt(20 + (mean_l - 50) ** 2)
    s_c, s_h = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * t
    rotation = -np.sin(np.radians(60 * np.exp(-(((mean_h - 275) / 25) ** 2)))) * 2
    rotation *= np.sqrt(mean_c**7 / (mean_c**7 + 25.0**7))
    parts = (l2 - l1) / s_l, (c2 - c1) / s_c, hue / s_h
    return float(np.sqrt(sum(part**2 for part in parts) + rotation * parts[1] * parts[2]))


def contrast(first: str, second: str) -> float:
    """WCAG 2.2."""
    light, dark = sorted((float(XYZ[1] @ linear(color)) for color in (first, second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [  # Sharma, Wu and Dalal (2005), table 1: pairs 1, 7, 15 and 25
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, -0.0010, 2.4900), (50.0, 0.0011, -2.4900), 4.7461),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ],
)
def test_the_distance_is_the_published_one(first, second, distance):
    assert ciede2000(np.array(first), np.array(second)) == pytest.approx(distance, abs=2e-4)


@pytest.mark.parametrize(("theme", "least"), [("light", 11.5), ("dark", 13.0)])
@pytest.mark.parametrize("vision", VISION)
def test_any_two_colours_are_told_apart(theme, least, vision):
    seen = {
        name: lab(VISION[vision] @ linear(themes()[theme][f"s{place}"])) for place, name in enumerate(COLORS)
    }
    distance = {pair: ciede2000(seen[pair[0]], seen[pair[1]]) for pair in combinations(COLORS, 2)}
    nearest = min(distance, key=distance.get)
    assert distance[nearest] >= least, nearest


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_colour_stands_out_from_the_page(theme):
    colors = themes()[theme]
    assert f"s{len(COLORS)}" not in colors
    for place in range(len(COLORS)):
        for ground in ("card", "paper"):
            assert contrast(colors[f"s{place}"], colors[ground]) >= 3
    for text in ("ink", "soft", "accent", "good", "bad"):
        assert contrast(colors[text], colors["card"]) >= 4.5


def test_every_built_in_row_has_a_look_of_its_own():
    """A pair of colour and marker; within a family, a colour."""
    looks = [(row.color, row.marker) for row in VARIANTS]
    assert len(set(looks)) == len(VARIANTS)
    assert {color for color, _ in looks} <= set(COLORS)
    assert {marker for _, marker in looks} <= set(MARKERS)
    own = {(row.family, row.color) for row in VARIANTS}
    assert len(own) == len(VARIANTS)
