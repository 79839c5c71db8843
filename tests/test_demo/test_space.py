"""The files of a hosted Space: they belong together, and the page starts under the host's name."""

import os
import re
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from expalign.cli import SCRIPTS
from tests.helpers.mini_model import CONFIG, write_mini_weights

SPACE = Path('demo/space')
HOST = 'someone-expalign.hf.space'


@pytest.fixture
def app(monkeypatch):
    for name in ('SPACE_HOST', 'EXPALIGN_MODEL', 'PORT'):
        monkeypatch.delenv(name, raising=False)
    return runpy.run_path(str(SPACE / 'app.py'))


def test_the_command(app, monkeypatch):
    assert app['command']() == ['serve', 'expalign-s', '--port', '7860']
    monkeypatch.setenv('SPACE_HOST', HOST)
    monkeypatch.setenv('EXPALIGN_MODEL', 'expalign-m')
    parser = runpy.run_path(SCRIPTS['serve'].path)['build_parser']()
    args = parser.parse_args(app['command']()[1:])
    assert (args.host, args.port, args.model) == ('0.0.0.0', 7860, 'expalign-m')
    assert (args.allowed_host, args.framed_by) == ([HOST], ['https://huggingface.co'])


def test_the_files_belong_together():
    _, front, _ = (SPACE / 'README.md').read_text(encoding='utf-8').split('---\n', 2)
    matter = yaml.safe_load(front)
    assert (matter['sdk'], matter['app_port'], matter['license']) == ('docker', 7860, 'gpl-3.0')
    assert len(matter['short_description']) <= 60
    lines = (SPACE / 'Dockerfile').read_text()
    assert 'EXPOSE 7860' in lines and 'CMD ["python", "app.py"]' in lines
    assert '--uid 1000' in lines
    pins = Path('requirements.txt').read_text()
    assert re.search(r"torch==[\d.]+", lines)[0] in pins
    extras = Path('pyproject.toml').read_text()
    for line in (SPACE / 'requirements.txt').read_text().splitlines():
        if not line.startswith('#'):
            assert f'"{line}"' in extras  # those of the extras web and fonts


@pytest.mark.slow
def test_it_serves_in_a_frame_of_the_hub(tmp_path):
    from expalign.apis import ExpAlignInferencer
    weights = write_mini_weights(tmp_path / 'mini.pth')
    ExpAlignInferencer(CONFIG, weights, device='cpu').save_pretrained(tmp_path / 'model')
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    served = subprocess.Popen(
        [sys.executable, SPACE / 'app.py'], stdout=subprocess.PIPE, text=True,
        env=os.environ | dict(SPACE_HOST=HOST, PORT=str(port), PYTHONPATH='projects',
                              EXPALIGN_MODEL=str(tmp_path / 'model' / 'model.safetensors')))
    try:
        while not (line := served.stdout.readline()).startswith('http'):
            assert line
        frame = {'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate',
                 'sec-fetch-dest': 'iframe', 'x-forwarded-for': '203.0.113.7'}
        with httpx.Client(base_url=f'http://127.0.0.1:{port}', headers=dict(host=HOST),
                          trust_env=False, timeout=60) as visitor:
            page = visitor.get('/', headers=frame)
            assert page.status_code == 200
            policy = page.headers['content-security-policy']
            assert policy.endswith('frame-ancestors https://huggingface.co')
            assert 'SameSite=None; Secure; Partitioned' in page.headers['set-cookie']
            own = {'sec-fetch-site': 'same-origin', 'origin': f'https://{HOST}'}
            sample = visitor.get('/api/start', headers=own).json()['samples'][0]
            found = visitor.post('/api/search', json=sample, headers=own)
            assert found.status_code == 200 and found.json()['prompts']
            evil = visitor.post('/api/search', json=sample, headers=dict(
                own, origin='https://evil.example'))
            assert evil.status_code == 403
            assert visitor.get('/', headers=dict(host='evil.example')).status_code == 403
    finally:
        served.terminate()
        served.wait(30)
