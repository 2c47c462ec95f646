import torch

from napari_dip import SuperResolve, UnknownNoise
from napari_dip.finetuning.consistency import Diagnosis
from napari_dip.finetuning.session import open_session
from napari_dip.pretrained.bundled import bundled
from napari_dip.problem import Problem
from napari_dip.steps import finished
from napari_dip.synthetic.images import synthetic_image

from .noisy import noisy


def test_the_network_output_has_the_usual_contrast():
    _, problem = noisy(50)
    session = open_session(bundled("denoise"), problem)
    assert session.contrast < 1
    assert "contrast of the network's input" in session.describe()
    matched, session.restorer.mapping = finished(session.first_correction()), session.usual_mapping
    torch.testing.assert_close(finished(session.output()), session.network_output)
    assert not torch.equal(matched, session.network_output)


def test_a_corrupted_network_is_inconsistent():
    truth = torch.from_numpy(synthetic_image(7, 2, 192)).float()[None, None]
    operator = SuperResolve(factor=4, downsampling="bicubic").operator((48, 48))
    margin = (operator.grid((48, 48)).shape[0] - 192) // 2
    data = operator(torch.nn.functional.pad(truth, (margin,) * 4, mode="reflect")).round()
    problem = Problem(data, operator, UnknownNoise(), torch.ones_like(data))
    sound, corrupted = bundled("super-resolve", 4), bundled("super-resolve", 4)
    last = [value for value in corrupted.network.parameters() if value.ndim == 4][-1]
    last.data += last.std() * torch.randn(last.shape, generator=torch.Generator().manual_seed(0))
    assert open_session(sound, problem).report.diagnosis is Diagnosis.CONSISTENT
    report = open_session(corrupted, problem).report
    assert report.diagnosis is Diagnosis.INCONSISTENT
    assert report.usual < report.residual / 1.5


def test_if_the_noise_is_clipped_everywhere_the_user_is_told():
    _, problem = noisy(40, low=0, high=12, known=False)
    session = open_session(bundled("denoise"), problem)
    assert session.noisy
    assert not session.sampler.sure_applies
    assert "synthetic images alone" in session.describe()
