"""Gives a picture the light, the colours and the textures of another one.

Run: pip install "aecodec[train]"; python examples/restyle.py photo.jpg other.jpg out.png [--strength 0.8] [--stages 0 1]
"""

import argparse

from PIL import Image

import aecodec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("out")
    parser.add_argument("--strength", type=float, default=1.0, help="0 to 1")
    parser.add_argument("--stages", type=int, nargs="+", help="which stages of codes to change; 0 and 1 are light and colours")
    options = parser.parse_args()
    content, style = (Image.open(path) for path in (options.content, options.style))
    try:
        restyled = aecodec.restyle(content, style, strength=options.strength, stages=options.stages)
    except aecodec.AecodecError as error:
        parser.exit(1, f"{error}\n")
    Image.fromarray(restyled).save(options.out)


if __name__ == "__main__":
    main()
