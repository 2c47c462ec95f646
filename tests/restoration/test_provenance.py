"""Provenance from a stranger's file gives the script and the command that we mean, or an error."""

import ast
import functools
import json
import operator
import shlex
import subprocess
import unicodedata
from dataclasses import fields, replace
from pathlib import PurePath

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_dip
from napari_dip import (
    DIP,
    PKN,
    PRESETS,
    AiryPSF,
    Deconvolve,
    Denoise,
    FineTune,
    GaussianNoise,
    Hourglass,
    Inpaint,
    MaxIterations,
    MeasuredPSF,
    NonLocalBayes,
    PoissonNoise,
    Recipe,
    RichardsonLucy,
    SuperResolve,
)
from napari_dip.cli.command import command_line
from napari_dip.cli.main import app
from napari_dip.io import ImageFile, provenance, write
from napari_dip.restoration.provenance import Provenance
from napari_dip.restoration.text import comments
from napari_dip.settings import to_dict

#: Imports that a script may hold, by module.
ALLOWED = {
    "napari_dip": set(napari_dip.__all__),
    "napari_dip.image.axes": {"Axes"},
    "napari_dip.io": {"read", "read_mask", "read_noise_std"},
    "napari_dip.psf.arrays": {"resampled"},
    "napari_dip.restoration.crop": {"guide_part"},
    "pathlib": {"Path"},
}
ARRAYS = {
    "missing": "the_missing",
    "guide": "the_guide",
    "psf": "the_psf",
    "noise_std": "the_noise_std",
}
HOSTILE = [
    '__import__("os").system("touch OWNED")',
    "x\ntouch OWNED\n#",
    "x\u2028import os\u2029y",
    "\r\nimport os\r\n",
    "'\"\\'''\"\"\"",
    "$(touch OWNED)`touch OWNED`",
    "--weights",
    "-rf",
    "C:\\new\\table.pth",
    "\x00\x1b[2J\x9b",
    "\ud800",
    "\u202egnp.exe",
    "{a}%s",
    "",
    "~/x",
    "[1, 2]",
]


NUMBER = {"value": 1.02, "error": 0.01}
#: What a frame says of itself, with every number that is ever written.
DIAGNOSTICS = {
    "verdict": "The residual is consistent with the noise.",
    "findings": ["The run ended at the time limit."],
    "consistent": True,
    "noise": "σ = 20 grey levels everywhere",
    "noise_from": "task",
    "white": True,
    "unseen": {"pixels": 60, "whole": NUMBER, "quiet": NUMBER, "bright": NUMBER, "steep": NUMBER},
    "fitted": {"pixels": 1140, "whole": NUMBER},
    "expected": [0.98, 1.0],
    "relative_error": NUMBER,
    "correlations": [{"lag_1": NUMBER, "lag_2": NUMBER}] * 2,
    "contrast_loss": NUMBER,
    "flux_ratio": NUMBER,
    "peaks": [{"position": [3, 4], "channel": 0, "significance": -7.5, "width": 1.3}],
    "peak_count": 1,
    "minimum": {"rise": NUMBER, "change": 0.3},
}


def sample(task=None, method=None, **changes):
    """Return a provenance with every field that is ever written."""
    place = {"layer": "holes", "path": "holes.tif", "multiscale": False, "same_grid": True}
    return {
        "napari-dip": "0.2",
        "torch": "2.10",
        "task": to_dict(task or Denoise(GaussianNoise(20.0))),
        "method": to_dict(method or DIP(ensemble_size=2, time_limit=60.0)),
        "axes": "TYX",
        "channels": "together",
        "device": "cpu",
        "seed": 3,
        "shape": [2, 30, 40],
        "saturation_level": 4095.0,
        "series": "drift",
        "stop_after": 7,
        "own_rules": ["Mine"],
        "frames": [
            {
                "index": [at],
                "outcome": "MAX_ITERATIONS",
                "iterations": 7,
                "score": 0.5,
                "seconds": 1.5,
                "criterion": "HELD_OUT",
                "note": "A note.",
                "error": None,
                "diagnostics": DIAGNOSTICS if at else None,
            }
            for at in range(2)
        ],
        "source": {
            "layer": "cells",
            "path": "cells.tif",
            "multiscale": True,
            "roi": [[0, 2], [4, 34], [0, 40]],
            "missing": {**place, "label": 2},
            "guide": place,
            "psf": {**place, "ratio": [0.5, 0.25]},
            "maps": {"width": "cells: width"},
        },
        "tuned": 0.5,
        "maps": ["width"],
        **changes,
    }


SAMPLES = [
    sample(),
    sample(Inpaint(PoissonNoise(2.0), keep_observed=False), DIP(network=Hourglass(padding="reflect"))),
    sample(Denoise(), NonLocalBayes(strength=1.5)),
    sample(Deconvolve(psf=MeasuredPSF(), floor=-2.5), RichardsonLucy(3)),
    sample(SuperResolve(psf=AiryPSF(1.5)), FineTune(weights="C:\\new\\table.pth", learning_rate=1e-3)),
    sample(method=PKN(weights="own.safetensors")),
    sample(method=PRESETS["snail"]),
]


def paths(value, at=()):
    """Yield the place of each value in JSON."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from paths(one, (*at, key))


def changed(values, at, new):
    """Return JSON with another value at a place."""
    if not at:
        return new
    copy = dict(values) if isinstance(values, dict) else list(values)
    copy[at[0]] = changed(copy[at[0]], at[1:], new)
    return copy


#: What JSON can hold, also as Python reads it, and what was written to do harm.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 2**31, 2**63, -(2**63), 10**400])
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(HOSTILE)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda one: (
        st.lists(one, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(HOSTILE), one, max_size=4)
    ),
    max_leaves=8,
)


def alike(value):
    """Return a strategy for other values of the same type, many of which are allowed in its place."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int):
        return st.integers(0, 50) | st.integers(-3, 2**40)
    if isinstance(value, float):
        return st.floats(0.001, 1.0) | st.floats(-1e300, 1e300)
    if isinstance(value, str):
        return st.sampled_from(HOSTILE) | st.text(max_size=20)
    return ANYTHING


@st.composite
def mutated(draw):
    """Return a provenance of which some fields are something else."""
    values = draw(st.sampled_from(SAMPLES))
    for _ in range(draw(st.integers(0, 3))):
        places = list(paths(values))[1:]
        free = [at for at in places if at[-1] in ("layer", "path", "note", "weights", "torch")]
        at = draw(st.sampled_from(places) | st.sampled_from(free or places))
        was = functools.reduce(operator.getitem, at, values)
        values = changed(values, at, draw(alike(was) if draw(st.integers(0, 4)) else ANYTHING))
    return values


def check_words(error, *beginnings):
    """Check that an error is a sentence that begins with one of these."""
    assert type(error) is ValueError
    assert str(error).startswith(beginnings)
    assert len(str(error)) < 600
    assert len(str(error).splitlines()) == 1


def of_values(node):
    """Return the value of an expression that is made of literals and the classes of settings alone."""
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        assert not node.args or node.func.id == "MaxIterations"
        cls = getattr(napari_dip, node.func.id)
        assert isinstance(cls, type)
        arguments = [of_values(one) for one in node.args]
        return cls(*arguments, **{one.arg: of_values(one.value) for one in node.keywords})
    return ast.literal_eval(node)


def read_script(script):
    """Return the arguments of the call at the end of a script, and check that nothing else is in it."""
    *body, last = ast.parse(script).body
    imports = [one for one in body if isinstance(one, ast.ImportFrom)]
    for one in imports:
        assert {alias.name for alias in one.names} <= ALLOWED[one.module]
        assert all(alias.asname is None for alias in one.names)
    rest = [one for one in [*body, last] if one not in imports]
    assert all(isinstance(one, ast.Assign) for one in rest)
    names = [one.targets[0].id for one in rest]
    assert set(names) <= {"image", "labels", "missing", "noise_std", "guide", "restored"}
    for one in rest:
        for call in (node for node in ast.walk(one.value) if isinstance(node, ast.Call)):
            called = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
            known = {name for allowed in ALLOWED.values() for name in allowed} | {"restore", "broadcast"}
            assert called in known
    assert (last.targets[0].id, last.value.func.id) == ("restored", "restore")
    keywords = {one.arg: one.value for one in last.value.keywords}
    return last.value.args[1:], keywords, rest


def check_script(recipe):
    """Check that the script of a recipe has the recipe's values."""
    arguments, keywords, rest = read_script(recipe.python("the_image", **ARRAYS))
    task, method = map(of_values, arguments)
    plain = {name: of_values(node) for name, node in keywords.items() if name not in ARRAYS}
    rule = plain.pop("stopping_rule", None)
    known = {one.name for one in fields(Recipe)} - {"task", "method", "stop_after"}
    assert plain.keys() <= known
    label = [one.value.comparators[0] for one in rest if isinstance(one.value, ast.Compare)]
    again = replace(
        Recipe(task, method, **plain),
        stop_after=None if rule is None else rule.iterations,
        missing_label=of_values(label[0]) if label else None,
        roi=recipe.roi,
        psf_ratio=recipe.psf_ratio,
        caveats=recipe.caveats,
    )
    assert again == recipe
    assert rule is None or isinstance(rule, MaxIterations)
    if recipe.psf_ratio is not None:
        assert of_values(keywords["psf"].args[1]) == recipe.psf_ratio


def read_command(words):
    """Return what the command line understands: the task, the paths, the method and the other options."""
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "napari_dip.cli.batch.restore_files", lambda job, *places, **_: seen.append((job, places))
        )
        command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
        command(*bound.args, **bound.kwargs)
    ((job, (images, output)),) = seen
    return job, images, output


def check_command(recipe, files, notes=()):
    """Check that a command has the recipe's values, on one line, with nothing else but comments."""
    try:
        command = command_line(
            recipe, files["image"], files["output"], files["missing"], files["guide"], files["psf"]
        )
    except ValueError as error:
        check_words(error, "a command can't hold", "the command line has no options")
        return
    *remarks, line = (comments(notes) + command).splitlines()
    assert line == command
    assert all(one.startswith("# ") for one in remarks)
    assert not any(unicodedata.category(one)[0] == "C" for one in "".join(remarks))
    program, *words = shlex.split(command)
    assert program == "napari-dip"
    job, images, output = read_command(words)
    places = (*images, output, job.common.missing, job.common.guide)
    assert [str(one) for one in places] == [files["image"], files["output"], files["missing"], files["guide"]]
    assert (job.task, job.method) == (recipe.task, recipe.method)
    common = job.common
    names = (
        "axes",
        "channels",
        "saturation_level",
        "series",
        "device",
        "seed",
        "stop_after",
        "missing_label",
    )
    assert [getattr(common, name) for name in names] == [getattr(recipe, name) for name in names]
    if recipe.roi is not None:
        assert common.roi == ",".join(f"{start}:{stop}" for start, stop in recipe.roi)
    if recipe.task.needs_psf:
        assert str(job.psf) == files["psf"]


FILES = {
    "image": "a b.tif",
    "output": "--out.tif",
    "missing": "-m.tif",
    "guide": "[1].tif",
    "psf": "--psf.tif",
}


def check(values):
    """Check that values give an error in words, or exactly what we mean."""
    try:
        recipe = Recipe.of(values)
    except ValueError as error:
        check_words(error, "the provenance ")
        return None
    check_script(recipe)
    check_command(recipe, FILES, recipe.caveats)
    return recipe


def some(count):
    """Return how a law is tried: always with the same examples, and in a few seconds."""
    return settings(
        max_examples=count, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )


@some(100)
@given(ANYTHING)
def test_no_json_runs_anything(values):
    check(values)


@some(50)
@given(mutated())
def test_no_field_of_provenance_runs_anything(values):
    check(values)


@some(20)
@given(st.lists(st.text() | st.sampled_from(HOSTILE), min_size=5, max_size=5))
def test_any_name_of_a_file_is_one_argument_or_refused(names):
    image, *others = names
    places = [PurePath(f"x{image}"), *map(PurePath, others)]
    files = dict(zip(FILES, map(str, places), strict=True))
    check_command(Recipe(Deconvolve(psf=MeasuredPSF()), RichardsonLucy(), "YX"), files, names)


@pytest.mark.parametrize("values", SAMPLES)
def test_what_is_written_is_understood(values):
    recipe = check(json.loads(json.dumps(values)))
    assert recipe == Recipe.of(values)
    assert to_dict(recipe.task) == values["task"]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_a_file_stays_text(text):
    recipe = check(sample(SuperResolve(), FineTune(weights=text)))
    assert recipe.method.weights == text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_recipe_of_ones_own_writes_text_as_text(text):
    """No provenance checks these fields."""
    for name in ("seed", "saturation_level", "series", "device", "stop_after", "missing_label", "channels"):
        recipe = Recipe(Denoise(), DIP(), "YX", **{name: text})
        read_script(recipe.python("the_image", missing="the_missing"))
    for name, value in (("roi", ((0, text), (0, 4))), ("psf_ratio", (text, 1.0))):
        recipe = Recipe(Denoise(), DIP(), "YX", **{name: value})
        read_script(recipe.python("the_image", missing="the_missing", guide="the_guide", psf="the_psf"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"x", [1], {"a": 1}, object(), len, DIP])
def test_what_a_script_can_not_hold_is_refused(value):
    with pytest.raises(ValueError, match="a script can hold finite numbers and text only, got"):
        Recipe(Denoise(), DIP(), "YX", saturation_level=value).python("the_image")


def test_numbers_of_numpy_are_written_as_numbers():
    recipe = Recipe(Denoise(), DIP(), "YX", seed=np.int64(3), saturation_level=np.float32(0.5))
    check_script(recipe)


@pytest.mark.parametrize("text", ["a; b", "a\nb", "a #", "a) or (b", "import os", "a := 3", "", "\0"])
def test_an_array_is_given_as_one_expression(text):
    for name in ("image", "missing", "guide", "psf"):
        with pytest.raises(ValueError, match="must be given as a Python expression"):
            Recipe(Denoise(), DIP(), "YX").python(**{"image": "x", name: text})


#: A field, what is wrong with it, and how the message names it.
WRONG = [
    (("seed",), "x", "seed must be of type int, got 'x'"),
    (("seed",), True, "seed must be of type int, got True"),
    (("seed",), 1.5, r"seed must be of type int, got 1\.5"),
    (("seed",), -1, "seed must be >= 0, got -1"),
    (("seed",), 2**63, "seed must be an integer of at most 64 bits, got 64 bits"),
    (("seed",), 10**6000, "seed must be an integer of at most 64 bits, got 19932 bits"),
    (("stop_after",), '__import__("os") or 5', "stop_after must be of type int"),
    (("stop_after",), -1, "stop_after must be >= 0"),
    (("device",), "cuda:0", "device must be one of auto, cpu, cuda, mps, got 'cuda:0'"),
    (("series",), ["drift"], r"series must be one of .*, got \['drift'\]"),
    (("channels",), None, "channels must be one of together, separate, got None"),
    (("saturation_level",), "4095", "saturation_level must be a number, got '4095'"),
    (("saturation_level",), float("nan"), "saturation_level must be finite, got nan"),
    (("saturation_level",), {}, "saturation_level must be a number"),
    (("axes",), "TYY", "axes must be letters, each once"),
    (("axes",), "TYXé", "axes must be letters from A to Z"),
    (("axes",), ["T", "Y", "X"], "axes must be of type str"),
    (("axes",), "ZTYX", "shape must have one entry for each of the axes ZTYX, got 3"),
    (("shape",), [2, 0, 40], r"shape must be >= 1, got 0"),
    (("shape",), 3, "shape must be a tuple, got 3"),
    (("shape",), [2, 40], "shape must have one entry for each of the axes TYX, got 2"),
    (("own_rules",), ["a b"], "own_rules must be names of classes"),
    (("frames",), [3], r"frames\[0\] must be a mapping, got 3"),
    (("frames",), {}, "frames must be a tuple"),
    (("frames", 1, "outcome"), "ASLEEP", r"frames\[1\]\.outcome must be one of .*, got 'ASLEEP'"),
    (("frames", 1, "outcome"), [], r"frames\[1\]\.outcome must be one of .*, got \[\]"),
    (("frames", 0, "iterations"), None, r"frames\[0\]\.iterations must be of type int"),
    (("frames", 0, "note"), 3, r"frames\[0\]\.note must be of type str"),
    (("frames", 1, "diagnostics"), "good", r"frames\[1\]\.diagnostics must be a mapping, got 'good'"),
    (("frames", 1, "diagnostics", "verdict"), 3, r"frames\[1\]\.diagnostics\.verdict must be of type str"),
    (("frames", 1, "diagnostics", "noise_from"), "x", r"frames\[1\]\.diagnostics\.noise_from must be one of"),
    (("frames", 1, "diagnostics", "fitted", "pixels"), -1, r"frames.*\.fitted\.pixels must be >= 0"),
    (("source",), "x", "source must be a mapping, got 'x'"),
    (("source", "layer"), ["x"], r"source\.layer must be of type str"),
    (
        ("source", "roi"),
        [[0, 2], [0, 30]],
        r"source\.roi must have one entry for each of the axes TYX, got 2",
    ),
    (("source", "roi", 1), [4], r"source\.roi.* must have at least 2 entries, got 1"),
    (("source", "roi", 1), [4, 5, 6], r"source\.roi.* must have at most 2 entries, got 3"),
    (("source", "roi", 1), [5, 5], r"source\.roi must have ranges whose start lies before their end"),
    (("source", "roi", 1, 0), "0", r"source\.roi.* must be of type int"),
    (("source", "missing"), 3, r"source\.missing must be a mapping, got 3"),
    (("source", "missing", "label"), "2) or x", r"source\.missing\.label must be of type int"),
    (("source", "psf", "ratio"), [0.0, 1.0], r"source\.psf\.ratio must be > 0, got 0\.0"),
    (("source", "psf", "ratio"), [0.5], r"source\.psf\.ratio must have one entry for each of 2 spatial axes"),
    (("source", "maps"), {"width": 3}, r"source\.maps must be a mapping from names to names"),
    (("tuned",), 2, r"tuned must be <= 1, got 2\.0"),
    (("task",), "Denoise", "the type of settings must be one of Denoise, .*, got 'Denoise'"),
    (("task", "type"), "Sharpen", "the type of settings must be one of Denoise, .*, got 'Sharpen'"),
    (("task", "noise"), None, "Denoise.noise must be a NoiseModel, got None"),
    (("task", "noise", "sigma"), float("inf"), r"task\.noise\.sigma must be finite, got inf"),
    (("task", "noise", "sigma"), "20", "GaussianNoise.sigma must be a number, got '20'"),
    (("method", "iterations"), "500", "DIP.iterations must be of type int, got '500'"),
    (("method", "iterations"), 10**9, "DIP.iterations must be <= 1000000, got 1000000000"),
    (("method", "network", "widths"), 3, "Hourglass.widths must be a tuple, got 3"),
    (("method", "network", "widths", 0), "16", "Hourglass.widths must be of type int, got '16'"),
    (("method",), [], "the type of settings must be one of Auto, DIP"),
]


@pytest.mark.parametrize(("at", "value", "message"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_field_is_named(at, value, message):
    with pytest.raises(ValueError, match=f"^the provenance can't be used: {message}"):
        Recipe.of(changed(sample(), at, value))


@pytest.mark.parametrize("at", [(), ("source",), ("source", "psf"), ("frames", 0)])
def test_an_unknown_field_is_refused(at):
    values = sample()
    place = values
    for key in at:
        place = place[key]
    with pytest.raises(ValueError, match="has strength x, which this version does not know"):
        Provenance.of(changed(values, at, {**place, "strength\nx": 3}))


@pytest.mark.parametrize("values", [None, 3, "x", [], [("task", 1)], float("nan")])
def test_only_a_mapping_is_provenance(values):
    with pytest.raises(ValueError, match="the provenance must be a mapping, got"):
        Recipe.of(values)


def test_values_that_json_does_not_have_are_refused():
    for wrong in ({3: 4}, {"a": b"x"}, {"a": {(1, 2): 3}}, {"a": object()}, {"a": np.arange(3)}):
        with pytest.raises(
            ValueError, match=r"must (have text for keys|be text, a number, a list or a mapping)"
        ):
            Recipe.of({**sample(), "source": wrong})


@pytest.mark.parametrize("inside", [("method", "network"), ("task", "noise"), ("source",), ("frames", 0)])
@pytest.mark.parametrize("kind", ["list", "mapping", "cycle"])
def test_deep_nesting_is_refused(inside, kind):
    deep = {} if kind == "mapping" else []
    if kind == "cycle":
        deep.append(deep)
    else:
        for _ in range(10_000):
            deep = {"noise": deep} if kind == "mapping" else [deep]
    with pytest.raises(ValueError, match="must be nested at most 10 levels deep"):
        Recipe.of(changed(sample(), inside, deep))


ZEROS = {
    "napari-dip": "0.2",
    "task": to_dict(Denoise()),
    "method": to_dict(DIP()),
    "axes": "YX",
    "shape": [30, 40],
}
ATTACKS = [
    ("stop_after", "__import__('os').system('touch {}') or 5"),
    ("seed", "__import__('pathlib').Path('{}').touch()"),
    ("saturation_level", "open('{}', 'w')"),
    ("axes", 'YX")); open("{}", "w"); str(("'),
    ("source", {"layer": "x\ntouch {}\n#", "path": "$(touch {})"}),
    ("source", {"missing": {"layer": "m", "label": "0, open('{}', 'w')"}}),
    ("own_rules", ["Own\ntouch {}\n#"]),
    ("series", 'drift", open("{}", "w"), "'),
]


@pytest.mark.parametrize(("field", "value"), ATTACKS)
def test_a_file_of_a_stranger_starts_nothing(field, value, tmp_path):
    owned, image = tmp_path / "OWNED", np.zeros((30, 40), np.float32)
    value = json.loads(json.dumps(value).replace("{}", str(owned)))
    record = json.loads(json.dumps({**ZEROS, field: value}))
    for suffix in (".tif", ".png"):
        path = tmp_path / f"image{suffix}"
        source = ImageFile(image.astype(np.uint8))
        write(path, image, source, axes="YX", provenance=record)
        found = provenance(path)
        assert found == record
        try:
            recipe = Recipe.of(found)
        except ValueError as error:
            check_words(error, "the provenance can't be used: ")
            continue
        script = recipe.python("the_image")
        with pytest.raises(ZeroDivisionError):  # the script runs up to `restore`
            exec(script.replace("restored = ", "1 / 0 or "), {"the_image": image})
        command = comments(recipe.caveats) + command_line(recipe, str(path), "out.tif")
        subprocess.run(["sh", "-c", command], check=False, capture_output=True, cwd=tmp_path)
    assert not owned.exists()
