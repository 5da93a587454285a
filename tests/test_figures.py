"""No figure of another model stands as the present one's, and the key figures are those of bench/results.

A page says where its figures come from: `<!-- figures: speed, synthetic -->` in a paragraph, a list's item or a table's row means
bench/results/speed.json and synthetic.json; a table without such rows takes what the paragraph before it says. Each result file
names the model that it was measured with. If that is not the shipped one, the place bears a mark, and the page explains it in
a paragraph that begins with the mark: "† Model 54009907 (run h)".
"""

import importlib.util
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from aecodec import provenance
from aecodec.bench.measure import Row
from aecodec.bench.summary import bd_rate, curve
from aecodec.model import shipped

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results"
PAGES = ("README.md", "MODEL_CARD.md", "docs/effort.md", "docs/beyond.md")
MARKS = "†‡§¶"
MEASURED = re.compile(r"\d (%|dB|GB|µs)|\d\.?\d* times as (fast|long)")  # what says that a block has figures
STRICT = ("How small", "How fast, and how much memory")  # the README's sections in which any digit does
SHIPPED = f"{shipped().identity:08x}"
KODAK_MEGAPIXELS = 768 * 512 / 1e6


def result(name: str) -> dict:
    return json.loads((RESULTS / ("kodak/summary.json" if name == "kodak" else f"{name}.json")).read_text())


def result_files() -> list[str]:
    return sorted({p.stem for p in RESULTS.glob("*.json")} | {"kodak"})


@dataclass
class Block:
    """A paragraph, a list's item or a table's row, on one line."""

    section: str
    text: str
    results: list[str]

    @property
    def marks(self) -> set[str]:
        return set(MARKS) & set(self.text)


def named(text: str) -> list[str]:
    return [name for names in re.findall(r"<!-- figures: (.*?) -->", text) for name in names.split(", ")]


def blocks(text: str) -> list[Block]:
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    section, found, caption = "", [], None
    for paragraph in re.split(r"\n{2,}", text):
        if heading := re.match(r"#+ (.*)", paragraph):
            section, caption = heading[1], None
        elif paragraph.lstrip().startswith("|"):
            for row in paragraph.strip().split("\n")[2:]:  # below the head and its rule
                inherits = caption is not None and not named(row)
                found.append(Block(section, row + (caption.text if inherits else ""), caption.results if inherits else named(row)))
        else:
            for item in re.split(r"\n(?=- )", paragraph.strip("\n")):
                line = " ".join(item.split())
                found.append(caption := Block(section, line, named(line)))
    return found


def page(name: str) -> list[Block]:
    return blocks((ROOT / name).read_text())


def notes(found: list[Block]) -> dict[str, str]:
    """-> the model that each mark of a page stands for."""
    return {m[1]: m[2] for b in found if (m := re.match(rf"([{MARKS}]) Model ([0-9a-f]{{8}})\b", b.text))}


def faults(found: list[Block], models: dict[str, str], present: str) -> list[str]:
    """What a page says wrongly, given the model of every result and the present one."""
    meaning, wrong = notes(found), []
    for mark, model in meaning.items():
        if model == present:
            wrong.append(f"{mark} stands for the present model")
    for b in found:
        if re.match(rf"[{MARKS}] Model", b.text):
            continue
        for name in b.results:
            if name not in models:
                wrong.append(f"no such result: {name}")
            elif models[name] != present and models[name] not in (meaning.get(mark) for mark in b.marks):
                wrong.append(f"{name} is of model {models[name]}, and this does not say so: {b.text}")
        for mark in b.marks:
            if meaning.get(mark) not in [models.get(name) for name in b.results]:
                wrong.append(f"{mark} belongs to none of {b.results}: {b.text}")
    return wrong


@pytest.mark.parametrize("name", PAGES)
def test_figures_of_other_models_are_marked(name):
    assert not faults(page(name), {n: result(n)["run"]["model"] for n in result_files()}, SHIPPED)


def test_a_new_model_makes_every_unmarked_figure_a_fault():
    found, models = page("README.md"), {n: result(n)["run"]["model"] for n in result_files()}
    unmarked = [b for b in found if b.results and not b.marks]
    assert len(unmarked) > 3
    wrong = faults(found, models, "0" * 8)
    assert all(any(b.text in fault for fault in wrong) for b in unmarked)


def test_figures_name_their_results():
    for b in page("README.md"):
        figures = MEASURED.search(b.text) or b.section in STRICT and re.search(r"\d", b.text)
        note = re.match(rf"[{MARKS}] Model|!\[", b.text)
        assert b.results or note or not figures, b.text


def test_every_result_names_its_run_and_is_shown():
    for name in result_files():
        run = result(name)["run"]
        assert re.fullmatch(r"[0-9a-f]{12}\+?", run["commit"]), name
        assert re.fullmatch(r"[0-9a-f]{8}", run["model"]) and run["cpu"], name
    assert set(result_files()) == {name for p in PAGES for b in page(p) for name in b.results}


def ours(r: dict, threads: str, way: str) -> float:
    return r["megapixels_per_second"][f"aecodec, {threads}"][way]


def against(r: dict, peer: str) -> tuple[float, ...]:
    return tuple(ours(r, "1 thread", way) / r["megapixels_per_second"][peer][way] for way in ("encode", "decode"))


def kodak_row(r: dict, codec: str) -> list[str]:
    """BD-rates by PSNR and MS-SSIM; megapixels a second of encoding and decoding."""
    seconds = [r[codec]["curve"][f"{way}_seconds"] for way in ("encode", "decode")]
    speeds = [KODAK_MEGAPIXELS * len(s) / sum(s) for s in seconds]
    return [
        *(f"{r[codec]['bd_rate']['jpeg'][m]:+.1f}" for m in ("psnr", "ms_ssim")),
        *(f"{s:.{0 if s > 10 else 2}f}" for s in speeds),
    ]


def against_avif(r: dict) -> tuple[float, ...]:
    return tuple(-r["aec"]["bd_rate"]["avif444"][d] for d in ("ssimulacra2", "psnr", "ms_ssim"))


def ends(r: dict) -> tuple[float, ...]:
    bpp, psnr = (r["aec"]["curve"][k] for k in ("bpp", "psnr"))
    return bpp[0], psnr[0], bpp[-1], psnr[-1]


def singles() -> tuple[float, float]:
    """The mean and the worst of the single Kodak pictures' BD-rates by PSNR."""
    rows = [Row(**row) for row in json.loads((RESULTS / "kodak" / "results.json").read_text())]
    curves = [
        [curve([r for r in rows if (r.picture, r.codec) == (name, c)]) for c in ("jpeg", "aec")]
        for name in {r.picture for r in rows}
    ]
    rates = [bd_rate(*pair, "psnr") for pair in curves]
    return sum(rates) / len(rates), max(rates)


def levels(r: dict) -> dict[int, dict]:
    return {row["effort"]: row for row in r["levels"]}


def level(r: dict, effort: int) -> list[float]:
    row = levels(r)[effort]
    return [row["time"], row["bd_rate"]["psnr"], row["bd_rate"]["ssimulacra2"]]


# page, result, what stands there, and where its numbers are in the result
def found_by(r, method):
    """Of each kind of change, and of each set of pictures."""
    figures = (r[pictures][kind][method] for kind in ("fitted", "others") for pictures in ("held out", "Kodak"))
    return [f[k] for f in figures for k in ("recall_at_1", "found_at_1_in_1000")]


def odd_by(r, method):
    tiles = r["tiles"][method]
    return [tiles["image"], tiles["pixel"], tiles["image_of_strangers"], r["mnist"][method]["mean"]]


def grain_row(r, quality):
    return [r["quality, strength"][f"{quality}, {s}"][k] for s in ("0", "0.5", "1") for k in ("ssimulacra2", "psnr", "texture")]


README = [
    ("side_by_side", "{:.2f} dB with JPEG, {:.2f} with AVIF and {:.2f} with", lambda r: [f["psnr"] for f in r["files"].values()]),
    ("side_by_side", "files of {:.0f} kB", lambda r: [r["files"]["aec"]["bytes"] / 1000]),
    ("kodak", "| **aecodec** | **{} %** | **{} %** | {} | {} |", lambda r: kodak_row(r, "aec")),
    ("kodak", "| AVIF 4:2:0, speed 6 | {} % | {} % | {} | {} |", lambda r: kodak_row(r, "avif")),
    ("kodak", "| JPEG 2000 | {} % | {} % | {} | {} |", lambda r: kodak_row(r, "jp2")),
    ("kodak", "| WebP, method 6 | {} % | {} % | {} | {} |", lambda r: kodak_row(r, "webp")),
    ("kodak", "| JPEG XL, effort 7 | {} % | {} % | {} | {} |", lambda r: kodak_row(r, "jxl")),
    ("kodak", "| JPEG 4:4:4 | {} % | {} % | {} | {} |", lambda r: kodak_row(r, "jpeg444")),
    ("kodak", "go from {:.2f} to {:.1f} bits per pixel", lambda r: [r["jpeg"]["curve"]["bpp"][i] for i in (0, -1)]),
    ("kodak", "from {:.2f} bits per pixel and {:.1f} dB to {:.1f} and {:.1f} dB", ends),
    ("kodak", "by PSNR is {:.1f} %, the worst picture's {:.1f} %", lambda r: singles()),
    ("kodak-ssimulacra2", "takes {:.1f} % fewer bits on the same pictures", lambda r: against_avif(r)[:1]),
    ("kodak-ssimulacra2", "By PSNR it takes {:.1f} % fewer, by MS-SSIM {:.1f} %", lambda r: against_avif(r)[1:]),
    ("effort", "effort 7 takes {:.0f} times as long", lambda r: [levels(r)[7]["time"]]),
    (
        "effort",
        "saves another {:.1f} % by PSNR and {:.1f} % by SSIMULACRA2",
        lambda r: [-levels(r)[7]["bd_rate"][d] for d in ("psnr", "ssimulacra2")],
    ),
    ("synthetic", "{} file is worse than the best JPEG", lambda r: [len(r["worse_than_jpeg"]) or "No"]),
    ("synthetic", "{} of {} have none", lambda r: [r["lossless"], r["files"]]),
    ("synthetic", "ahead by {:.1f} dB in the median", lambda r: [r["median_lead_db"]]),
    ("speed", "{:.1f} and {:.1f} megapixels", lambda r: [ours(r, "1 thread", w) for w in ("encode", "decode")]),
    ("speed", "with two threads {:.1f} and {:.1f}", lambda r: [ours(r, "2 threads", w) for w in ("encode", "decode")]),
    (
        "speed",
        "of a picture of {:.0f} megapixels {:.1f} and {:.1f}",
        lambda r: [r["large"]["megapixels"], *(ours(r["large"], "2 threads", w) for w in ("encode", "decode"))],
    ),
    (
        "speed",
        "in the same run | encodes at {:.1f} of its speed, decodes at {:.2f}",
        lambda r: against(r, "JPEG XL, effort 7"),
    ),
    (
        "speed",
        "AVIF 4:2:0, speed 6 | encodes at {:.1f} of its speed, decodes at {:.2f}",
        lambda r: against(r, "AVIF 4:2:0, speed 6"),
    ),
    ("speed", "{:.2f} times as fast", lambda r: [r["float_network_over_ours"]]),
    ("kernels", "{:.0f} % of the machine's", lambda r: [100 * r["avx512"]["share_of_peak"]]),
    ("kernels", "{:.0f} % with AVX2", lambda r: [100 * r["avx2"]["share_of_peak"]]),
    ("kernels", "{:.0f} µs for the frequencies", lambda r: [r["avx512"]["frequencies_us_per_1000_symbols"]]),
    ("kernels", "{:.0f} µs for the decoding", lambda r: [r["avx512"]["rans_decode_us_per_1000_symbols"]]),
    ("nearest", "{:.1f} times as fast as faiss", lambda r: [r["faiss_over_ours"]]),
    ("nearest", "{:.0f} times as fast as torch", lambda r: [r["torch_over_ours"]]),
    ("large", "{:.2f} GB and {:.0f} s to compress", lambda r: [r["compress"][k] for k in ("gigabytes", "seconds")]),
    ("large", "{:.2f} GB and {:.0f} s to decompress", lambda r: [r["decompress"][k] for k in ("gigabytes", "seconds")]),
    ("fixed_point", "costs {:.2f} %", lambda r: [r["bd_rate_of_fixed_point"]]),
    ("parts", "in {:.3f} of the time", lambda r: [r["preview"]]),
    ("parts", "{preview} dB against the original's at quality {quality}, while those have {full}", lambda r: r["psnr_of_means"][0]),
    ("parts", "{preview} and {full} at {quality}", lambda r: r["psnr_of_means"][-1]),
]
EFFORT = [
    *(("effort", f"| {e} | {{:.2f}} | {{:+.2f}} % | {{:+.2f}} % |", lambda r, e=e: level(r, e)) for e in range(1, 10)),
]
BEYOND = [
    *(("placeholder", f"| {n} | {{:.2f}} dB |", lambda r, n=n: [r["length"][n]["psnr"]]) for n in ("20", "28", "34", "40")),
    *(
        ("duplicates", f"| {shown} | " + " | ".join(["{:.3f}, {:.3f}"] * 4), lambda r, n=name: found_by(r, n))
        for shown, name in (
            ("coarse codes of .aec files", "coarse codes"),
            ("the same of the pixels", "pixels"),
            ("8×8 thumbnail", "thumbnail"),
            ("pHash (imagehash)", "pHash"),
            ("PDQ (pdqhash)", "PDQ"),
        )
    ),
    *(
        ("repair", f"| {shown} | {{:.2f}} |", lambda r, n=name: [r["psnr"][n]])
        for shown, name in (
            ("with a protective copy", "protected"),
            ("no copy: `--allow-partial`", "guess"),
            ("OpenCV's inpainting (Telea)", "telea"),
            ("the mean colour of the rest", "mean"),
            ("what the prior expects, without the guess", "prior"),
        )
    ),
    *(
        ("anomaly", f"| {shown} | {{:.3f}} | {{:.3f}} | {{:.3f}} | {{:.3f}} |", lambda r, n=name: odd_by(r, n))
        for shown, name in (
            ("as shipped", "both"),
            ("without the codebook", "de-noiser alone"),
            ("as shipped, 20 pictures to fit to", "both, 20 to fit"),
        )
    ),
    *(
        ("grain", f"| {q} | " + " | ".join(["{:.1f} / {:.2f} / {:.2f}"] * 3), lambda r, q=q: grain_row(r, q))
        for q in (5, 10, 20, 30)
    ),
    *(
        (
            "restyle",
            f"| {i} | {{dimensions}} | {{mostly_luma}} | {{mostly_colour}} | {{luma:.2f}} | {{wavelength:.0f}} |",
            lambda r, i=i: r["stages"][i],
        )
        for i in range(7)
    ),
    ("neighbours", "take {seconds:.0f} s of", lambda r: r),
    ("neighbours", "takes {:.0f} s and finds {:.1f} %", lambda r: [r["seconds_by_index"], 100 * r["found_by_index"]]),
    ("duplicates", "{:.0f} ms for an .aec file", lambda r: [r["milliseconds"]["coarse codes of an .aec file"]]),
    ("duplicates", "takes {:.0f} ms of CPU", lambda r: [r["milliseconds"]["decoding it"]]),
]
SHOWN = [
    *(("README.md", *row) for row in README),
    *(("docs/effort.md", *row) for row in EFFORT),
    *(("docs/beyond.md", *row) for row in BEYOND),
]


@pytest.mark.parametrize("name, source, template, values", SHOWN, ids=lambda v: v if isinstance(v, str) else "")
def test_shown_figures_are_the_measured_ones(name, source, template, values):
    found = values(result(source))
    text = template.format(**found) if isinstance(found, dict) else template.format(*found)
    text = re.sub(r"-(?=\d)", "−", text)
    places = [re.sub(" <!-- .*? -->", "", b.text) for b in page(name) if source in b.results]
    assert any(re.search(rf"(?<![\d.]){re.escape(text)}", p) for p in places), f"{source} has {text!r}, which {name} does not say"


def test_the_model_card_is_of_the_shipped_model():
    text, record = (ROOT / "MODEL_CARD.md").read_text(), shipped().metadata["record"]
    assert SHIPPED in text
    assert f"{record['pixels'] / 1e9:.1f} gigapixels" in text and f"{record['pictures']} " in text
    assert f"{record['validation_loss']:.3f}" in text


@pytest.fixture
def results():
    spec = importlib.util.spec_from_file_location("results", ROOT / "bench" / "results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_results_are_written_with_their_run(results, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "new")
    results.write("speed", {"value": 1.5})
    found = json.loads((tmp_path / "new" / "speed.json").read_text())
    assert list(found) == ["run", "value"] and found["value"] == 1.5 and found["run"]["model"] == SHIPPED and found["run"]["cpu"]
    with pytest.raises(ValueError):
        results.write("speed", {"run": 1})


def test_changed_code_shows_in_the_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.commit() == "unknown"
    (tmp_path / "bench" / "results").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    for name in ("code.py", "README.md", "bench/results/speed.json", "docs/stages.jpg"):
        (tmp_path / name).write_text("1")
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.org"]
    try:
        for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
            subprocess.run([*git, *arguments], check=True)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    (tmp_path / "README.md").write_text("2")
    (tmp_path / "bench" / "results" / "speed.json").write_text("2")
    (tmp_path / "docs" / "stages.jpg").write_text("2")
    assert re.fullmatch(r"[0-9a-f]{12}", provenance.commit())
    (tmp_path / "code.py").write_text("2")
    assert re.fullmatch(r"[0-9a-f]{12}\+", provenance.commit())
