"""Packs training pictures in one file, for a machine that takes no more than that.

Run: python -m aecodec.train.pack FOLDER OUT.zip [MEBIBYTES]

Takes every validation picture, and of the others as many as fit in MEBIBYTES (60), in an order that is random and always the same.
"""

import random
import sys
import zipfile
from pathlib import Path

from .data import split


def pack(folder: Path, out: Path, limit: int) -> int:
    """Writes a zip file of at most `limit` bytes; -> how many pictures are in it. Raises ValueError if there are too few."""
    train, validation = split(folder)
    random.Random(0).shuffle(train)
    count = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:  # pictures do not compress twice
        left = limit - 22  # the end record
        for path in [*validation, *train]:
            picture = folder / path.name
            needed = picture.stat().st_size + 2 * len(picture.name.encode()) + 76 + 32  # the headers of a member, with some room
            if needed <= left:
                file.write(picture, picture.name)
                left, count = left - needed, count + 1
    return count


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    mebibytes = float(sys.argv[3]) if len(sys.argv) == 4 else 60
    print(f"{pack(Path(sys.argv[1]), Path(sys.argv[2]), int(mebibytes * 2**20))} pictures")


if __name__ == "__main__":
    main()
