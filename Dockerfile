# The web page and the command `expalign` in a container.
#
#   docker build -t expalign .
#   docker run -p 7860:7860 -v expalign:/cache expalign                      # http://localhost:7860
#   docker run -v expalign:/cache -v "$PWD":/data expalign detect photo.jpg "a cat. a red chair"
#
# On NVIDIA GPUs (run with --gpus all):
#   docker build -t expalign:cuda --build-arg BASE=nvidia/cuda:12.8.1-base-ubuntu24.04 .
#
# torch comes from pip's usual index, where it is built for GPUs on Linux. For an image that is
# smaller by gigabytes, name an index with builds for processors: --build-arg TORCH_INDEX=ADDRESS

ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# The images of CUDA have no Python; 3.11 or newer is needed.
# hadolint ignore=DL3008
RUN if ! python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'; then \
      apt-get update && apt-get install -y --no-install-recommends python3 python3-venv \
      && rm -rf /var/lib/apt/lists/*; \
    fi \
    && python3 -m venv /opt/expalign
ENV PATH=/opt/expalign/bin:$PATH
WORKDIR /source
# Before the sources: it is large and changes rarely.
COPY requirements.txt ./
ARG TORCH_INDEX=
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} --constraint requirements.txt torch
COPY pyproject.toml setup.py README.md LICENSE ./
COPY configs configs
COPY tools tools
COPY demo demo
COPY projects projects
RUN pip install --constraint requirements.txt '.[web,export,track,fonts]'

FROM ${BASE}
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive
# OpenCV's libraries; and Python where the base has none.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
         apt-get install -y --no-install-recommends python3; \
       fi \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home expalign \
    && mkdir /cache /data \
    && chown expalign /cache /data
COPY --from=build /opt/expalign /opt/expalign
ENV PATH=/opt/expalign/bin:$PATH PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/cache HF_HOME=/cache/huggingface NUMBA_CACHE_DIR=/cache/numba \
    MPLCONFIGDIR=/cache/matplotlib
USER 10001
# Weights are fetched to the one when they are first used; files of yours are in the other.
VOLUME ["/cache", "/data"]
WORKDIR /data
EXPOSE 7860
# The page ends, and a film is finished, as by Ctrl-C.
STOPSIGNAL SIGINT
ENTRYPOINT ["expalign"]
CMD ["serve", "--host", "0.0.0.0", "--port", "7860"]
