"""Predictions as a file that appears complete."""

from mmdet.evaluation.metrics import DumpDetResults

from expalign.utils import finished_file


class FinishedDump(DumpDetResults):
    """mmdet's ``DumpDetResults``, whose file gets its name when it is whole."""

    def compute_metrics(self, results: list) -> dict:
        """Write all predictions."""
        path = self.out_file_path
        with finished_file(path) as temporary:
            self.out_file_path = str(temporary)
            try:
                return super().compute_metrics(results)
            finally:
                self.out_file_path = path
