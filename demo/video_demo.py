"""Detect free text in a video: ``python demo/video_demo.py film.mp4 --texts "a dog . a ball"``.

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
import mmcv
import numpy as np

import expalign  # noqa: F401  (before mmdet: the compatibility layer)
from expalign.apis.command_line import (
    add_model_arguments,
    add_text_arguments,
    build_inferencer,
    check_arguments,
)
from expalign.apis.video import VideoFrames
from expalign.utils import check_outputs, finished_file, run_command

MAX_FPS_DIGITS = 3


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Read the command line, and refuse what cannot work."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('video', help='video file')
    add_model_arguments(parser)
    add_text_arguments(parser)
    parser.add_argument('--out-dir', default='outputs/video_demo', help='folder for the results')
    parser.add_argument('--explain', nargs='?', type=int, const=30, metavar='N',
                        help='explain every N-th frame, by default every 30th')
    parser.add_argument('--show', action='store_true', help='show each frame in a window')
    parser.add_argument('--wait-time', type=float, default=0.001,
                        help='seconds that --show shows a frame at least')
    parser.add_argument('--no-save-vis', action='store_true', help='write no video')
    parser.add_argument('--no-save-pred', action='store_true', help='write no predictions')
    args = parser.parse_args()
    check_arguments(parser, args)
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
    from expalign.visualization import save_explanation
    name, drawn = Path(args.video).stem, not args.no_save_vis or args.show
    inferencer.set_vocabulary(args.texts)
    done = 0
    stream = inferencer.stream(
        args.frames, batch_size=args.batch_size, return_eam=args.explain is not None)
    for done, (frame, sample) in enumerate(stream, start=1):
        if drawn:
            inferencer.visualizer.add_datasample(
                name, frame[..., ::-1], sample, draw_gt=False, show=args.show,
                wait_time=args.wait_time, pred_score_thr=args.pred_score_thr)
        if outputs.video is not None:
            picture = inferencer.visualizer.get_image()[..., ::-1]
            outputs.video.write(np.ascontiguousarray(mmcv.imresize(picture, args.frames.size)))
        if outputs.lines is not None:
            prediction = dict(frame=done - 1, **inferencer.pred2dict(sample))
            outputs.lines.write(json.dumps(prediction) + '\n')
        if args.explain and (done - 1) % args.explain == 0:
            save_explanation(
                Path(args.out_dir, 'explain', f'{name}_{done - 1:06d}'), frame[..., ::-1],
                sample.alignment, sample.pred_instances, score_thr=args.pred_score_thr)
    return done


def main() -> None:
    """Detect, and say where everything is."""
    parser, args = parse_args()
    inferencer = build_inferencer(parser, args)
    try:
        with Outputs(args) as outputs:
            done = run(inferencer, args, outputs)
    except OSError as error:
        parser.error(str(error))
    print(f'{done} frames searched; {args.frames.summary()}. Written:', *outputs.files.values(),
          sep='\n  ')


if __name__ == '__main__':
    run_command(main)
