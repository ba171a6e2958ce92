# One image for every process: the command's words after the image's name say which one.

FROM python:3.11.14-slim-bookworm AS build
# Where uv installs to; a build outside of a container sets another folder.
ENV VIRTUAL_ENV=/app
WORKDIR /build
COPY requirements-uv.lock ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r requirements-uv.lock
COPY requirements.lock ./
# Wheels only: nothing needs a compiler, neither here nor in the image.
RUN python -m venv --without-pip "$VIRTUAL_ENV" \
    && uv pip install --no-cache --no-build --compile-bytecode --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY pipeline/ pipeline/
COPY connectors/ connectors/
RUN uv pip install --no-cache --compile-bytecode --no-deps .

FROM python:3.11.14-slim-bookworm
# "make image" says them; the version is the one in pyproject.toml.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="norce-pipeline" \
    org.opencontainers.image.description="Event pipeline for Norce: webhooks in, joined orders on Kafka, updates back" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.base.name="docker.io/library/python:3.11.14-slim-bookworm"
ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HEALTH_URL=http://127.0.0.1:8080/livez
# The number, so that Kubernetes can see that it is not root. State goes below data, which a volume may cover.
RUN groupadd --gid 10001 norce \
    && useradd --uid 10001 --gid norce --no-create-home --shell /usr/sbin/nologin norce \
    && install --directory --owner=norce --group=norce /var/lib/norce-pipeline/data
COPY --from=build /app /app
USER 10001:10001
WORKDIR /var/lib/norce-pipeline
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['HEALTH_URL'], timeout=4)"]
ENTRYPOINT ["norce-pipeline"]
CMD ["--help"]
