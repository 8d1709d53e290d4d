# syntax=docker/dockerfile:1
# One image, seven entry points: `python -m services.<name>`. Fargate runs linux/amd64 unless told otherwise.
FROM --platform=linux/amd64 python:3.11-slim-bookworm AS build
RUN pip install --no-cache-dir "uv>=0.9"
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PROJECT_ENVIRONMENT=/app/.venv
WORKDIR /app
ARG EXTRAS=""
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-dev --no-install-project ${EXTRAS}
COPY contracts contracts
COPY services services
COPY sandbox sandbox
COPY surefoot surefoot
RUN uv sync --frozen --no-dev --no-editable ${EXTRAS}

FROM --platform=linux/amd64 python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home surefoot
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
WORKDIR /tmp
CMD ["python", "-m", "services"]
