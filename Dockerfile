# The service, its worker and its dashboard: one image, `tams` with another command. `docker build .` makes it,
# `docker build --target emulator .` one with the emulator of VAST Database that docker-compose.yml has for a trial.
# tests/deploy/test_dockerfile.py carries out these very steps in a folder, so keep to RUN, COPY and their like.

ARG PYTHON=3.13
FROM python:${PYTHON}-slim-bookworm AS build
WORKDIR /build
COPY pyproject.toml requirements.lock deploy/docker/locked.py ./
# What the project needs to run, and the build backend apart from it; both by the hashes of the lock. Where packages come
# from is pip's own setting: `--secret id=pip.conf,src=pip.conf` gives the build one without leaving it in the image.
RUN python locked.py pyproject.toml requirements.lock > run.lock && \
    python locked.py pyproject.toml requirements.lock hatchling > backend.lock
RUN python -m venv --without-pip /opt/tams && \
    python -m venv --without-pip /build/backend
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python -m pip --python /opt/tams/bin/python install --no-cache-dir --require-hashes --requirement run.lock && \
    python -m pip --python /build/backend/bin/python install --no-cache-dir --require-hashes --requirement backend.lock
# Sources last, so that a change of them installs nothing anew.
COPY README.md LICENSE ./
COPY tams_data tams_data
COPY api api
COPY dashboards dashboards
COPY notebooks notebooks
RUN /build/backend/bin/python -m hatchling build --target wheel --directory /build/dist && \
    python -m pip --python /opt/tams/bin/python install --no-cache-dir --no-deps --no-index /build/dist/*.whl

FROM python:${PYTHON}-slim-bookworm AS run
# By number, which needs no entry in /etc/passwd and lets Kubernetes see that it is not root.
RUN install -d -o 10001 -g 10001 -m 0750 /data
COPY --from=build /opt/tams /opt/tams
# All that is written goes to /data, and /tmp: the rest of the file system may be read-only.
ENV PATH=/opt/tams/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    TAMS_HOST=0.0.0.0 \
    TAMS_DASHBOARD_HOST=0.0.0.0 \
    TAMS_DATA_DIR=/data \
    TAMS_DEMO=false \
    TAMS_LOG_FORMAT=json
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 8000 5006
STOPSIGNAL SIGTERM
# Told to end, it answers what it has accepted for TAMS_DRAIN_TIMEOUT seconds: leave it that time and 15 more.
ENTRYPOINT ["tams"]
CMD ["run"]
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"TAMS_PORT\", 8000)}/health', timeout=5)"]

FROM run AS emulator
COPY tests/vast_emulator /opt/emulator/tests/vast_emulator
ENV PYTHONPATH=/opt/emulator
EXPOSE 9090
ENTRYPOINT ["python", "-m", "tests.vast_emulator", "--host", "0.0.0.0"]
CMD ["--data", "/data/emulator.duckdb", "--bucket", "tams"]
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 9090), 5).close()"]

FROM run AS service
