"""The folders of csrc are layers: each includes only what lies below it, as CMakeLists.txt links them."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
BELOW = {
    "base": set(),
    "segment": {"base"},
    "model": {"base"},
    "kernels": {"base", "model"},
    "entropy": {"base", "model", "kernels"},
    "runtime": {"base", "model", "kernels", "entropy"},
    "training": {"base", "model", "kernels"},
    "python": {"base", "model", "kernels", "entropy", "runtime", "training", "segment"},
}


def test_rooms_include_only_what_lies_below_them():
    assert {p.name for p in (ROOT / "csrc").iterdir()} == set(BELOW)
    wrong = [
        f"{path.relative_to(ROOT)} includes {room}/"
        for path in (ROOT / "csrc").rglob("*.*")
        for room in re.findall(r'^#include "(\w+)/', path.read_text(), re.MULTILINE)
        if room not in {path.parent.name, *BELOW[path.parent.name]}
    ]
    assert not wrong, "\n".join(wrong)
