import pytest

from napari_dip import Outcome
from napari_dip.presentation import METHOD_NAMES
from napari_dip.restoration.frame_report import FrameReport
from napari_dip.restoration.result import Restoration
from napari_dip.restoration.text import comments, duration, memory, one_line, summary


def test_the_summary_says_why_and_how_many():
    def result(*outcomes):
        frames = [FrameReport((i,), outcome, 70, 1.0, 30.0) for i, outcome in enumerate(outcomes)]
        return Restoration(None, tuple(frames), {})

    assert summary(result(Outcome.MAX_ITERATIONS)) == (
        "The maximum number of iterations was reached. Iteration 70 was kept, after 30 s."
    )
    assert summary(result(Outcome.MAX_ITERATIONS, Outcome.TIME_LIMIT, Outcome.MAX_ITERATIONS)) == (
        "The maximum number of iterations was reached (2 of 3 frames). "
        "The time limit was reached (1 of 3 frames). "
        "3 frames are restored, after 90 s."
    )


def test_the_summary_says_which_frames_a_note_is_about():
    def words(*notes):
        frames = [
            FrameReport((i,), Outcome.UNCHANGED, 0, None, 0.0, note=note) for i, note in enumerate(notes)
        ]
        return summary(Restoration(None, tuple(frames), {}))

    assert words("Blank.", "Blank.").startswith("Blank. There was nothing to restore.")
    assert words("", "Blank.", "Dark.", "Blank.").startswith("Frames 1, 3: Blank. Frame 2: Dark. There was")
    assert words(*(f"Note {n}." for n in range(9))).startswith("There was nothing to restore.")


def test_frames_that_failed_are_counted():
    frames = [FrameReport((i,), Outcome.MAX_ITERATIONS, 70, 1.0, 30.0) for i in range(2)]
    failed = FrameReport((2,), Outcome.FAILED, 0, None, 0.0, error="constant")
    words = summary(Restoration(None, (*frames, failed), {}))
    assert "(2 of 3 frames). 2 frames are restored, after 60 s." in words
    assert words.endswith("1 of 3 frames could not be restored.")


def test_what_is_computed_in_one_step_keeps_no_update():
    frames = (FrameReport((), Outcome.COMPUTED, 10, None, 2.0),)
    assert summary(Restoration(None, frames, {})) == "The result was computed in one step, in 2 s."
    failed = FrameReport((1,), Outcome.FAILED, 0, None, 0.0, error="constant")
    words = summary(Restoration(None, (*frames, failed), {}))
    assert words.startswith(
        "The result was computed in one step (1 of 2 frames), in 2 s. 1 of 2 frames could not"
    )


@pytest.mark.parametrize(
    ("seconds", "words"), [(3.2, "3 s"), (179, "179 s"), (240, "4 minutes"), (5400, "1.5 hours")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_methods_have_names_in_small_letters():
    assert list(METHOD_NAMES) == [
        "auto",
        "dip",
        "pkn",
        "finetune",
        "nonlocal-bayes",
        "richardson-lucy",
        "wiener",
    ]


def test_memory():
    assert memory(3 * 2**29) == "1.5 GiB"
    assert memory(40 * 2**20) == "40 MiB"


def test_a_comment_has_one_line_whatever_is_in_it():
    breaks = "".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029\u202e\ud800"
    assert one_line(f" a{breaks}b\xa0 c ") == "a b c"
    assert comments(["a\nb", "Größe in µm — “x”"]) == "# a b\n# Größe in µm — “x”\n"
    for one in map(chr, range(0x11000)):
        assert len(f"# {one_line(f'a{one}b')}".splitlines()) == 1
