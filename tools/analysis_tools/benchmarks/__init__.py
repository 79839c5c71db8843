"""Benchmarks, one task a module, started by ``tools/analysis_tools/benchmark.py --task NAME``.

A task's module has ``add_arguments(parser)``, which adds the task's options to the command line,
and ``run(args)``, which measures and returns the report as text. To add one, write the module and
its line below.
"""

TASKS = {name: f'benchmarks.{name}' for name in (
    'dataloader', 'eah', 'model', 'rates', 'forms', 'scaling', 'stream', 'postprocess', 'text',
    'train_step', 'providers', 'labelling')}
