# Two images. `surefoot`: seven entry points, `python -m services.<name>`, and the command line. `sandbox`: the simulated
# AWS, too. Both are built for the machine that builds them; `--platform linux/amd64` makes them for Fargate on x86-64.
# A digest fixes the base for good: --build-arg PYTHON_IMAGE=python:3.11.15-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11.15-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
# authorities of one's own, behind a company's proxy for instance: deploy/ca/*.crt, trusted by pip, uv and the services
COPY deploy/ca /usr/local/share/ca-certificates/
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt AWS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
RUN find /usr/local/share/ca-certificates -name '*.crt' -exec cat {} + >> $SSL_CERT_FILE

FROM base AS dependencies
# uv and the build's backend: with their hashes, as `make build-tools` has written them from uv.lock
COPY deploy/build-tools.txt /build-tools.txt
RUN PIP_CERT=$SSL_CERT_FILE pip install --no-cache-dir --require-hashes --requirement /build-tools.txt
ENV UV_SYSTEM_CERTS=true UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PROJECT_ENVIRONMENT=/app/.venv
WORKDIR /app
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-install-project

FROM dependencies AS product
COPY README.md ./
COPY contracts contracts
COPY services services
COPY surefoot surefoot
# nothing is fetched any more: the backend is there, and so are the dependencies
RUN pip wheel --no-build-isolation --no-deps --no-index --wheel-dir /wheels . \
    && uv pip install --python /app/.venv --no-deps --offline --no-index /wheels/*.whl

FROM dependencies AS product-and-sandbox
RUN uv sync --frozen --no-dev --no-install-project --extra sandbox
COPY README.md ./
COPY contracts contracts
COPY services services
COPY sandbox sandbox
COPY surefoot surefoot
RUN pip wheel --no-build-isolation --no-deps --no-index --wheel-dir /wheels . \
    && uv pip install --python /app/.venv --no-deps --offline --no-index /wheels/*.whl

FROM base AS runtime
RUN useradd --system --uid 10001 --no-create-home surefoot
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
# where Compose mounts a volume for each holder of a key: a new volume has the owner of the directory beneath it
RUN for holder in trusted orchestrator monitor health diagnostics optimizer validator recovery ci operators; do \
      install --directory --owner 10001 --mode 700 "/keys/$holder"; \
    done
USER 10001
WORKDIR /tmp

FROM runtime AS sandbox
COPY --from=product-and-sandbox /app/.venv /app/.venv
CMD ["python", "-m", "sandbox.aws", "--host", "0.0.0.0"]

FROM runtime AS surefoot
COPY --from=product /app/.venv /app/.venv
CMD ["python", "-m", "services"]
