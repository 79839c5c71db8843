"""Search a film, a stream or a camera for what words name.

FILM is a file, an address (rtsp://, http://, ...) or the number of a camera (0 is the first).
Frames are read, searched and written one batch at a time, so memory does not grow with the
length of the film. OUT_DIR/NAME.mp4 has the pictures with boxes and masks and the sound,
OUT_DIR/NAME.jsonl a line of predictions a frame; both appear when they are complete. Ctrl-C ends
the search and keeps what was found so far.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from expalign.apis.command_line import (
    add_search_arguments,
    build_inferencer,
    check_arguments,
    sort_words,
)
from expalign.apis.films.live import PATIENCE
from expalign.apis.films.outputs import FilmOutputs
from expalign.apis.films.search import Chosen, search_film
from expalign.apis.films.sources import name_of, open_source
from expalign.apis.films.stopping import stopped_by_signals
from expalign.apis.films.tracking import Tracker
from expalign.apis.films.writer import KINDS, check_film_name
from expalign.utils import check_outputs, run_command
from expalign.utils.command_parser import CommandParser, seconds, whole_number

SHORT, LONG = 0.1, 5  # seconds between changes of the bar on a screen and in a file
INTERRUPTED = 130  # exit status


def build_parser() -> CommandParser:
    """The command line."""
    parser = CommandParser(description=__doc__, example='film.mp4 "a dog. a ball"')
    add_search_arguments(parser)
    parser.add_argument('--out-dir', help='folder for the results; default: outputs/detect')
    parser.add_argument('--out', metavar='FILM', help='name of the film to write: .mp4 and .mkv '
                        'are H.264, .webm is VP9; the predictions go beside it')
    parser.add_argument('--every', type=whole_number, default=1, metavar='N',
                        help='search every N-th frame')
    parser.add_argument('--track', action='store_true', help='number what is seen again; needs '
                        'the extra "track"')
    parser.add_argument('--seconds', type=seconds, metavar='S',
                        help='end after so much of the film')
    parser.add_argument('--reconnect', type=seconds, default=PATIENCE, metavar='S', help='how long '
                        f'to try again where a stream breaks; default: {PATIENCE:.0f} seconds')
    parser.add_argument('--explain', nargs='?', type=whole_number, const=30, metavar='N',
                        help='explain every N-th searched frame, by default every 30th')
    parser.add_argument('--show', action='store_true', help='show each frame in a window')
    parser.add_argument('--wait-time', type=float, default=0.001,
                        help='seconds that --show shows a frame at least')
    parser.add_argument('--no-save-vis', action='store_true', help='write no film')
    parser.add_argument('--no-save-pred', action='store_true', help='write no predictions')
    return parser


def parse_args() -> tuple[CommandParser, argparse.Namespace]:
    """Read the command line, and refuse what cannot work."""
    parser = build_parser()
    args = parser.parse_args()
    sort_words(parser, args)
    check_arguments(parser, args)
    if len(args.inputs) > 1:
        parser.error(f'one film at a time: {args.inputs[1]} is a second one')
    (args.video,) = args.inputs
    try:
        _name_outputs(args)
        args.frames = open_source(args.video, args.reconnect)
        check_outputs(filter(None, (args.film, args.lines)), [args.video, *args.read])
        args.tracker = Tracker(args.frames.fps / args.every) if args.track else None
    except (OSError, ValueError, ImportError) as error:
        parser.error(str(error))
    return parser, args


def _name_outputs(args: argparse.Namespace) -> None:
    """The files to write: ``args.film`` and ``args.lines``, None for what is not written."""
    if args.out is not None and args.out_dir is not None:
        raise ValueError('--out names the film and with it the folder: leave --out-dir out')
    if args.out is None:
        args.out_dir = args.out_dir or 'outputs/detect'
        if Path(args.out_dir).suffix.lower() in KINDS and not Path(args.out_dir).is_dir():
            raise ValueError(f'--out-dir {args.out_dir} is a folder; the name of a film goes to '
                             '--out')
        # Not with_suffix: a film may be called 'a.b.mp4'.
        args.out = Path(args.out_dir, f'{name_of(args.video)}.mp4')
    check_film_name(args.out)
    film = Path(args.out)
    args.out_dir = film.parent
    args.film = None if args.no_save_vis else film
    args.lines = None if args.no_save_pred else film.with_suffix('.jsonl')


def run(inferencer, args: argparse.Namespace, outputs: FilmOutputs) -> tuple[int, Chosen]:
    """Go through the film; the number of frames that were searched, and which."""
    if args.texts is not None:
        inferencer.set_vocabulary(args.texts)
    frames = Chosen(args.frames, args.every, args.seconds)
    results = search_film(inferencer, frames, args.score_thr, args.batch_size, args.explain,
                          args.tracker)
    interval = SHORT if sys.stderr.isatty() else LONG
    done = 0
    with stopped_by_signals(frames.stop), tqdm(
            results, total=frames.total, unit='frame', mininterval=interval) as bar:
        for done, result in enumerate(bar, start=1):
            outputs.write(result.found)
            if args.show:
                inferencer.visualizer.show(result.found.plot(), args.video, args.wait_time)
            if args.explain and (done - 1) % args.explain == 0:
                _explain(args, result)
    if not frames.stopped:
        outputs.all_written()
    return done, frames


def _explain(args: argparse.Namespace, result) -> None:
    from expalign.visualization import save_explanation
    stem = Path(args.out_dir, 'explain', f'{Path(args.out).stem}_{result.frame.index:06d}')
    save_explanation(
        stem, result.frame.pixels[..., ::-1], result.sample.alignment,
        result.sample.pred_instances, score_thr=result.found.thresholds)


def main() -> None:
    """Detect, and say where everything is."""
    try:
        search()
    except KeyboardInterrupt:  # before the search, or for the second time
        print('stopped; nothing is written', file=sys.stderr)
        sys.exit(INTERRUPTED)


def search() -> None:
    """Detect as the command line says."""
    parser, args = parse_args()
    try:
        inferencer = build_inferencer(parser, args)
        inferencer.show_bar = False  # there is one of the film
        with FilmOutputs(args.film, args.lines, args.frames, args.every) as outputs:
            done, frames = run(inferencer, args, outputs)
    except OSError as error:
        parser.error(str(error))
    notes = f'; {outputs.notes}' if outputs.notes else ''
    stopped = f', stopped at {args.frames.end:.1f} s' if frames.stopped else ''
    print(f'{done} frames searched{stopped}; {args.frames.summary()}{notes}. Written:',
          *outputs.files, sep='\n  ')
    if frames.stopped and args.seconds is None and not args.frames.live:
        sys.exit(INTERRUPTED)


if __name__ == '__main__':
    run_command(main)
