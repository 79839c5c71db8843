"""The small model with untrained weights, shared by the tests of the inferencer."""

import pytest

from tests.helpers.mini_model import CONFIG, write_mini_weights


@pytest.fixture(scope='package')
def mini_weights(tmp_path_factory, run_at_root):
    return write_mini_weights(tmp_path_factory.mktemp('weights') / 'mini.pth')


@pytest.fixture(scope='package')
def mini_inferencer(mini_weights):
    from expalign.apis import ExpAlignInferencer
    return ExpAlignInferencer(CONFIG, mini_weights, device='cpu', show_progress=False)
