"""Search a film for what words name.

Frames are read, searched and written one batch at a time, so memory does not grow with the
length of the video. ``OUT_DIR/NAME.mp4`` has the pictures with boxes and masks,
``OUT_DIR/NAME.jsonl`` a line of predictions a frame; both appear when they are complete. A frame
that cannot be decoded is left out, counted and reported.
"""

import argparse
import json
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from expalign.apis.command_line import (
    add_search_arguments,
    build_inferencer,
    check_arguments,
    sort_words,
)
from expalign.apis.video import VideoFrames
from expalign.utils import check_outputs, finished_file, run_command
from expalign.utils.command_parser import CommandParser

MAX_FPS_DIGITS = 3


def build_parser() -> CommandParser:
    """The command line."""
    parser = CommandParser(description=__doc__, example='film.mp4 "a dog. a ball"')
    add_search_arguments(parser)
    parser.add_argument('--out-dir', default='outputs/detect', help='folder for the results')
    parser.add_argument('--explain', nargs='?', type=int, const=30, metavar='N',
                        help='explain every N-th frame, by default every 30th')
    parser.add_argument('--show', action='store_true', help='show each frame in a window')
    parser.add_argument('--wait-time', type=float, default=0.001,
                        help='seconds that --show shows a frame at least')
    parser.add_argument('--no-save-vis', action='store_true', help='write no video')
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
    if args.explain is not None and args.explain < 1:
        parser.error(f'--explain {args.explain}: the number of frames must be 1 or more')
    try:
        args.frames = VideoFrames(args.video)
        check_outputs(output_files(args).values(), [args.video, *args.read])
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return parser, args


def output_files(args: argparse.Namespace) -> dict[str, Path]:
    """The files to write, explanations aside."""
    stem = Path(args.out_dir, Path(args.video).stem)
    wanted = dict(mp4=not args.no_save_vis, jsonl=not args.no_save_pred)
    # Not with_suffix: a film may be called 'a.b.mp4'.
    return {kind: stem.with_name(f'{stem.name}.{kind}') for kind, on in wanted.items() if on}


class Outputs:
    """The video and the lines of predictions; they get their names when all went well."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.files = output_files(args)
        self.video = self.lines = None
        self._args, self._stack = args, ExitStack()

    def __enter__(self) -> 'Outputs':
        with ExitStack() as stack:
            partial = {kind: stack.enter_context(finished_file(file))
                       for kind, file in self.files.items()}
            if 'mp4' in partial:
                frames = self._args.frames
                self.video = cv2.VideoWriter(
                    str(partial['mp4']), cv2.VideoWriter_fourcc(*'mp4v'),
                    round(frames.fps, MAX_FPS_DIGITS), frames.size)
                stack.callback(self.video.release)
                if not self.video.isOpened():
                    raise OSError(
                        f'cannot write {self.files["mp4"]}: this OpenCV has no MPEG-4 encoder')
            if 'jsonl' in partial:
                self.lines = stack.enter_context(partial['jsonl'].open('w', encoding='utf-8'))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> bool | None:
        return self._stack.__exit__(*error)


def run(inferencer, args: argparse.Namespace, outputs: Outputs) -> int:
    """Go through the video; returns the number of frames done."""
    from expalign.apis.found import detections_of
    from expalign.visualization import save_explanation
    name = Path(args.video).stem
    if args.texts is not None:
        inferencer.set_vocabulary(args.texts)
    done = 0
    stream = inferencer.stream(
        args.frames, batch_size=args.batch_size, return_eam=args.explain is not None)
    for done, (frame, sample) in enumerate(stream, start=1):
        found = detections_of(inferencer, frame, sample, args.score_thr)
        if outputs.video is not None or args.show:
            picture = np.ascontiguousarray(found.plot()[..., ::-1])
        if args.show:
            inferencer.visualizer.show(picture[..., ::-1], name, args.wait_time)
        if outputs.video is not None:
            outputs.video.write(cv2.resize(picture, args.frames.size))
        if outputs.lines is not None:
            outputs.lines.write(json.dumps(dict(frame=done - 1, **found.to_dict())) + '\n')
        if args.explain and (done - 1) % args.explain == 0:
            save_explanation(
                Path(args.out_dir, 'explain', f'{name}_{done - 1:06d}'), frame[..., ::-1],
                sample.alignment, sample.pred_instances, score_thr=found.thresholds)
    return done


def main() -> None:
    """Detect, and say where everything is."""
    parser, args = parse_args()
    inferencer = build_inferencer(parser, args)
    inferencer.show_bar = True
    try:
        with Outputs(args) as outputs:
            done = run(inferencer, args, outputs)
    except OSError as error:
        parser.error(str(error))
    print(f'{done} frames searched; {args.frames.summary()}. Written:', *outputs.files.values(),
          sep='\n  ')


if __name__ == '__main__':
    run_command(main)
