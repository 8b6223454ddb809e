FROM python:3.11-slim-bookworm AS build
WORKDIR /srv/sluice
COPY requirements/run.txt requirements/run.txt
RUN python -m venv /srv/venv \
 && /srv/venv/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/sluice --create-home sluice
WORKDIR /srv/sluice
COPY --from=build /srv/venv /srv/venv
COPY manage.py pyproject.toml ./
COPY gateway gateway
COPY policies policies
COPY frontend frontend
ENV PATH=/srv/venv/bin:$PATH SLUICE_VAR=/var/lib/sluice PYTHONUNBUFFERED=1
USER sluice
VOLUME /var/lib/sluice
EXPOSE 8000
CMD ["uvicorn", "gateway.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--no-server-header", "--no-proxy-headers"]
