"""Each result is described for a paper: its method, versions, settings, sources and limitations."""

import ast
import re
from dataclasses import replace
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from napari_dip import (
    DIP,
    PKN,
    PRESETS,
    Auto,
    CorrelatedNoise,
    Deconvolve,
    Denoise,
    FineTune,
    GaussianNoise,
    Inpaint,
    LaplaceNoise,
    MoffatPSF,
    NonLocalBayes,
    PoissonGaussianNoise,
    PoissonNoise,
    RichardsonLucy,
    StripeNoise,
    SuperResolve,
    UnknownNoise,
    Wiener,
    __version__,
    restore,
)
from napari_dip.methods import METHODS
from napari_dip.methods.classic import NO_NUMBER
from napari_dip.optim.iterate import Outcome, StoppingCriterion
from napari_dip.restoration.paper.citations import WORKS, Bibliography, Work
from napari_dip.restoration.paper.methods import _ENDS, BUNDLED, nearest_preset
from napari_dip.restoration.paper.methods_text import bibtex, methods_text
from napari_dip.settings import to_dict
from napari_dip.tasks import TASKS

from ..test_provenance import mutated

SOURCES = {
    DIP: ["Ulyanov et al. 2020", "Kingma and Ba 2015"],
    PKN: ["Wronski 2021"],
    FineTune: ["Lucas et al. 2019"],
    NonLocalBayes: ["Lebrun et al. 2013"],
    RichardsonLucy: ["Richardson 1972", "Lucy 1974"],
    Wiener: ["Hunt 1973", "van der Walt et al. 2014"],
}
NOISES = [
    GaussianNoise(12.0),
    PoissonNoise(2.5, 100.0),
    PoissonGaussianNoise(2.5, 100.0, 3.0),
    LaplaceNoise(12.0),
    UnknownNoise(),
]
#: The record of a run names the method that was chosen, so that it never names Auto.
PAIRS = [
    (task, method) for method in METHODS for task in TASKS if task in method.tasks and method is not Auto
]


def frame(index=(), outcome="NO_IMPROVEMENT", iterations=1240, criterion="HELD_OUT", **changes):
    return {
        "index": list(index),
        "outcome": outcome,
        "iterations": iterations,
        "score": 0.5,
        "seconds": 1.5,
        "criterion": criterion,
        "note": "",
        "error": None,
        **changes,
    }


def provenance(task=None, method=None, **changes):
    return {
        "napari-dip": "0.2.0",
        "torch": "2.10.1",
        "numpy": "2.4.0",
        "python": "3.12.1",
        "platform": "Linux x86_64",
        "task": to_dict(task or Denoise()),
        "method": to_dict(method or DIP()),
        "axes": "YX",
        "channels": "together",
        "device": "cpu",
        "seed": 17,
        "threads": 4,
        "shape": [256, 320],
        "series": "warm_start",
        "frames": [frame()],
        "source": {},
        **changes,
    }


def paragraph(*arguments, **changes):
    return methods_text(provenance(*arguments, **changes)).split("\n\n")[0]


def limits(*arguments, **changes):
    return methods_text(provenance(*arguments, **changes)).split("\n\n")[1]


@pytest.mark.parametrize("method", [PKN(), FineTune()], ids=["filter", "network"])
def test_faint_sources_are_told_of_unless_they_are_switched_off(method):
    found = [frame(outcome="RISK", criterion="RISK", iterations=5)]
    assert "were put back" in paragraph(Denoise(), method, frames=found)
    assert "were put back" not in paragraph(SuperResolve(), method, frames=found)
    off = replace(method, recover_sources=False)
    assert "were put back" not in paragraph(Denoise(), off, frames=found)


@pytest.mark.parametrize(("task", "method"), PAIRS)
def test_every_method_and_task_is_named_with_versions_seed_and_sources(task, method):
    values = provenance(task(), method())
    text = methods_text(values)
    first, second, *_ = text.split("\n\n")
    verb = {Denoise: "denoised", Inpaint: "inpainted", SuperResolve: "super-resolved"}.get(
        task, "deconvolved"
    )
    assert first.startswith(f"An image of 256 x 320 pixels was {verb}")
    for part in ("napari-dip 0.2.0", "PyTorch 2.10.1", "NumPy 2.4.0", "in 4 threads", "numbers was 17"):
        assert part in first
    for source in SOURCES[method]:
        assert source in first
    assert second.startswith("Limitations. ")
    entries = bibtex(values)
    keys = set(re.findall(r"^@\w+\{([\w-]+),$", entries, re.MULTILINE))
    cited = {key for key, work in WORKS.items() if work.cited in text}
    assert keys == cited | {"napari-dip"}


def test_the_paragraph_of_a_usual_run():
    text = paragraph(Denoise(PoissonNoise(2.5, 100.0)), DIP(ensemble_size=2, precision="float32"))
    assert text == " ".join(
        dedent(
            """
            An image of 256 x 320 pixels was denoised with napari-dip 0.2.0 (The napari-dip developers) by
            Deep Image Prior (Ulyanov et al. 2020). A convolutional encoder–decoder with skip connections and
            5 scales of 16, 32, 64, 128 and 128 channels was fitted to the data alone, without any training
            data; its structure is the prior. Its weights were updated by Adam (Kingma and Ba 2015) with a
            step size of 0.01 and β₂ = 0.95. The input of the network was 16 channels of fixed uniform noise,
            to which normal noise with a standard deviation of 0.03 was added at each iteration. It also saw
            an estimate by non-local Bayes, made without the held-out pixels (Lebrun et al. 2013). The
            outputs were averaged over iterations with
            a decay rate of 0.99. The fit did not see 5 % of the observed pixels, chosen at random; the
            average with the lowest error on them was kept. The result is the mean of 2 networks that were
            fitted from different random weights. At the end, the data were filtered by non-local Bayes with
            the fitted image as the pilot (Lebrun et al. 2013), and the result is the mean of both that the
            held-out pixels preferred. Outside the multiresolution support of the data, where they show no
            structure of any width (Starck et al. 1995), the result is their smooth mean. The final
            result is the mean of the image so far and of the estimate by non-local Bayes, made again from all
            pixels, that the held-out pixels preferred. For these filters, photon noise was
            given the same variance everywhere by the generalised
            Anscombe transform with its exact unbiased inverse (Mäkitalo and Foi 2011;
            Mäkitalo and Foi 2013). Faint sources that stand out from the noise of the data, but were
            weaker in the fitted image or absent from it, were put back. The run ended when the error on the
            held-out pixels had stopped falling. The result is that of iteration 1240. All settings were the
            defaults of this version, except ensemble_size = 2. The noise was described as photon noise with
            2.5 grey levels per photon above an offset of 100.
            The computation used PyTorch 2.10.1 (Paszke et al. 2019), NumPy 2.4.0 (Harris et al. 2020) and
            Python 3.12.1, and ran on the CPU in 4 threads; the seed of its random numbers was 17.
            """
        ).split()
    )


def test_the_noise_is_described():
    words = [paragraph(Denoise(noise)) for noise in NOISES]
    assert "Gaussian with a standard deviation of 12 grey levels in all pixels" in words[0]
    assert "2.5 grey levels per photon above an offset of 100." in words[1]
    assert "above an offset of 100, and read noise of 3 grey levels" in words[2]
    assert "heavy-tailed (Laplace) with a standard deviation of 12 grey levels" in words[3]
    assert "The strength of the noise was not given" in words[4]
    assert "1 grey level per photon" in paragraph(Denoise(PoissonNoise()))
    assert "given for each pixel" in paragraph(Denoise(), noise_std=True)
    measured = paragraph(Denoise(), PKN(), frames=[frame(outcome="COMPUTED", criterion=None)])
    assert "The noise was measured in the data (Immerkær 1996)" in measured


def test_noise_that_a_run_has_measured_is_described():
    one, other = frame((0,), measured_noise=True), frame((1,))
    text = paragraph(Denoise(), frames=[one])
    assert "not given; it grew with brightness, was measured by a photon transfer curve" in text
    assert "(Janesick et al. 1987)" in text
    assert "Anscombe" in text
    assert "estimated in the course of the run" not in text
    assert "The noise was measured in the image itself" in limits(Denoise(), frames=[one])
    both = paragraph(Denoise(), frames=[one, other], axes="TYX", shape=[2, 32, 32])
    assert "in 1 of 2 images, it grew with brightness" in both
    assert "In the others it was estimated" in both


@pytest.mark.parametrize("outcome", ["TIME_LIMIT", "STOPPED", "RULE"])
def test_filters_are_not_told_of_where_the_run_was_stopped_before_them(outcome):
    finished, stopped = paragraph(Denoise()), paragraph(Denoise(), frames=[frame(outcome=outcome)])
    for words in ("(Starck et al. 1995)", "the data were filtered by non-local Bayes", "were put back"):
        assert words in finished
        assert words not in stopped


def test_the_blur_is_described():
    text = paragraph(Deconvolve(psf=MoffatPSF(fwhm=3.2, axial_fwhm=7), floor=100.0))
    assert "a Moffat profile with a full width at half maximum of 3.2 pixels and 7 planes along Z" in text
    assert "(Moffat 1969)" in text
    assert "bounded below by the grey level 100" in text
    assert "method of sieves (Snyder and Miller 1985)" in text
    assert "the point spread function" in limits(Deconvolve())


def test_the_floor_and_read_noise_of_deconvolution_are_described():
    noise = PoissonGaussianNoise(2.0, 100.0, 3.0)
    text = paragraph(Deconvolve(noise), RichardsonLucy(), frames=[frame(outcome="COMPUTED", criterion=None)])
    assert "(Snyder et al. 1993)" in text
    assert "bounded below by the offset of the noise model" in text
    assert "bounded below" not in paragraph(Deconvolve(noise, positivity=False))


def test_the_number_of_iterations_is_told_and_how_it_was_found():
    found = [frame(outcome="COMPUTED", criterion=None, iterations=23)]
    text = paragraph(Deconvolve(), RichardsonLucy(), frames=found)
    assert (
        "were stopped after 23 iterations. The data were split into two parts with independent noise" in text
    )
    text = paragraph(Deconvolve(), RichardsonLucy(5), frames=found)
    assert "were stopped after 5 iterations" in text
    assert "split" not in text
    unknown = [frame(outcome="COMPUTED", criterion=None, iterations=10, note=NO_NUMBER)]
    text = paragraph(Deconvolve(), RichardsonLucy(), frames=unknown)
    assert "were stopped after 10 iterations" in text
    assert "split" not in text


def test_an_uncertainty_is_described_unless_none_could_be_given():
    refused = frame(note="No uncertainty can be given: it is available for denoising only.")
    assert "standard error of each pixel" in paragraph(uncertainty=True)
    assert "standard error of each pixel" in paragraph(uncertainty=True, frames=[frame((0,)), refused])
    assert "standard error of each pixel" not in paragraph(uncertainty=True, frames=[refused])


def test_series_channels_regions_and_masks_are_described():
    place = {"layer": "m", "path": "C:\\data\\mask.tif", "multiscale": False, "same_grid": True}
    text = paragraph(
        axes="TZYXC",
        shape=[5, 8, 30, 40, 3],
        series="drift",
        saturation_level=4095.0,
        frames=[frame((at,), iterations=100 + at) for at in range(5)],
        source={"roi": [[0, 5], [0, 8], [4, 34], [0, 40], [0, 3]], "missing": place, "no_data": -1.0},
    )
    for part in (
        "A series of 5 volumes of 8 x 30 x 40 voxels and 3 channels",
        "It is the region",
        "Channels were restored together.",
        "after the drift between them had been corrected (Guizar-Sicairos et al. 2008)",
        "by a mask (“mask.tif”)",
        "above the grey level 4095",
        "of the grey level -1",
        "The 5 runs ended when the error on the held-out pixels had stopped falling.",
        "Their results are those of iterations 100 to 104.",
    ):
        assert part in text
    planes = paragraph(method=PKN(), axes="ZYX", shape=[8, 30, 40], frames=[])
    assert "Volumes were restored plane by plane." in planes


def test_colours_that_were_filtered_apart_are_told_of():
    colours = {"axes": "YXC", "shape": [8, 30, 3], "frames": []}
    words = (
        "Where the noise of the channels was about equally strong, brightness and differences between "
        "channels were filtered with parameters of their own."
    )
    assert words in paragraph(method=PKN(), **colours)
    for grey in (
        {"method": PKN(), "frames": []},
        {"method": PKN(separate_colours=False), **colours},
        {"method": PKN(), **colours, "channels": "separate"},
        {"method": PKN(), **colours, "source": {"guide": {"layer": "flash"}}},
        {"method": PKN(), **colours, "source": {"maps": {"width": "w", "a": "a", "b": "b"}}},
    ):
        assert words not in paragraph(**grey)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_end_of_a_run_has_words(outcome):
    text = methods_text(
        provenance(frames=[frame(outcome=outcome.name, error="why" * outcome.name.count("FAILED"))])
    )
    done = {Outcome.CONSISTENT, Outcome.COMPUTED, Outcome.UNCHANGED, Outcome.FAILED}
    assert (outcome in _ENDS) == (outcome not in done)
    if outcome is Outcome.FAILED:
        assert "1 of 1 images could not be restored" in text
    if outcome is Outcome.TIME_LIMIT:
        assert "The run ended before its criterion was met" in text


def test_correlated_noise_and_its_criteria_are_described():
    split = methods_text(
        provenance(Denoise(CorrelatedNoise()), frames=[frame((), "SPLIT", criterion="SPLIT")])
    )
    assert split.count("(Oliveira et al. 2024)") == 1
    for words in ("to the second was kept", "an estimate of the first image", "the data were filtered by"):
        assert split.count(words) == 1
    assert "correlated between neighbouring pixels" in split
    striped = paragraph(Denoise(StripeNoise(lines="rows")))
    assert "Offsets of rows were measured in the data and taken off first." in striped
    text = methods_text(provenance(frames=[frame(criterion=StoppingCriterion.VARIANCE.name)]))
    assert "(Wang et al. 2023)" in text
    assert "correlated between pixels resembles structure" in text
    assert "classic filters" not in text


def diagnostics(**changes):
    whole = {"value": 1.04, "error": 0.03}
    return {
        "verdict": "A verdict.",
        "consistent": True,
        "noise_from": "task",
        "unseen": {"pixels": 100, "whole": whole},
        "relative_error": {"value": 0.2, "error": 0.02},
        "flux_ratio": {"value": 1.002, "error": 0.004},
        "peak_count": 0,
        **changes,
    }


def test_what_was_measured_is_stated():
    text = paragraph(frames=[frame(diagnostics=diagnostics())])
    for part in (
        "the mean square residual was 1.04 ± 0.03 in units of the variance of the noise as it was stated.",
        "the root mean square error was estimated as 0.20 ± 0.02 standard deviations",
        "The light of bright places was 1.002 ± 0.004 times that in the data.",
        "The residual stood out by more than five standard errors at no place.",
        "The residual was consistent with noise.",
    ):
        assert part in text
    measured = paragraph(frames=[frame(diagnostics=diagnostics(noise_from="data", peak_count=3))])
    assert "as it was measured in the data (Immerkær 1996)" in measured
    assert "at 3 places" in measured
    several = provenance(
        axes="TYX",
        shape=[3, 32, 32],
        frames=[frame((at,), diagnostics=diagnostics(consistent=at > 0, white=at > 0)) for at in range(3)],
    )
    assert "1.04 in the median" in methods_text(several)
    assert "consistent with noise in 2 of 3 images" in methods_text(several)
    assert "The residual of 1 of 3 images holds more than noise" in methods_text(several)
    assert "found to be correlated" in methods_text(several)
    unknown = paragraph(frames=[frame(diagnostics=diagnostics(noise_from="nothing"))])
    assert "mean square" not in unknown


def test_fine_tuning_says_what_was_done():
    computed = paragraph(method=FineTune(action="network"), frames=[frame(outcome="COMPUTED", iterations=0)])
    assert "Its output is the result, and was not corrected." in computed
    consistent = paragraph(method=FineTune(), frames=[frame(outcome="CONSISTENT", iterations=0)])
    assert "Its output was consistent with the data" in consistent
    tuned = paragraph(method=FineTune(), frames=[frame(outcome="RISK", criterion="RISK")], tuned=0.5)
    assert "(Ramani et al. 2008)" in tuned
    assert "50% was applied" in tuned
    own = methods_text(provenance(method=FineTune(weights="/home/me/own.pth")))
    assert "read from the file “own.pth”" in own
    assert "[ ] Access to the model: deposit the file “own.pth”" in own
    assert "/home/me" not in own
    for name in BUNDLED:
        assert "trained on synthetic images" in paragraph(method=FineTune(weights=name))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_named(name):
    nearest, changes = nearest_preset(replace(PRESETS[name], precision="float32", patience=77))
    assert nearest == (None if name == "tapered" else name)
    assert changes == "patience = 77"


def test_the_checklists_hold_a_script_that_repeats_the_run():
    text = methods_text(provenance(source={"path": "/data/cells.tif"}))
    script = dedent(text.split("repeats the run.\n")[1].split("\n[ ] Public")[0])
    tree = ast.parse(script)
    assert "cells.tif" in script
    assert "seed=17" in script
    assert any(isinstance(node, ast.Call) for node in ast.walk(tree))
    assert "Checklist for machine-learning workflows" in text
    assert "machine-learning" not in methods_text(provenance(Deconvolve(), Wiener()))


def test_a_result_describes_itself():
    image = np.random.default_rng(0).normal(100, 5, (32, 32))
    restored = restore(image, Denoise(GaussianNoise(5.0)), PKN(), seed=3, threads=1)
    text = restored.methods_text()
    assert text == methods_text(restored.provenance)
    assert f"napari-dip {__version__}" in text
    assert f"NumPy {np.__version__}" in text
    assert "@misc{wronski2021," in restored.bibtex()


@pytest.mark.parametrize("key", WORKS)
def test_the_entries_are_bibtex(key):
    cite = Bibliography(Work("", "", "software"))
    assert cite(key) == f"({WORKS[key].cited})"
    entry = cite.bibtex
    assert entry.count("{") == entry.count("}")
    assert entry.isascii()
    fields = re.findall(r"^  (\w+) = \{", entry, re.MULTILINE)
    assert {"author", "title", "year"} <= set(fields)
    assert WORKS[key].cited.split()[-1] in entry
    assert entry.splitlines()[0] == f"@{WORKS[key].kind}{{{key},"


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(mutated())
def test_whatever_a_file_says_gives_a_text_or_an_error(values):
    try:
        text = methods_text(values)
    except ValueError:
        return
    head = text.split("\n\nChecklist")[0]
    assert head.count("\n") == 2  # two paragraphs, whatever the names hold
    assert all(one.isprintable() for one in head.replace("\n", ""))
    entries = bibtex(values)
    assert entries.isascii()
    assert entries.count("{") == entries.count("}")
