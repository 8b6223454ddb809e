# Two stages: what builds is not what runs. Everything from PyPI is locked with hashes.
FROM python:3.11-slim-bookworm AS build
WORKDIR /srv/sluice
COPY requirements/run.txt requirements/run.txt
RUN python -m venv /srv/venv \
 && /srv/venv/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements/run.txt

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/sluice --create-home sluice \
 && chmod 0700 /var/lib/sluice
WORKDIR /srv/sluice
COPY --from=build /srv/venv /srv/venv
COPY manage.py pyproject.toml ./
COPY gateway gateway
COPY policies policies
COPY frontend frontend
# The root is read-only when it runs: what is not compiled here is compiled at every start.
RUN python -m compileall -q gateway policies frontend
ENV PATH=/srv/venv/bin:$PATH \
    SLUICE_VAR=/var/lib/sluice \
    SLUICE_HOST=0.0.0.0 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
VOLUME /var/lib/sluice
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz')"]
CMD ["uvicorn", "gateway.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--loop", "uvloop", "--http", "httptools", "--lifespan", "on", "--no-access-log", "--no-server-header", "--no-proxy-headers", "--log-level", "warning", "--timeout-keep-alive", "30", "--timeout-graceful-shutdown", "25"]
