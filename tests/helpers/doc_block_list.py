"""What the tests do with every block of code of the documents.

``RUN``: run verbatim, by ``tests/test_docs/test_blocks_run.py``, in a copy of the project with an
empty cache. Those of ``QUICK`` are run by the fast suite. ``DRY``: parsed, and its scripts,
options, configs, imports, types and their arguments looked up; with the reason.

A line that is left out of a block that is run stands in ``WITHOUT``, with the reason.
"""

QUICK = {
    'docs/compatibility.md: import expalign',
    "docs/compatibility.md: config, weights = 'configs/mini/expalign_mini.py', 'work_dir",
    "docs/explanation.md: result = inferencer(image, texts='a riding helmet . a giraff",
    "docs/inference.md: inferencer = ExpAlignInferencer(config, weights, device='cpu",
    "docs/inference.md: inferencer.set_vocabulary('lvis')",
    "docs/method.md: model = init_detector('configs/mini/expalign_mini-seg.py', '",
    'docs/weights.md: expalign.trust_checkpoints()        # this process; trust_ch',
}

# The default detector's image side is fetched from the package index, once.
RUN = {
    'README.md: expalign detect film.mp4 "a dog. a ball"',
    'README.md: expalign detect photo.jpg "a cat. a red chair" --explain',
    "README.md: found = expalign.detect('photo.jpg', ['a cat', 'a red chair'",
    "docs/deployment.md: detector = OnnxDetector('m.onnx', text_side='text.onnx')",
    'docs/explanation.md: expalign detect demo/data/mini/val2017/000000214753.jpg "a h',
    'docs/inference.md: expalign detect aerial.png "a car. a boat" --patch-size 640',
    'docs/inference.md: expalign detect demo/data/mini/val2017/000000229997.jpg "bla',
    'docs/inference.md: expalign detect photo.jpg "a cat. a red chair" --explain',
    "docs/inference.md: found = expalign.detect('demo/data/mini/val2017/000000229997",
    "docs/inference.md: found = expalign.detect('photo.jpg', ['a cat', 'a red chair'",
    "docs/inference.md: ExpAlignInferencer('expalign-s').save_pretrained('my_model')",
    'docs/labelling.md: expalign label demo/data/mini/val2017 --texts "a person. a d',
    'docs/prompting.md: expalign detect demo/data/mini/val2017/000000214753.jpg "hor',
    "docs/prompting.md: expalign detect demo/data/mini/val2017/000000214753.jpg '*'",
    "docs/prompting.md: found = expalign.detect('demo/data/mini/val2017/000000214753",
    'docs/prompting.md: expalign detect demo/data/mini/val2017/000000214753.jpg "mar',
    'docs/prompting.md: python demo/image_demo.py demo/data/mini/val2017/00000021475',
    'docs/training_data.md: python tools/analysis_tools/browse_dataset.py configs/_base_',
    'docs/weights.md: python -c "from expalign.checkpoints.fetch import yolo_world',
    "docs/weights.md: text, masks = (f'projects/expalign/weights/expalign_v8s_mini",
}

WITHOUT = {
    'expalign serve': 'serves until it is interrupted; tests/test_demo/test_web_demo.py',
    'python demo/web_demo.py': 'serves until it is interrupted; tests/test_demo/test_web_demo.py',
}

VENV = 'installs .venv first; test_makefile.py, and the script behind it is run by prompting.md'
HOURS = 'trains for long; {} trains with it for an epoch'
READERS = "files of the reader's"
DATA = 'needs data sets that EXPALIGN_DATA names'
PIP = 'installs packages'
GPU = 'needs GPUs'
FRAGMENT = 'a part of a config'

DRY = {
    'docs/inference.md: expalign video film.mp4 "a dog. a ball"':
        "files and cameras of the reader's; tests/test_demo/test_video_demo.py",
    'README.md: make demo                     # makes .venv with pinned vers': VENV,
    'README.md: python tools/train.py configs/mini/expalign_mini.py': HOURS.format(
        'test_readme.py'),
    'README.md: expalign train path/to/folder': HOURS.format('test_train_own_data.py'),
    'configs/README.md: tools/dist_train.sh configs/pretrain/expalign_cnxt_o365_gold': GPU,
    'docs/compatibility.md: expalign run mmdetection/tools/test.py CONFIG CHECKPOINT': READERS,
    'docs/compatibility.md: tools/misc/try_install.sh 3.12            # or: tools/misc/t': PIP,
    'docs/compatibility.md: pip install --no-deps --target compiled_mmcv WHEEL': PIP,
    'docs/compatibility.md: pip install --no-build-isolation --no-cache-dir --no-deps --': PIP,
    'docs/compatibility.md: python3.11 -m venv .venv && source .venv/bin/activate': PIP,
    'docs/deployment.md: docker build -t expalign .': 'needs docker; test_dockerfile.py',
    'docs/deployment.md: pip install onnx==1.23.0 onnxruntime==1.32.0      # or: pip': PIP,
    'docs/deployment.md: pip install --no-deps WHEEL': PIP,
    'docs/deployment.md: python tools/deploy/export_onnx.py configs/warm_start/expali': READERS,
    'docs/deployment.md: trtexec --onnx=m.onnx --saveEngine=m.engine --fp16 \\': GPU,
    'docs/distributed.md: tools/dist_train.sh CONFIG 8': GPU,
    'docs/distributed.md: OMP_NUM_THREADS=1 python tools/analysis_tools/training_plan.':
        'builds the largest model; test_training_plan.py runs it with a small one',
    'docs/evaluation.md: python tools/test.py CONFIG CHECKPOINT --out results.pkl': READERS,
    'docs/evaluation.md: python tools/test.py configs/odinw/expalign_cnxt_odinw13.py': READERS,
    'docs/evaluation.md: refcoco_val=dict(': FRAGMENT,
    'docs/evaluation.md: test_evaluator = [': FRAGMENT,
    "docs/explanation.md: custom_hooks = [dict(type='expalign.ExplanationHook', num_im": FRAGMENT,
    'docs/gallery.md: python tools/misc/make_gallery.py': 'minutes; test_make_gallery.py',
    'docs/inference.md: make demo': VENV,
    'docs/inference.md: pip install -e ".[web]"': PIP,
    'docs/inference.md: pytest tests/test_apis/test_web                   # needs uv': 'tests',
    'docs/method.md: model = dict(': FRAGMENT,
    'docs/method.md: python tools/train.py configs/mini/expalign_mini-seg.py': HOURS.format(
        'test_train_test_segmentation.py'),
    'docs/method.md: python tools/test.py configs/mini/expalign_mini-seg_stage2.p':
        'needs the training above it',
    'docs/own_data.md: cp configs/own_data/expalign-s_probe.py configs/own_data/my_':
        HOURS.format('test_recipe_runs.py'),
    "docs/own_data.md: data = recognise('path/to/folder', 'work_dirs/own_data')": READERS,
    'docs/own_data.md: epochs = 10': FRAGMENT,
    'docs/own_data.md: python tools/misc/own_data_table.py rows.jsonl --modes tune': DATA,
    'docs/own_data.md: python tools/misc/own_data_thresholds.py trained/photos_tune':
        'needs runs; test_own_data_thresholds.py',
    'docs/own_data.md: expalign train path/to/folder': HOURS.format('test_train_own_data.py'),
    'docs/own_data.md: expalign detect photo.jpg trained/folder_tune/best.safetenso':
        'the weights of the block above it; test_train_own_data.py',
    'docs/own_data.md: python tools/dataset_converters/yolo2coco.py path/to/yolo_fo': HOURS.format(
        'test_own_data.py'),
    "docs/labelling.md: if __name__ == '__main__':      # it starts processes": READERS,
    'docs/labelling.md: expalign label "shards/{000000..001023}.tar" --texts "a cat.': 'needs a '
        'Ray cluster; test_ray.py starts one',
    "docs/labelling.md: ontology = autodistill.detection.CaptionOntology({'a red cha": 'needs '
        'autodistill; test_base_model.py',
    'docs/labelling.md: from expalign.apis.adapters.label_studio_backend import ExpA': 'needs '
        'label-studio-ml; test_label_studio_backend.py',
    'docs/prompting.md: expalign suggest $EXPALIGN_DATA/own/nuts_coco --images 12': DATA,
    'docs/prompting.md: python -c "': DATA,
    'docs/results.md: D=$EXPALIGN_DATA/odinw T=$D/thermalDogsAndPeople P=$D/Packag': DATA,
    'docs/results.md: M=MAPS; guides() { python tools/analysis_tools/guide_table.p': DATA,
    'docs/prompting.md: expalign detect photos "a person" --examples mug=kitchen.jpg': READERS,
    "docs/prompting.md: mug = expalign.examples({'mug': [('kitchen.jpg', (40, 60, 21": READERS,
    'docs/prompting.md: expalign tune path/to/folder --out mine.safetensors': READERS,
    'docs/results.md: V=$EXPALIGN_DATA/clip-names/clip_vitb32_names.npz': DATA,
    'docs/results.md: CONFIG=configs/coco_mini/expalign_v8s_minilm.py': DATA,
    'docs/results.md: PYTHONPATH=tools/distillation python -c "': DATA,
    'docs/results.md: python tools/distillation/held_out_vectors.py $V k.npz --fea': DATA,
    'docs/results.md: python tools/misc/make_attribute_set.py attributes --side 32': DATA,
    'docs/results.md: python tools/misc/make_attribute_set.py larger --side 320 --': DATA,
    'docs/results.md: python tools/misc/make_attribute_set.py data/attributes': GPU,
    'docs/results.md: python -c "from expalign.checkpoints.assemble import assembl': DATA,
    'docs/reproduce.md: tools/misc/reproduce.sh -n table1-goldg': 'test_reproduce.py',
    'docs/reproduce.md: python tools/train.py configs/pretrain/expalign_cnxt_o365_go':
        'test_preflight.py',
    'docs/training_data.md: python tools/train.py CONFIG --cfg-options train_dataloader.': READERS,
    'docs/training_data.md: train_dataloader = dict(': FRAGMENT,
    'docs/training_data.md: python -m pytest -m slow tests/test_datasets/test_mixture.py': 'a test',
    'docs/training_data.md: sample_prompts = dict(': FRAGMENT,
    'docs/training_data.md: python tools/analysis_tools/benchmark.py --task dataloader c': DATA,
    'docs/weights.md: python tools/test.py CONFIG old.pth --trust-checkpoint': READERS,
    'docs/weights.md: python tools/model_converters/publish_model.py CONFIG work_d': READERS,
    "docs/weights.md: backbone = dict(type='expalign.DINOv3ConvNeXt', model='timm/": FRAGMENT,
    'docs/weights.md: python tools/train.py configs/coco_mini/expalign_v8s_minilm-': DATA,
    'docs/weights.md: python tools/test.py configs/coco_mini/expalign_v8s_minilm-s': DATA,
    'docs/weights.md: python tools/model_converters/yolo_world_to_expalign.py SRC':
        "files of the reader's; test_blocks_run.py runs it with the checkpoint that is fetched",
    "docs/weights.md: inferencer = DetInferencer('configs/warm_start/expalign_v8s_":
        'needs the weights of CLIP',
    'docs/weights.md: python tools/model_converters/yolo_world_to_expalign.py yolo': DATA,
    'docs/weights.md: python tools/test.py configs/warm_start/expalign_v8s_clip-ve': DATA,
    'docs/weights.md: EXPALIGN_YOLO_WORLD=yolov8s-worldv2.pt python -m pytest -m r': DATA,
    'tools/README.md: python tools/dataset_converters/build_negative_vocabulary.py': READERS,
    'tools/README.md: python tools/dataset_converters/generate_sam_masks.py data/f': GPU,
}
