from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Interval
from hypothesis import given
from hypothesis import strategies as st
from qtpy.QtCore import Qt
from qtpy.QtGui import QTextDocument
from qtpy.QtWidgets import QLabel
from superqt import QCollapsible

from napari_dip import (
    DIP,
    PRESETS,
    AiryPSF,
    Deconvolve,
    Denoise,
    GaussianNoise,
    Hourglass,
    Inpaint,
    LaplaceNoise,
    PoissonGaussianNoise,
    PoissonNoise,
    SuperResolve,
    UnknownNoise,
)
from napari_dip.methods import NonLocalBayes, RichardsonLucy, Wiener
from napari_dip.noise.models import NoiseModel
from napari_dip.plugin.forms.fields import Entry, label, unit
from napari_dip.plugin.forms.form import Form, Variants
from napari_dip.presentation import words_of_method
from napari_dip.psf.models import PSFS
from napari_dip.settings import check, descriptions, family, hints
from napari_dip.tasks import TASKS


@dataclass(frozen=True)
class Shape(ABC):
    """Anything with an area."""

    def __post_init__(self):
        check(self)

    @abstractmethod
    def area(self):
        """Return it."""


@dataclass(frozen=True)
class Square(Shape):
    """All sides alike.

    Parameters
    ----------
    side : float
        In metres.
    """

    side: Annotated[float, Gt(0)] = 2.0

    def area(self):
        return self.side**2


@dataclass(frozen=True)
class Disc(Shape):
    """Round.

    Parameters
    ----------
    radius : float
        In metres.
    """

    radius: Annotated[float, Gt(0)]

    def area(self):
        return 3 * self.radius**2


@dataclass(frozen=True)
class Dot(Shape):
    """Nothing to set."""

    def area(self):
        return 0


@dataclass(frozen=True)
class Depth:
    """How deep.

    Parameters
    ----------
    low, high : int
        From here to there.
    """

    low: Annotated[int, Interval(gt=1, lt=9)] = 3
    high: int = 4

    def __post_init__(self):
        check(self)
        if self.low > self.high:
            raise ValueError("Depth.high must not be less than low")


@dataclass(frozen=True)
class Example:
    """Every kind of setting.

    Parameters
    ----------
    flag : bool
        Yes if 1 < 2, else no.
    kind : {"one", "two"}
        Which one.
    count : int
        How many.
    share : float, optional
        Of the whole.
    limit : int, optional
        At the most.
    name : str
        Of it all.
    alias : str, optional
        Of it all, too.
    sizes : tuple of int
        The finest first.
    rates : tuple of float
        One after another.
    depth : Depth
        How deep.
    shape : Shape
        What it looks like.
    hole : Shape, optional
        What it lacks.
    """

    flag: bool = True
    kind: Literal["one", "two"] = "two"
    count: Annotated[int, Ge(1)] = 5
    share: Annotated[float | None, Interval(ge=0, le=1)] = None
    limit: Annotated[int | None, Ge(1)] = 7
    name: str = "cells"
    alias: str | None = None
    sizes: tuple[Annotated[int, Ge(0)], ...] = (1, 2)
    rates: tuple[float, ...] = (1e-5,)
    depth: Depth = Depth()
    shape: Shape = Square()
    hole: Shape | None = None

    def __post_init__(self):
        check(self)


NOISES = (
    UnknownNoise(),
    GaussianNoise(12.5),
    PoissonNoise(0.1, 100.0),
    PoissonGaussianNoise(2.3, 99.5, 1 / 3),
    LaplaceNoise(1e-5),
)
CHANGED_EXAMPLE = Example(
    flag=False,
    kind="one",
    count=2**40,
    share=0.1 + 0.2,
    limit=None,
    name="two words, and more",
    alias="a",
    sizes=(0,),
    rates=(1 / 3, 2.0, 1e300),
    depth=Depth(2, 8),
    shape=Disc(1e-5),
    hole=Dot(),
)
SETTINGS = [
    *PRESETS.values(),
    DIP(
        time_limit=12.5, learning_rate=1e-5, input_noise_std=1 / 3, network=Hourglass(widths=(7,), skips=(0,))
    ),
    Hourglass(),
    Hourglass(widths=(1, 2, 3), skips=(0, 0, 9), kernel_up=5, padding="reflect", projection=False),
    *NOISES,
    *(Denoise(noise) for noise in NOISES),
    Inpaint(GaussianNoise(3.0), keep_observed=False),
    SuperResolve(PoissonNoise(2.0), factor=3, downsampling="area", along="axial", psf=AiryPSF(2.0)),
    *(Deconvolve(psf=psf(), floor=99.5) for psf in PSFS.values()),
    NonLocalBayes(strength=0.5, recover_sources=False),
    RichardsonLucy(iterations=3),
    Wiener(balance=0.1),
    Example(),
    CHANGED_EXAMPLE,
    replace(CHANGED_EXAMPLE, shape=Dot()),
]
COMPLETE = (
    DIP,
    NonLocalBayes,
    RichardsonLucy,
    Wiener,
    Hourglass,
    *TASKS,
    *PSFS.values(),
    PoissonNoise,
    PoissonGaussianNoise,
    UnknownNoise,
    Example,
    Depth,
    Square,
    Dot,
)
NEEDY = (GaussianNoise, LaplaceNoise, Disc)


@pytest.fixture
def show(qtbot):
    """Return a form on the screen."""
    forms = []

    def shown(cls, *essential):
        form = Form(cls, *essential)
        forms.append(form)
        qtbot.addWidget(form)
        form.show()
        return form

    return shown


@pytest.fixture
def count():
    """Return how often a form has said that it was changed, as a list that grows."""

    def counted(form):
        seen = []
        form.changed.connect(lambda: seen.append(1))
        return seen

    return counted


def seen_in(form):
    """Return the names of the fields that aren't folded away."""
    return {name for name, field in form.fields.items() if not field.visibleRegion().isEmpty()}


def plain(tooltip):
    document = QTextDocument()
    document.setHtml(tooltip)
    return " ".join(document.toPlainText().split())


# Values


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_form_gives_back_the_settings_that_it_was_shown(show, settings):
    form = show(type(settings))
    form.set(settings)
    assert form.value == settings
    assert form.problems() == []


def test_a_form_begins_with_the_defaults(show):
    for cls in COMPLETE:
        form = show(cls)
        assert form.value == cls()
        assert form.problems() == []


@pytest.mark.parametrize("cls", NEEDY)
def test_a_field_without_a_default_is_empty_and_asks_for_its_value(show, cls):
    form = show(cls)
    (field,) = form.fields.values()
    assert field.editor.value == ""
    assert field.reason == "must be a number"
    with pytest.raises(ValueError, match="must be a number"):
        _ = form.value


def test_a_form_shows_one_thing_after_another(show):
    form = show(Example)
    for settings in (CHANGED_EXAMPLE, Example(), replace(CHANGED_EXAMPLE, shape=Dot()), CHANGED_EXAMPLE):
        form.set(settings)
        assert form.value == settings


def test_every_finite_number_survives(qtbot):
    entry = Entry(float)
    qtbot.addWidget(entry)

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def survives(number):
        entry.set(number)
        assert entry.value == number

    survives()


def test_a_small_number_can_be_typed(show, qtbot):
    form = show(DIP)
    editor = form.fields["learning_rate"].editor.native
    editor.clear()
    qtbot.keyClicks(editor, "1e-5")
    assert form.value == DIP(learning_rate=1e-5)


@pytest.mark.parametrize(
    ("text", "sizes"), [("1,2,3", (1, 2, 3)), (" 4 ,  5 ", (4, 5)), ("6", (6,)), ("7, 8,", (7, 8))]
)
def test_a_tuple_is_typed_with_commas(show, text, sizes):
    form = show(Example)
    form.fields["sizes"].editor.value = text
    assert form.value.sizes == sizes


def test_nothing_typed_is_none_where_it_may_be(show):
    form = show(Example)
    for name in ("share", "limit", "alias"):
        form.fields[name].editor.value = " "
        assert form.fields[name].editor.native.placeholderText() == "none"
    assert (form.value.share, form.value.limit, form.value.alias) == (None, None, None)


@pytest.mark.parametrize(
    ("cls", "name", "shown"),
    [
        (DIP, "validation_fraction", "automatic"),
        (DIP, "time_limit", "none"),
        (Wiener, "balance", "automatic"),
    ],
)
def test_an_empty_field_says_whether_something_is_chosen_for_it(show, cls, name, shown):
    assert show(cls).fields[name].editor.native.placeholderText() == shown


# Limits and tooltips


@pytest.mark.parametrize(
    ("cls", "name", "low", "high"),
    [
        (DIP, "iterations", 1, 1_000_000),
        (DIP, "ensemble_size", 1, 100),
        (DIP, "patience", 1, 2**53),
        (Hourglass, "kernel_up", 1, 2**53),
        (Depth, "low", 2, 8),
        (Depth, "high", -(2**53), 2**53),
    ],
)
def test_the_limits_of_an_annotation_are_those_of_the_spin_box(show, cls, name, low, high):
    field = show(cls).fields[name]
    assert (field.editor.min, field.editor.max) == (low, high)
    for value in (low, high):
        field.set(value)
        assert field.value == value


@pytest.mark.parametrize("cls", [*COMPLETE, *NEEDY])
def test_every_field_has_an_editor_whose_tooltip_is_the_docstring(show, cls):
    form = show(cls)
    assert set(form.fields) == set(hints(cls))
    for name, field in form.fields.items():
        assert plain(field.toolTip()) == " ".join(descriptions(cls)[name].replace("`", "").split())


@pytest.mark.parametrize("cls", [DIP, Example])
def test_a_label_has_the_tooltip_of_its_field(show, cls):
    form = show(cls)
    labels = {one.text(): one for one in form.findChildren(QLabel)}
    for name, field in form.fields.items():
        if not isinstance(field, Form):
            assert labels[label(name) + unit(hints(cls)[name])].toolTip() == field.toolTip()
    folds = {fold.text(): fold.toggleButton() for fold in form.findChildren(QCollapsible)}
    for name in (name for name, field in form.fields.items() if isinstance(field, Form)):
        assert plain(folds[label(name)].toolTip()) == descriptions(cls)[name]


def test_a_choice_among_classes_that_is_not_essential_is_in_a_fold_of_its_own(show):
    form = show(DIP, words_of_method(DIP).essential)
    (fold,) = (fold for fold in form.findChildren(QCollapsible) if fold.text() == "Network")
    assert fold.isAncestorOf(form.fields["network"])
    assert plain(fold.toggleButton().toolTip()) == descriptions(DIP)["network"]


def test_a_class_in_a_list_is_called_without_the_name_of_its_family(show):
    choice = show(Deconvolve).fields["psf"].choice.native
    assert [choice.itemText(at) for at in range(choice.count())] == ["Gaussian", "Airy", "Moffat", "Measured"]


def test_a_class_in_a_list_has_the_first_line_of_its_docstring(show):
    choice = show(Denoise).fields["noise"].choice.native
    names = [choice.itemText(at) for at in range(choice.count())]
    told = [choice.itemData(at, Qt.ItemDataRole.ToolTipRole) for at in range(choice.count())]
    assert {"Gaussian", "Laplace", "Poisson", "Poisson-Gaussian", "Unknown"} <= set(names)
    assert told == [cls.__doc__.split("\n")[0] for cls in family(NoiseModel)]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("time_limit", "Time limit"),
        ("PoissonGaussian", "Poisson-Gaussian"),
        ("DIP", "DIP"),
        ("a", "A"),
        ("axial_fwhm", "Axial FWHM"),
    ],
)
def test_labels_are_words(name, wanted):
    assert label(name) == wanted


# What is wrong


@pytest.mark.parametrize(
    ("cls", "name", "text", "reason"),
    [
        (DIP, "learning_rate", "abc", "must be a number, got 'abc'"),
        (DIP, "learning_rate", "", "must be a number"),
        (DIP, "learning_rate", "2", "must be <= 1, got 2.0"),
        (DIP, "learning_rate", "0", "must be > 0, got 0.0"),
        (DIP, "learning_rate", "1e999", "must be finite, got inf"),
        (DIP, "beta2", "1", "must be < 1, got 1.0"),
        (DIP, "time_limit", "-1", "must be > 0, got -1.0"),
        (Hourglass, "widths", "16, x", "must be a whole number, got 'x'"),
        (Hourglass, "widths", "16, 0", "must be >= 1, got 0"),
        (Hourglass, "widths", "16,, 32", "must be a whole number"),
        (Hourglass, "widths", "", "must be a whole number"),
        (Example, "limit", "1.5", "must be a whole number, got '1.5'"),
        (Example, "limit", "0", "must be >= 1, got 0"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_until_it_is_mended(show, cls, name, text, reason):
    form = show(cls)
    field = form.fields[name]
    right = field.editor.value
    field.editor.value = text
    assert field.reason == reason
    assert field._reason.text() == reason
    assert not field._reason.isHidden()
    assert form.problems() == [f"{label(name)} {reason}"]
    assert {other: one.reason for other, one in form.fields.items() if one.reason} == {name: reason}
    with pytest.raises(ValueError, match="must be"):
        _ = form.value
    field.editor.value = right
    assert field.reason == ""
    assert field._reason.isHidden()
    assert form.problems() == []
    assert form.value == cls()


def test_settings_that_are_shown_mend_what_was_wrong(show):
    form = show(DIP)
    form.fields["learning_rate"].editor.value = "fast"
    form.fields["network"].form.fields["widths"].editor.value = "wide"
    form.set(DIP())
    assert form.fields["learning_rate"].reason == form.fields["network"].form.fields["widths"].reason == ""
    assert form.problems() == []


def test_every_wrong_field_is_marked(show):
    form = show(DIP)
    for name in ("learning_rate", "input_noise_std"):
        form.fields[name].editor.value = "?"
    form.fields["network"].form.fields["skips"].editor.value = "?"
    assert form.problems() == [
        "Learning rate must be a number, got '?'",
        "Input noise std must be a number, got '?'",
        "Skips must be a whole number, got '?'",
    ]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("skips", "4, 4", "must have one entry per scale: 5 widths, 2 skips"),
        ("widths", "16", "must have one entry per scale: 1 widths, 5 skips"),
        ("kernel_up", 4, "Hourglass.kernel_up must be odd, got 4"),
    ],
)
def test_what_fields_say_together_is_said_at_their_form(show, name, value, reason):
    form = show(DIP)
    network = form.fields["network"].form
    right = network.fields[name].editor.value
    network.fields[name].editor.value = value
    assert reason in network.reason
    assert not network._reason.isHidden()
    assert form.problems() == [network.reason]
    assert form.reason == ""
    assert all(field.reason == "" for field in network.fields.values())
    network.fields[name].editor.value = right
    assert network.reason == ""
    assert form.value == DIP()


def test_a_long_reason_is_shown_whole_in_any_width(show, qtbot):
    form = show(Example)
    field = form.fields["share"]
    for width in (300, 420, 350):
        form.resize(width, 900)
        field.show_error("must be a number that suits all the others and is neither too small nor too large")
        qtbot.waitUntil(lambda width=width: 0 < field._reason.width() < width)
        assert field._reason.height() >= field._reason.heightForWidth(field._reason.width())


# What is shown


def test_essential_fields_are_shown_and_the_others_are_folded_away(show, qtbot):
    form = show(DIP, words_of_method(DIP).essential)
    assert seen_in(form) == set(words_of_method(DIP).essential)
    form.resize(400, 900)
    for title in ("More settings", "Network"):
        (button,) = (fold.toggleButton() for fold in form.findChildren(QCollapsible) if fold.text() == title)
        qtbot.waitUntil(lambda button=button: not button.visibleRegion().isEmpty())
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: seen_in(form) == set(form.fields))
    assert form.value == DIP()


def test_essential_fields_come_in_their_own_order(show):
    form = show(DIP, words_of_method(DIP).essential)
    heights = [
        form.fields[name].mapTo(form, form.rect().topLeft()).y() for name in words_of_method(DIP).essential
    ]
    assert heights == sorted(heights)


def test_without_a_choice_all_fields_are_shown_but_nested_ones(show):
    form = show(Example)
    assert set(form.fields) - seen_in(form) == {"depth"}


def test_no_field_is_essential_where_none_is_named(show):
    form = show(Example, ())
    assert seen_in(form) == set()


# A choice among classes


def test_another_class_brings_its_own_form_and_value(show):
    form = show(Denoise)
    noise = form.fields["noise"]
    for kind, value in (
        (PoissonNoise, PoissonNoise()),
        (UnknownNoise, UnknownNoise()),
        (PoissonGaussianNoise, PoissonGaussianNoise()),
    ):
        noise.choice.value = kind
        assert form.value == Denoise(value)
        assert set(noise.form.fields) == {field.name for field in fields(kind)}
        assert noise.form.isVisible() == bool(noise.form.fields)
        assert not any(other.isVisible() for other in noise._forms.values() if other is not noise.form)


def test_a_class_that_needs_a_value_asks_for_it(show):
    form = show(Denoise)
    noise = form.fields["noise"]
    noise.choice.value = GaussianNoise
    assert form.problems() == ["Sigma must be a number"]
    assert noise.form.fields["sigma"].reason == "must be a number"
    assert noise.form.fields["sigma"]._reason.isVisible()
    noise.form.fields["sigma"].editor.value = "25"
    assert form.problems() == []
    assert form.value == Denoise(GaussianNoise(25.0))
    noise.choice.value = UnknownNoise
    assert form.value == Denoise(UnknownNoise())
    noise.choice.value = GaussianNoise
    assert form.value == Denoise(GaussianNoise(25.0)), "what was typed is forgotten"


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", GaussianNoise(1.0)),
        ("?", GaussianNoise(1.0)),
        ("-3", GaussianNoise(1.0)),
        ("4", GaussianNoise(4)),
    ],
)
def test_a_measurement_can_start_without_a_value(qtbot, text, start):
    noise = Variants(NoiseModel)
    qtbot.addWidget(noise)
    noise.choice.value = GaussianNoise
    noise.form.fields["sigma"].editor.value = text
    assert noise.with_placeholders() == start


# What is said


def edit(form, name, value):
    field = form.fields[name]
    (field.choice if isinstance(field, Variants) else field.editor).value = value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flag", False),
        ("kind", "one"),
        ("count", 9),
        ("limit", ""),
        ("name", "a"),
        ("sizes", "1"),
        ("sizes", "wrong"),
        ("shape", Disc),
        ("shape", Dot),
    ],
)
def test_each_edit_is_said_once(show, count, name, value):
    form = show(Example)
    seen = count(form)
    edit(form, name, value)
    assert len(seen) == 1
    edit(form, name, value)  # the same again is no edit
    assert len(seen) == 1


def test_an_edit_within_is_said_once_outside(show, count):
    form = show(Example)
    seen = count(form)
    edit(form.fields["depth"], "high", 7)
    assert (len(seen), form.value.depth.high) == (1, 7)
    edit(form.fields["shape"].form, "side", "3")
    assert (len(seen), form.value.shape.side) == (2, 3.0)


def test_typing_is_said_once_for_each_key(show, count, qtbot):
    form = show(Example)
    seen = count(form)
    qtbot.keyClicks(form.fields["share"].editor.native, "0.25")
    assert (len(seen), form.value.share) == (4, 0.25)


def test_what_is_said_can_be_read_already(show):
    form = show(Example)
    read = []
    form.changed.connect(lambda: read.append((form.value.kind, form.fields["kind"].reason)))
    edit(form, "kind", "one")
    assert read == [("one", "")]


@pytest.mark.parametrize("settings", [CHANGED_EXAMPLE, Example()], ids=["others", "the same"])
def test_settings_are_shown_as_one_change(show, count, settings):
    form = show(Example)
    seen = count(form)
    form.set(settings)
    assert len(seen) == 1


@pytest.mark.parametrize("noise", [UnknownNoise(), PoissonGaussianNoise(2.3, 99.5, 1 / 3)], ids=str)
def test_a_choice_is_shown_as_one_change(qtbot, count, noise):
    variants = Variants(NoiseModel)
    qtbot.addWidget(variants)
    variants.set(PoissonNoise(7.0))
    seen = count(variants)
    variants.set(noise)
    assert (len(seen), variants.value) == (1, noise)
