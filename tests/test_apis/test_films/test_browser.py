"""Written films in a browser: headless Chromium, where playwright and it are installed."""

import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from expalign.apis.films.writer import KINDS, FilmWriter
from tests.helpers.films import picture, write_film

PLAY = """name => new Promise(tell => {
  const film = document.createElement('video');
  const done = () => tell([film.readyState, film.videoWidth, film.videoHeight, film.duration,
                           film.error && film.error.message]);
  film.onended = film.onerror = done;
  [film.muted, film.playbackRate, film.src] = [true, 4, name];
  document.body.append(film);
  film.play();
})"""


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    """A page of an empty folder, which is served."""
    playwright = pytest.importorskip('playwright.sync_api', reason='needs playwright')
    chromium = shutil.which('chromium') or shutil.which('chromium-browser')
    if chromium is None:
        pytest.skip('needs Chromium')
    folder = tmp_path_factory.mktemp('page')
    (folder / 'index.html').write_text('<body></body>')
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
        page = browser.new_page()
        page.goto(f'http://127.0.0.1:{server.server_port}/index.html')
        page.folder = folder
        yield page
        browser.close()
    server.shutdown()


@pytest.mark.parametrize('suffix', ['.mp4', '.webm'])
@pytest.mark.parametrize('size', [(64, 48), (161, 121)])
def test_browsers_play_what_is_written(page, suffix, size):
    sound = write_film(page.folder / f'{suffix[1:]}{size[0]}.mkv', frames=20, sound='libopus')
    name = f'{size[0]}{suffix}'
    writer = FilmWriter(page.folder / name, KINDS[suffix], size, 10, sound_of=str(sound))
    times = [0, 0.1, 0.15, 1.2, 1.9]  # seconds
    for index, time in enumerate(times):
        writer.write(picture(index, size), time)
    writer.close(2.0)
    ready, width, height, seconds, error = page.evaluate(PLAY, name)
    even = [side + side % 2 * (suffix == '.mp4') for side in size]
    assert (ready, [width, height], error) == (4, even, None)
    assert seconds == pytest.approx(2.0, abs=0.1)
