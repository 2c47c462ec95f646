"""Bring the tables of the documentation up to what the other scripts have measured.

    python benchmarks/tables.py [--check]

What stands in README.md and docs/*.md between ``<!-- table: NAME -->`` and ``<!-- end -->`` is replaced. NAME
is a kind of rows of `tasks.py`, such as denoise; or summary, the means of all kinds; or kernels-, networks-,
finetuning- or deconvolution- and a kind of rows of the script of this name. With --check nothing is
written, and the exit code is 1 where a table is out of date.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).parents[1]
MARKED = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
NOTHING = "–"

Row = dict[str, object]

#: What the keys of a row mean, as headings.
WORDS = {
    "input": "input",
    "ours": "**answer**",
    "fit": "before the postfilter",
    "oracle": "best of the fit",
    "authors_dip": "authors' released image",
    "nlm": "non-local means",
    "bm3d_knows_sigma": "BM3D, knows σ",
    "tv": "total variation",
    "wavelet": "wavelets",
    "ours_missing": "**answer**, missing pixels",
    "authors_dip_missing": "authors, missing pixels",
    "biharmonic": "biharmonic",
    "bicubic": "bicubic",
    "richardson_lucy_best": "Richardson-Lucy, best number",
    "wiener_best": "Wiener, best balance",
    "median_3x3": "median of 3 x 3",
    "unguided": "without the guide",
    "mse_input": "exposure",
    "mse_gaussian_1px": "Gaussian, σ = 1 px",
    "mse_ours": "**answer**",
    "mse_fit": "before the postfilter",
    "mse_oracle": "best of the fit",
    "flux_rms_in_noise": "change of the stars' flux, in its noise",
    "chosen_at": "iterations",
    "criterion": "criterion",
    "seconds": "seconds",
}
#: The columns of each kind of row, before what it cost.
COLUMNS = {
    "denoise": ("input", "nlm", "bm3d_knows_sigma", "authors_dip", "fit", "ours", "oracle"),
    "strong": ("input", "nlm", "bm3d_knows_sigma", "authors_dip", "fit", "ours", "oracle"),
    "half": ("authors_dip", "fit", "ours", "oracle", "authors_dip_missing", "ours_missing"),
    "text": ("biharmonic", "fit", "ours", "oracle"),
    "super-resolve": ("bicubic", "authors_dip", "ours", "oracle"),
    "deconvolve": ("input", "wiener_best", "richardson_lucy_best", "ours", "oracle"),
    "fluorescence": ("input", "wavelet", "tv", "nlm", "fit", "ours", "oracle"),
    "m13": ("mse_input", "mse_gaussian_1px", "mse_fit", "mse_ours", "mse_oracle", "flux_rms_in_noise"),
    "hot": ("input", "median_3x3", "fit", "ours", "oracle"),
    "guided": ("input", "unguided", "ours", "oracle"),
}
COST = ("chosen_at", "criterion", "seconds")
TITLES = {
    "denoise": "Gaussian noise, σ = 25",
    "strong": "Gaussian noise, σ = 50",
    "fluorescence": "a microscope's own noise",
    "hot": "5 % hot pixels",
    "half": "half of the pixels missing",
    "fine": 'the same, preset "fine"',
    "text": "text over a photograph",
    "super-resolve": "super-resolution, factor 4",
    "deconvolve": "blur and photon noise",
    "guided": "dim channel with a guide",
}


def of_kind(measured: dict[str, Row], kind: str) -> dict[str, Row]:
    """Return the rows of a kind, by the name of the image."""
    return {name.partition("/")[2]: row for name, row in measured.items() if name.startswith(f"{kind}/")}


def cell(key: str, value: object) -> str:
    """Return a value as it stands in a table."""
    if value is None:
        return NOTHING
    if key == "criterion":
        return str(value).lower().replace("_", "-")
    if key == "chosen_at":
        return f"{value:.0f}"
    return f"{value:.1f}" if key == "seconds" or key.startswith("mse") else f"{value:.2f}"


def mean(rows: Sequence[Row], key: str) -> float | None:
    """Return the mean of a column, or None where a row lacks it or has no number."""
    values = [row.get(key) for row in rows]
    return fmean(values) if values and all(isinstance(value, (int, float)) for value in values) else None


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def kind_table(measured: dict[str, Row], kind: str) -> str:
    """Return the rows of a kind, with their mean where there are several."""
    rows = of_kind(measured, kind)
    keys = (*COLUMNS[kind], *COST)
    body = [[image, *(cell(key, row.get(key)) for key in keys)] for image, row in rows.items()]
    if len(rows) > 1:
        body.append(["mean", *(cell(key, mean([*rows.values()], key)) for key in keys)])
    return table(["image", *(WORDS[key] for key in keys)], body)


def summary_table(measured: dict[str, Row]) -> str:
    """Return the means of all kinds that are scored by PSNR; of the others' scores each has its own best."""
    body = []
    for kind, title in TITLES.items():
        rows = [*of_kind(measured, kind).values()]
        if not rows:
            continue
        others = [key for key in COLUMNS[kind] if not key.startswith(("ours", "fit", "oracle", "input"))]
        known = [(WORDS[key], mean(rows, key)) for key in others if not key.endswith("_missing")]
        beside = "; ".join(f"{words} {value:.2f}" for words, value in known if value is not None)
        own = (cell(key, mean(rows, key)) for key in ("ours", "oracle", "seconds"))
        body.append([title, str(len(rows)), *own, beside])
    return table(["", "images", WORDS["ours"], WORDS["oracle"], "seconds", "others"], body)


#: Of the kernels' tables, what the columns are called.
KERNEL_WORDS = {
    "isotropic": "isotropic",
    "anisotropic": "anisotropic",
    "bilateral": "bilateral",
    "nlm": "non-local means",
    "reblur": "**reblurring**",
    "anisotropic-reblur": "**anisotropic reblurring**",
    "wavelet": "wavelets",
    "tv": "total variation",
    "input": "data",
    "richardson_lucy": "Richardson-Lucy",
    "wiener": "Wiener",
    "unsupervised_wiener": "unsupervised Wiener",
    "lanczos": "Lanczos",
    "local": "**upsampling**",
    "structure_tensor": "by the structure tensor",
}


def denoising_kernels(measured: dict[str, Row]) -> str:
    """Return what the networks of the denoising kernels reach, and the single settings in brackets."""
    kernels = ("isotropic", "anisotropic", "bilateral", "nlm")
    others = ("input", "nlm", "tv", "wavelet")
    head = ["σ", *(f"**{KERNEL_WORDS[name]}** (single)" for name in kernels), "plain"]
    head += [f"scikit-image's {KERNEL_WORDS[name]}" if name != "input" else "data" for name in others]
    body = []
    for sigma in (15, 25, 50):
        rows = [measured[f"denoise/{name}/{sigma}"] for name in kernels]
        line = [str(sigma), *(f"{row['local']:.2f} ({row['single']:.2f})" for row in rows)]
        line += [cell("", measured.get("plain", {}).get(f"sigma_{sigma}"))]
        line += [cell("", measured[f"others/{sigma}"][name]) for name in others]
        body.append(line)
    return table(head, body)


def kernels_against(measured: dict[str, Row], kind: str, heads: Sequence[str], keys: Sequence[str]) -> str:
    """Return the rows of a kind whose names are numbers, such as deconvolve/1.5/2."""
    rows = of_kind(measured, kind)
    body = [[*name.split("/"), *(cell("", row.get(key)) for key in keys)] for name, row in rows.items()]
    return table([*heads, *(KERNEL_WORDS[key] for key in keys)], body)


def cost_of_kernels(measured: dict[str, Row]) -> str:
    """Return speed and memory."""
    speeds, memories = of_kind(measured, "speed"), of_kind(measured, "memory")
    weights = measured.get("networks", {})
    body = [
        [
            KERNEL_WORDS[name],
            cell("", row["mp_per_s"]),
            f"{memories[name]['above_MiB']} MiB",
            f"{weights[name]}",
        ]
        for name, row in speeds.items()
    ]
    nlm = speeds["nlm"]
    body.append(["scikit-image's non-local means", cell("", nlm["skimage_mp_per_s"]), NOTHING, NOTHING])
    return table(["", "megapixels per second", "memory", "weights"], body)


KERNEL_TABLES: dict[str, Callable[[dict[str, Row]], str]] = {
    "kernels-denoise": denoising_kernels,
    "kernels-deconvolve": lambda measured: kernels_against(
        measured,
        "deconvolve",
        ("blur, px", "σ"),
        ("input", "reblur", "anisotropic-reblur", "richardson_lucy", "wiener", "unsupervised_wiener"),
    ),
    "kernels-upsample": lambda measured: kernels_against(
        measured, "upsample", ("factor", "σ"), ("lanczos", "local", "structure_tensor")
    ),
    "kernels-cost": cost_of_kernels,
}


#: Of the networks' tables, what the lines and columns are called.
NETWORK_WORDS = {
    "bicubic": "bicubic",
    "compact": "**Compact**",
    "vdsr": "**VDSR**",
    "dctlsa": "DCTLSA, of others",
    "input": "data",
    "dncnn": "**DnCNN**",
    "dncnn_of_others": "DnCNN, of others",
}


def super_resolution_networks(measured: dict[str, Row]) -> str:
    """Return what each network reaches on each image."""
    body = []
    for factor in (2, 3, 4):
        names = [name for name in of_kind(measured, "super-resolve") if name.startswith(str(factor))]
        row = {key: value for name in names for key, value in measured[f"super-resolve/{name}"].items()}
        body += [
            [str(factor), words, *(cell("", value) for value in (*row[key], row[f"mean_{key}"]))]
            for key, words in NETWORK_WORDS.items()
            if key in row
        ]
    return table(["factor", "", "butterfly", "bird", "zebra", "mean"], body)


def denoising_networks(measured: dict[str, Row]) -> str:
    """Return what the networks reach at each noise."""
    keys = ("input", "dncnn", "dncnn_of_others")
    rows = of_kind(measured, "denoise")
    body = [[sigma, *(cell("", row[key]) for key in keys)] for sigma, row in rows.items()]
    return table(["σ", *(NETWORK_WORDS[key] for key in keys)], body)


def sizes_of_networks(measured: dict[str, Row]) -> str:
    """Return weights and speed."""
    rows = {name: row for name, row in measured["sizes"].items() if name != "machine"}
    body = [[f"`{name}`", f"{row['weights']}", cell("", row["mp_per_s"])] for name, row in rows.items()]
    return table(["", "weights", "megapixels of result per second"], body)


NETWORK_TABLES: dict[str, Callable[[dict[str, Row]], str]] = {
    "networks-super-resolve": super_resolution_networks,
    "networks-denoise": denoising_networks,
    "networks-sizes": sizes_of_networks,
}


def finetuning_cases(measured: dict[str, Row]) -> str:
    """Return the mean of the network, of back-projection and of the answer for each case."""
    keys = ("network", "back_projection", "answer", "gain", "plain_loss", "gap")
    body = []
    for name, row in measured.items():
        if "answer" not in row:
            continue
        diagnoses = ", ".join(f"{count} {word}" for word, count in row["diagnoses"].items() if count)  # type: ignore[attr-defined]
        signed = {"gain", "plain_loss"}
        numbers = (f"{row[key]:+.2f}" if key in signed else cell("", row[key]) for key in keys)
        body.append([name.replace(".pth", "").replace(".pt", ""), *numbers, diagnoses])
    heads = ("network", "back-projected", "**answer**", "gain", "plain", "gap", "diagnoses")
    return table(["", *heads], body)


#: Of the table of deconvolution, what the columns and the kinds of noise are called.
DECONVOLUTION_WORDS = {
    "input": "input",
    "wiener_best": "Wiener, best balance",
    "richardson_lucy_best": "Richardson-Lucy, best number",
    "wiener": "`Wiener`",
    "richardson_lucy": "`RichardsonLucy`",
    "pkn": "`PKN`",
    "nonlocal_bayes": "`NonLocalBayes`",
    "dip": "`DIP`",
}
DECONVOLUTION_NOISE = {"gaussian": "1 % of the range", "photons": "100 photons at the peak"}


def deconvolution_methods(measured: dict[str, Row]) -> str:
    """Return what each method reaches on each image with each noise, the means, and the seconds."""
    body = []
    for noise, words in DECONVOLUTION_NOISE.items():
        rows = of_kind(measured, noise)
        lines = {**rows, "mean": {key: mean([*rows.values()], key) for key in DECONVOLUTION_WORDS}}
        body += [
            [words, name, *(cell(key, row.get(key)) for key in DECONVOLUTION_WORDS)]
            for name, row in lines.items()
        ]
    times = (mean([*measured.values()], f"{key}_seconds") for key in DECONVOLUTION_WORDS)
    body.append(["seconds", "mean", *(cell("seconds", value) for value in times)])
    return table(["noise", "image", *DECONVOLUTION_WORDS.values()], body)


DECONVOLUTION_TABLES: dict[str, Callable[[dict[str, Row]], str]] = {
    "deconvolution-methods": deconvolution_methods
}
FINETUNING_TABLES: dict[str, Callable[[dict[str, Row]], str]] = {"finetuning-cases": finetuning_cases}
#: Tables that are made of the rows of another script than `tasks.py`, by the name of that.
OTHERS = {
    "kernels": KERNEL_TABLES,
    "networks": NETWORK_TABLES,
    "finetuning": FINETUNING_TABLES,
    "deconvolution": DECONVOLUTION_TABLES,
}


def filled(text: str, measured: dict[str, dict[str, Row]]) -> str:
    """Return a page with its tables as they were measured; one without rows says so.

    Parameters
    ----------
    text : str
        The page.
    measured : dict
        Rows by the name of the script that measures them.
    """
    tasks = measured["tasks"]

    def made(name: str) -> str:
        for script, tables in OTHERS.items():
            if name in tables:
                return tables[name](measured[script]) if measured[script] else ""
        if name == "summary":
            return summary_table(tasks) if tasks else ""
        if name in COLUMNS:
            return kind_table(tasks, name) if of_kind(tasks, name) else ""
        others = (other for tables in OTHERS.values() for other in tables)
        raise SystemExit(f"there is no table {name}: choose among summary, {', '.join((*COLUMNS, *others))}")

    def replacement(found: re.Match[str]) -> str:
        # Blank lines around it: right after a comment Markdown sees no table.
        return f"{found[1]}\n{made(found['name']) or 'Not measured yet.' + chr(10)}\n{found[3]}"

    return MARKED.sub(replacement, text)


def main() -> None:
    """Rewrite the pages whose tables are out of date."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    files = {name: Path(__file__).with_name(f"{name}.json") for name in ("tasks", *OTHERS)}
    known = {name: json.loads(file.read_text()) if file.exists() else {} for name, file in files.items()}
    late = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        before = page.read_text(encoding="utf-8")
        after = filled(before, known)
        if after != before:
            late.append(page)
            if not arguments.check:
                page.write_text(after, encoding="utf-8")
    for page in late:
        print(page.relative_to(ROOT), "is out of date" if arguments.check else "updated")
    if arguments.check and late:
        sys.exit(1)


if __name__ == "__main__":
    main()
