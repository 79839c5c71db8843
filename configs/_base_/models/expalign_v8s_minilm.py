# YOLO-World v2-S's image side with MiniLM's tokens: the text adapter is what is trained.
_base_ = ['./expalign_v8s.py', './minilm_text.py']

model = dict(**_base_.minilm_text)
