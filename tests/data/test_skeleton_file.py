"""The .skeleton reader against plain Python, and what it says of malformed files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("skelbench.data._skeleton_file", reason="the extension is not built")

from skelbench.data import DataError, _skeleton_file, read_skeleton
from skelbench.data.synthetic.raw import skeleton_text


@pytest.fixture(autouse=True, scope="module", params=_skeleton_file.isa_levels())
def isa_level(request):
    """Every test on every instruction set of the machine."""
    before = _skeleton_file.isa_use(request.param)
    yield
    _skeleton_file.isa_use(before)


JOINT = "0.21 0.1 3.7 261.8 184 987.1 337.2 -0.22 0.03 0.9 -0.1 2"


def body(joints: int = 25, joint: str = JOINT, stated: int | None = None) -> str:
    rows = "".join(f"{joint}\n" for _ in range(joints))
    return f"72057594037944738 0 1 1 1 0 0 0.08 -0.2 2\n{stated or joints}\n{rows}"


def plain_python(text: str) -> tuple[list[int], list[int], np.ndarray, np.ndarray]:
    lines = iter(text.split("\n"))
    bodies, ids, fields, joints = [], [], [], []
    for _ in range(int(next(lines))):
        bodies.append(int(next(lines)))
        for _ in range(bodies[-1]):
            head = next(lines).split()
            ids.append(int(head[0]))
            fields.append([float(value) for value in head[1:]])
            joints.append([[float(v) for v in next(lines).split()] for _ in range(int(next(lines)))])
    return bodies, ids, np.array(fields, dtype=np.float32), np.array(joints, dtype=np.float32)


def test_every_field(tmp_path):
    rng = np.random.default_rng(0)
    frames = [[(7 + m, rng.normal(size=(25, 3)).astype(np.float32)) for m in range(t % 3)] for t in range(20)]
    text = skeleton_text(frames)
    (tmp_path / "a.skeleton").write_text(text)
    bodies, ids, fields, joints = plain_python(text)
    for source in (tmp_path / "a.skeleton", str(tmp_path / "a.skeleton"), text.encode()):
        found = read_skeleton(source)
        np.testing.assert_array_equal(found.bodies, bodies)
        np.testing.assert_array_equal(found.ids, ids)
        np.testing.assert_array_equal(found.body_fields, fields)
        np.testing.assert_array_equal(found.joints, joints)
        assert found.frames == 20
        np.testing.assert_array_equal(np.bincount(found.frame, minlength=20), bodies)
        np.testing.assert_array_equal(found.positions, joints[:, :, :3])
        np.testing.assert_array_equal(found.tracking_states, joints[:, :, 11])


@given(
    st.lists(
        st.one_of(
            st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
            st.floats(-1e30, 1e30).map(repr),
            st.decimals(-1000, 1000, places=9).map(str),
            st.integers(-(10**16), 10**16).map(str),
            st.from_regex(r"-?[0-9]{1,18}\.[0-9]{0,18}", fullmatch=True),
        ),
        min_size=12,
        max_size=12,
    )
)
@settings(max_examples=200, deadline=None)
def test_numbers_are_the_nearest_floats(numbers):
    """Bit for bit what Python's float(), rounded to float32, gives; also at the very end of the file."""
    text = f"1\n1\n{body(24)}".replace("\n24\n", "\n25\n") + " ".join(numbers)
    with np.errstate(over="ignore"):
        expected = np.array([float(number) for number in numbers]).astype(np.float32)
    for ending in ("", "\n", "\r\n\n"):
        np.testing.assert_array_equal(read_skeleton((text + ending).encode()).joints[0, 24], expected)


def with_first_joint(line: str, ending: str) -> bytes:
    """A file of one body whose first joint is `line`; 24 lines follow it, so that it is read all at once."""
    head, rest = body(24).split("\n24\n")
    return f"1\n1\n{head}\n25\n{line}\n{rest}".replace("\n", ending).encode()


def short_decimals(rng: np.random.Generator) -> list[str]:
    """Twelve numbers of at most 15 digits, with and without a sign and a point."""
    found = []
    for _ in range(12):
        whole, decimals = int(rng.integers(1, 8)), int(rng.integers(-1, 9))
        digits = "".join(map(str, rng.integers(0, 10, whole + max(decimals, 0)).tolist()))
        found.append("-" * int(rng.integers(2)) + digits[:whole] + "." * (decimals >= 0) + digits[whole:])
    return found


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_short_decimals_are_the_nearest_floats(ending):
    rng = np.random.default_rng(0)
    for _ in range(400):
        numbers = short_decimals(rng)
        expected = np.array([float(number) for number in numbers]).astype(np.float32)
        found = read_skeleton(with_first_joint(" ".join(numbers), ending)).joints[0, 0]
        np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32), err_msg=str(numbers))


@pytest.mark.parametrize(
    "bad", ["-", ".", "-.", "1.2.3", "--1", "1-", "1x", "", "1/", "1:", "\x80", "1,5", "1 2"]
)
def test_one_bad_number_among_short_decimals(bad):
    for at in range(12):
        numbers = short_decimals(np.random.default_rng(at))
        numbers[at] = bad
        with pytest.raises(DataError, match="line 5: expected"):
            read_skeleton(with_first_joint(" ".join(numbers), "\n"))


@pytest.mark.parametrize("text", ["0", "0\n", "0\r\n", "2\n0\n0\n", f"1\n1\n{body()}".replace("\n", " \r\n")])
def test_unusual_but_right(text):
    assert read_skeleton(text.encode()).frames == int(text.split()[0])


def test_colour_positions_may_be_nowhere():
    joint = JOINT.replace("987.1 337.2", "-inf nan")
    found = read_skeleton(f"1\n1\n{body(joint=joint)}".encode())
    assert np.isneginf(found.color_positions[0, 0, 0])
    assert np.isnan(found.color_positions[0, 0, 1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: expected the number of frames, found the end of the file"),
        ("abc", "line 1: expected the number of frames, found 'abc'"),
        ("-1\n", "line 1: expected the number of frames, found '-1'"),
        ("99999999999999999999999\n", "line 1: expected the number of frames"),
        ("3\n0\n", "line 3: expected frame 2 of 3, but the file ends"),
        ("1 2\n0\n", "line 1: expected the end of the line after the number of frames, found '2'"),
        ("1\n70000\n", "expected the number of bodies, found 70000"),
        ("1\n1\n", "line 3: expected a body, but the file ends"),
        ("1\n1\n7 0 1\n25\n", "line 3: expected 10 fields of a body, found 3"),
        (f"1\n1\n{body(24)}", "line 4: expected 25 joints, found 24"),
        (f"1\n1\n{body(20, stated=25)}", "line 25: expected joint 21 of 25, but the file ends"),
        (
            f"1\n1\n{body(joint=JOINT + ' 7')}",
            "line 5: expected the end of the line after 12 fields of a joint",
        ),
        (f"1\n1\n{body(joint=JOINT[:-2])}", "line 5: expected 12 fields of a joint, found 11"),
        (
            f"1\n1\n{body(joint=JOINT.replace('3.7', '3,7'))}",
            "line 5: expected a number in field 3 of a joint",
        ),
        (f"1\n1\n{body(joint=JOINT.replace('3.7', 'x'))}", "line 5: expected a number in field 3 of a joint"),
        (f"1\n1\n{body(joint=JOINT.replace('3.7', 'nan'))}", "field 3 of a joint is not finite"),
        (f"1\n1\n{body(joint=JOINT.replace('3.7', '1e39'))}", "field 3 of a joint is not finite"),
        (f"1\n1\n{body(joint=JOINT.replace('184', '1e999'))}", "field 5 of a joint is not finite"),
        ("1\n0\n0\n", "line 3: expected the end of the file after 1 frames"),
    ],
)
def test_malformed(tmp_path, text, words):
    path = tmp_path / "S001C001P001R001A001.skeleton"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        read_skeleton(path)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_are_read_or_refused(data):
    """Cut, replaced or inserted bytes: a DataError or arrays that fit together, nothing else."""
    text = bytearray(f"2\n1\n{body()}1\n{body()}".encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=12))
    try:
        found = read_skeleton(bytes(text))
    except DataError:
        return
    assert found.bodies.sum() == len(found.ids) == len(found.joints) == len(found.body_fields)


def test_what_cannot_be_opened(tmp_path):
    for path in (tmp_path / "nothing.skeleton", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            read_skeleton(path)
