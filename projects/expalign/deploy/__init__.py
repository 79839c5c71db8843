"""Export to ONNX, and how near its detections are; :mod:`expalign.runtime` runs what it writes."""
