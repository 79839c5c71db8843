"""The task ``providers``: who takes part, and the table."""

import argparse

import numpy as np
from benchmarks import providers

from expalign.deploy.parity import Parity
from expalign.structures.detections import Detections

OPENVINO = 'OpenVINOExecutionProvider'


def test_who_takes_part():
    assert providers.providers_of_cpus(['TensorrtExecutionProvider', OPENVINO, providers.DEFAULT]
                                       ) == [providers.DEFAULT, OPENVINO]
    assert providers.providers_of_cpus([providers.DEFAULT]) == [providers.DEFAULT]
    assert providers.with_threads(providers.DEFAULT, 2) == providers.DEFAULT
    assert providers.with_threads(OPENVINO, 2) == (
        OPENVINO, dict(device_type='CPU', num_of_threads='2'))


def test_ratios_are_of_neighbouring_runs():
    text = providers.report(
        {'PyTorch': [0.2, 0.4, 0.6], providers.DEFAULT: [0.1, 0.1, 0.3]},
        {name: Parity() for name in ('PyTorch', providers.DEFAULT)}, 'title')
    (torch_row,) = [line for line in text.splitlines() if 'PyTorch' in line]
    assert [cell.strip() for cell in torch_row.strip('|').split('|')][:3] == [
        'PyTorch', '400', '2.00']


class Program:
    """Stands for the inferencer and for the exported detector; the latter moves a box."""

    def __init__(self, *args, **kwargs):
        self.exported = 'providers' in kwargs

    def set_vocabulary(self, prompts):
        self.prompts = prompts

    def detect(self, image, score_thr):
        return Detections(
            np.array([[1, 1, 5, 5 + 3 * self.exported]]), np.array([0.5]), np.array([0]),
            self.prompts, image.shape[:2], threshold=score_thr)

    def __call__(self, image, score_thr):
        return [self.detect(image, score_thr)]


def test_boxes_are_compared_with_those_of_pytorch(monkeypatch, run_at_root):
    import expalign.apis
    monkeypatch.setattr(expalign.apis, 'ExpAlignInferencer', Program)
    monkeypatch.setattr(providers, 'OnnxDetector', Program)
    parser = argparse.ArgumentParser()
    providers.add_arguments(parser)
    text = providers.run(parser.parse_args(
        ['--onnx', 'm', '--texts', 'a cat. a dog', '--providers', OPENVINO, '--repeats', '1']))
    assert text.startswith('expalign-s, 2 prompts, onnxruntime ')
    cells = {row.split('|')[1].strip(): row.split('|')[4:6] for row in text.splitlines()
             if row.startswith('|')}
    assert [cell.strip() for cell in cells[OPENVINO]] == ['1', '2']
